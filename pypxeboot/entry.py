"""What there is to boot (:class:`Entry`, :class:`BootMenu`), and which of it boots (:class:`Choice`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.url import Location


class Action(str, Enum):
    """What an entry does: boot a kernel, boot from the local disk, restart the guest, or switch it off."""

    BOOT = "boot"
    LOCALBOOT = "localboot"
    REBOOT = "reboot"
    POWEROFF = "poweroff"


class Reason(str, Enum):
    """Why an entry boots and no other; the values stand in the JSON result.

    LABEL is --label, CHOSEN the user at the terminal, TIMEOUT and ONTIMEOUT a menu that nobody answered,
    ONERROR the entry for failures, WAITS_FOREVER the entry under the cursor of a menu that would wait without
    end, SCRIPT what an iPXE script does, SCRIPT_FAILED that one failed: the guest is left to its own disk.
    """

    DEFAULT = "default"
    TIMEOUT = "timeout"
    ONTIMEOUT = "ontimeout"
    LABEL = "label"
    CHOSEN = "chosen"
    WAITS_FOREVER = "waits-forever"
    ONERROR = "onerror"
    SCRIPT = "script"
    SCRIPT_FAILED = "script-failed"


WHY: Mapping[Reason, str] = {
    Reason.DEFAULT: "it is the default",
    Reason.TIMEOUT: "nobody chose within TIMEOUT, and it is the default",
    Reason.ONTIMEOUT: "ONTIMEOUT says so",
    Reason.LABEL: "it was asked for",
    Reason.CHOSEN: "it was chosen",
    Reason.WAITS_FOREVER: "the configuration waits for ever for somebody, and this is what Enter would boot",
    Reason.ONERROR: "ONERROR says so",
    Reason.SCRIPT: "the script says so",
    Reason.SCRIPT_FAILED: "the script failed",
}
"""Why an entry boots, in words."""


@dataclass(frozen=True)
class Module:
    """A multiboot module: its file, and its command line, which begins with the file's name, but GRUB's."""

    location: Location
    cmdline: str


@dataclass(frozen=True)
class Packed:
    """A file that goes into the ramdisk behind the initrds, in a cpio archive, as ``path``.

    It is fetched from ``location``; where that is None, ``data`` is its content.
    """

    location: Optional[Location]
    path: str
    data: bytes = b""


@dataclass(frozen=True)
class Entry:
    """One thing to boot, with all file names resolved to locations.

    ``kernel`` is set when ``action`` is BOOT; ``cmdline`` is text of :func:`pypxeboot.text.decode`. ``dtb``
    is a device tree for the kernel. ``title`` is what a menu shows. In a list of entries, ``menu`` has the
    titles of the submenus around the entry, and ``meaning`` says what it does where it boots no kernel.
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
    """The entries of one configuration, in file order; ``default`` is the label of one.

    ``entries`` may be such that each is made when it is asked for: ten thousand take a while.
    """

    entries: Sequence[Entry]
    default: Optional[str] = None
    title: str = ""


@dataclass(frozen=True)
class Choice:
    """The result of a loader: the entry that boots, why, and the configuration file that it stands in.

    ``failure`` and ``hint`` are why a script failed, and what to do about it.
    """

    entry: Entry
    reason: Reason
    config: Optional[Location]
    failure: str = ""
    hint: Optional[str] = None
