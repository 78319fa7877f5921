"""The messages between the processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from pypxeboot.dataclass import dataclass, field_names
from pypxeboot.entry import Action
from pypxeboot.picture import Terminal
from pypxeboot.result import ListedEntry, Outcome
from pypxeboot.schema import SchemaError

_DEFAULTS = {
    name: (getattr(ListedEntry, name),) for name in field_names(ListedEntry) if hasattr(ListedEntry, name)
}

MAX_LISTED = 4 << 20  # bytes of Entries, but for the last message; 10,000 entries take 2 MiB


@dataclass(frozen=True)
class Ready:
    """Client to host: I am in my namespace."""


@dataclass(frozen=True)
class Placed:
    """Host to client: your interface is there; ``where`` is the bridge or NIC that it leads to."""

    name: str
    mode: str
    where: str


@dataclass(frozen=True)
class Route:
    """A route; ``gateway`` is None for one on the link."""

    network: str
    gateway: Optional[str]


@dataclass(frozen=True)
class ConfigureInterface:
    """Client to host: give my interface this address, in place of any other.

    ``vlan`` is the tag of the interface, 0 for the guest's own.
    """

    address: str
    prefix_length: int
    routes: tuple[Route, ...]
    mtu: Optional[int]
    vlan: int = 0


@dataclass(frozen=True)
class OpenOutput:
    """Client to host: give me a file to write. ``kind`` is one that ``Downloads`` names."""

    kind: str


@dataclass(frozen=True)
class FoundTerminal:
    """Host to client: the terminal, None without one or if nobody is to be asked."""

    terminal: Optional[Terminal]


@dataclass(frozen=True)
class Leave:
    """Client to host: I am about to write lines; take the picture off the terminal."""


@dataclass(frozen=True)
class MarkInitrd:
    """Client to host: where the ramdisk ends now, an initrd begins or ends."""


@dataclass(frozen=True)
class OpenImage:
    """Client to host: give me a file without a name, which is called ``number`` from now on."""

    number: int


@dataclass(frozen=True)
class DropImage:
    """Client to host: that file is of no use any more."""

    number: int


@dataclass(frozen=True)
class UseImage:
    """Client to host: that file is an output now, of ``kind`` kernel, ramdisk or module.

    Of kind initrd it stays what it is: the ramdisk has it at ``offset`` (bytes), 0 for other kinds.
    """

    number: int
    kind: str
    offset: int = 0


@dataclass(frozen=True)
class SetVlan:
    """Client to host: make (or take away) an interface for a VLAN on mine."""

    tag: int
    remove: bool


@dataclass(frozen=True)
class Entries:
    """Client to host: the next entries of the list, a column for each field of :class:`ListedEntry`.

    Ten thousand entries come in pieces, which the host side reads while the client describes the next; and a
    column is checked faster than its values in as many objects. One that has a default there may be empty,
    where all have it. Raises SchemaError for columns of different lengths.
    """

    label: tuple[str, ...]
    title: tuple[str, ...]
    action: tuple[Action, ...]
    kernel: tuple[Optional[str], ...]
    initrds: tuple[tuple[str, ...], ...]
    cmdline: tuple[str, ...]
    default: tuple[bool, ...]
    modules: tuple[tuple[str, ...], ...]
    dtb: tuple[Optional[str], ...]
    menu: tuple[tuple[str, ...], ...]
    meaning: tuple[str, ...]

    def __post_init__(self) -> None:
        if any(len(column) != len(self.label) for column in self._columns()):
            raise SchemaError(": columns of different lengths")

    def rows(self) -> Iterator[ListedEntry]:
        """Yield the entries."""
        return map(ListedEntry, *self._columns())

    def _columns(self) -> list[tuple[Any, ...]]:
        count = len(self.label)
        return [getattr(self, name) or _DEFAULTS.get(name, ()) * count for name in field_names(ListedEntry)]


@dataclass(frozen=True)
class KernelReport:
    """What only the client can know of the kernel: where it came from, what it is, and who can boot it.

    ``format`` and ``boots`` are of :class:`~pypxeboot.kernel.identify.KernelInfo`.
    """

    url: str
    format: Optional[str] = None
    boots: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModuleReport:
    """What only the client can know of a multiboot module: where it came from, and its command line."""

    url: str
    cmdline: str


@dataclass(frozen=True)
class ClientResult(Outcome):
    """Client to host, its last word after a boot that succeeded: what only the client can know of it.

    Files are URLs: their paths, sizes and digests are the host's own, as times are, and have no field here.
    ``initrds`` are in the order in which the ramdisk has them.
    """

    kernel: Optional[KernelReport]
    initrds: tuple[str, ...]
    modules: tuple[ModuleReport, ...]
    dtb: Optional[str]


@dataclass(frozen=True)
class Done:
    """Host to client: it is done, or ``error`` says why not.

    A descriptor comes along where one was asked for.
    """

    error: str = ""
