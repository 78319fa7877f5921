"""What a boot came to: files, command line, and the story of how; the values of the JSON result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from pypxeboot.entry import Action, Reason


@dataclass(frozen=True)
class Request:
    """One file asked for. ``result`` is ``ok``, ``not-found``, or what went wrong."""

    url: str
    result: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class LeaseReport:
    """A lease in text, as the JSON result has it. ``seconds`` is None for an infinite lease."""

    address: str
    netmask: str
    gateway: str
    dns: tuple[str, ...]
    domain: str
    server_id: str
    next_server: str
    bootfile: str
    seconds: Optional[int]


@dataclass(frozen=True)
class KernelFile:
    """The kernel.

    ``path`` is known to the host side only; all but ``url`` is None when nothing was downloaded.
    """

    url: str
    path: Optional[str] = None
    size: Optional[int] = None
    sha256: Optional[str] = None
    format: Optional[str] = None
    boots: tuple[str, ...] = ()


@dataclass(frozen=True)
class InitrdFile:
    """One initrd as the server has it."""

    url: str
    size: Optional[int] = None
    sha256: Optional[str] = None


@dataclass(frozen=True)
class Ramdisk:
    """All initrds joined in one file."""

    path: Optional[str] = None
    size: Optional[int] = None
    sha256: Optional[str] = None


@dataclass(frozen=True)
class DeviceTree:
    """A device tree for the kernel."""

    url: str
    path: Optional[str] = None
    size: Optional[int] = None
    sha256: Optional[str] = None


@dataclass(frozen=True)
class ModuleFile:
    """A multiboot module."""

    url: str
    path: Optional[str]
    size: Optional[int]
    cmdline: str
    sha256: Optional[str] = None


@dataclass(frozen=True)
class Seconds:
    """How long it took: the whole, and its parts."""

    total: float = 0.0
    link: float = 0.0
    dhcp: float = 0.0
    config: float = 0.0
    download: float = 0.0


@dataclass(frozen=True)
class ListedEntry:
    """An entry of the menu, as a list shows it.

    ``modules`` are URLs with the words behind the file's name, ``menu`` the titles of the submenus around it.
    ``meaning`` says what it comes to where that is no kernel.
    """

    label: str
    title: str
    action: Action
    kernel: Optional[str]
    initrds: tuple[str, ...]
    cmdline: str
    default: bool
    modules: tuple[str, ...] = ()
    dtb: Optional[str] = None
    menu: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class Artifacts:
    """The result of a boot.

    ``kernel`` is set when ``action`` is BOOT (and entries were not merely listed).
    """

    action: Action
    lease: Optional[LeaseReport]
    loader: str
    config: Optional[str]
    label: Optional[str]
    reason: Reason
    kernel: Optional[KernelFile]
    initrds: tuple[InitrdFile, ...]
    ramdisk: Optional[Ramdisk]
    modules: tuple[ModuleFile, ...]
    cmdline: str
    requests: tuple[Request, ...]
    seconds: Seconds
    warnings: tuple[str, ...]
    entries: tuple[ListedEntry, ...] = ()
    dtb: Optional[DeviceTree] = None


@dataclass(frozen=True)
class Failure:
    """What the client process says when it ends without a result."""

    kind: str
    message: str
    hint: Optional[str]
    requests: tuple[Request, ...]
    warnings: tuple[str, ...]
