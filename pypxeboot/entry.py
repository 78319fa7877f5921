"""What there is to boot: :class:`BootMenu` and :class:`Entry`, and which one it became: :class:`Choice`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Optional

from pypxeboot.url import Location


class Action(str, Enum):
    """What an entry does."""

    BOOT = "boot"
    LOCALBOOT = "localboot"
    REBOOT = "reboot"
    POWEROFF = "poweroff"


class Reason(str, Enum):
    """Why this entry and no other."""

    DEFAULT = "default"
    TIMEOUT = "timeout"
    ONTIMEOUT = "ontimeout"
    LABEL = "label"
    CHOSEN = "chosen"
    WAITS_FOREVER = "waits-forever"
    ONERROR = "onerror"
    SCRIPT = "script"


@dataclass(frozen=True)
class Module:
    """A multiboot module: the file and its command line (which includes the file's name)."""

    location: Location
    cmdline: str


@dataclass(frozen=True)
class Packed:
    """A file that goes into the ramdisk behind the initrds, in a cpio archive, as ``path``.

    Without a location ``data`` is what it holds.
    """

    location: Optional[Location]
    path: str
    data: bytes = b""


@dataclass(frozen=True)
class Entry:
    """One thing to boot, all names resolved.

    ``cmdline`` is text of :func:`pypxeboot.text.decode`; ``kernel`` is set when ``action`` is BOOT. ``dtb``
    is a device tree for the kernel. In a list, ``menu`` has the titles of the submenus around it, and
    ``meaning`` says what it comes to where that is no kernel.
    """

    label: Optional[str]
    action: Action
    kernel: Optional[Location] = None
    initrds: tuple[Location, ...] = ()
    cmdline: str = ""
    modules: tuple[Module, ...] = ()
    title: str = ""
    packed: tuple[Packed, ...] = ()
    dtb: Optional[Location] = None
    menu: tuple[str, ...] = ()
    meaning: str = ""


@dataclass(frozen=True)
class BootMenu:
    """The entries of one configuration, in file order."""

    entries: tuple[Entry, ...]
    default: Optional[str] = None
    title: str = ""


@dataclass(frozen=True)
class Choice:
    """The entry that boots, why, and the configuration file that it stands in."""

    entry: Entry
    reason: Reason
    config: Optional[Location]
    menu: Optional[BootMenu] = None
