"""The result of a boot: files, command line, and how it came to them; all values of the JSON result."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from pypxeboot.dataclass import dataclass, field_names
from pypxeboot.entry import Action, Reason


@dataclass(frozen=True)
class Request:
    """One file that was asked for. ``result`` is ``ok``, ``not-found``, or what went wrong."""

    url: str
    result: str
    bytes: int
    seconds: float


@dataclass(frozen=True)
class LeaseReport:
    """A lease as text, as the JSON result has it. ``seconds`` is None for an infinite lease."""

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
    """The kernel, where it came from, and the file that it is in.

    ``path`` is set by the host side; all but ``url`` is None when nothing was downloaded. ``format`` and
    ``boots`` are of :class:`~pypxeboot.kernel.identify.KernelInfo`; ``sha256`` is in hexadecimal.
    """

    url: str
    path: Optional[str] = None
    size: Optional[int] = None
    sha256: Optional[str] = None
    format: Optional[str] = None
    boots: tuple[str, ...] = ()


@dataclass(frozen=True)
class InitrdFile:
    """One initrd as the server has it; sizes are in bytes."""

    url: str
    size: Optional[int] = None
    sha256: Optional[str] = None


@dataclass(frozen=True)
class Ramdisk:
    """The file in which all initrds are joined, as the kernel is given it."""

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
    """A multiboot module: its file, and its command line."""

    url: str
    path: Optional[str]
    size: Optional[int]
    cmdline: str
    sha256: Optional[str] = None


@dataclass(frozen=True)
class Seconds:
    """How many seconds the boot took: the whole, and its parts."""

    total: float = 0.0
    link: float = 0.0
    dhcp: float = 0.0
    config: float = 0.0
    download: float = 0.0


@dataclass(frozen=True)
class ListedEntry:
    """An entry of the menu, as --list-entries shows it; files are URLs.

    ``modules`` are URLs with the arguments behind them, ``menu`` the titles of the submenus around the entry.
    ``meaning`` says what it does where it boots no kernel.
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


class EntryList:
    """A list of entries in the form of its class, which takes them as they come."""

    def add(self, entries: Iterable[ListedEntry]) -> None:
        """Take the next entries."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget them all: the boot is tried again."""
        raise NotImplementedError

    def render(self, config: Optional[str]) -> bytes:
        """Return the list; its entries are of the configuration ``config``, a URL."""
        raise NotImplementedError


@dataclass(frozen=True)
class ScriptFailure:
    """Why a script failed that should have booted the guest, and what to do about it."""

    message: str
    hint: Optional[str]


@dataclass(frozen=True)
class Outcome:
    """What came of a boot, apart from files, times and lists; ``failure`` is set for SCRIPT_FAILED."""

    action: Action
    lease: Optional[LeaseReport]
    loader: str
    config: Optional[str]
    label: Optional[str]
    reason: Reason
    cmdline: str
    requests: tuple[Request, ...]
    warnings: tuple[str, ...]
    failure: Optional[ScriptFailure]

    def outcome(self) -> dict[str, Any]:
        """Return these fields by name, for another class that has them."""
        return {name: getattr(self, name) for name in field_names(Outcome)}


@dataclass(frozen=True)
class BootResult(Outcome):
    """The result of a boot.

    ``kernel`` is set when ``action`` is BOOT, and entries were not merely listed.
    """

    kernel: Optional[KernelFile]
    initrds: tuple[InitrdFile, ...]
    ramdisk: Optional[Ramdisk]
    modules: tuple[ModuleFile, ...]
    dtb: Optional[DeviceTree]
    seconds: Seconds


@dataclass(frozen=True)
class Failure:
    """What the client process sends when it ends without a result; ``kind`` is a key of ``errors.KINDS``."""

    kind: str
    message: str
    hint: Optional[str]
    requests: tuple[Request, ...]
    warnings: tuple[str, ...]
