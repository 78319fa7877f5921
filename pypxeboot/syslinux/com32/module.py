"""What a COM32 module is here, and what it may ask of the loader and of a list of entries.

A new module is a subclass of :class:`Com32Module` in a file of its own, and a row in ``table.py``. Most are
one of the common kinds below: they run a command, or boot a kernel.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Optional, Protocol, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Steps
from pypxeboot.entry import Action, Choice, Entry
from pypxeboot.errors import PxeBootError, Refused
from pypxeboot.guest import Guest
from pypxeboot.syslinux.com32.unresolved import UnresolvedEntry
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.text import printable

# What isspace() knows, and no more.
_BLANKS = re.compile("[ \t\n\v\f\r]+")


@dataclass(frozen=True)
class Invocation:
    """``name.c32 arguments`` in a command line, for a guest of processor ``arch``."""

    name: str
    arguments: str
    arch: str

    @property
    def words(self) -> list[str]:
        """The arguments: "split at whitespace, no quoting" (core/elflink/load_env32.c)."""
        return [word for word in _BLANKS.split(self.arguments) if word]

    def nothing(self, why: str) -> NothingBooted:
        """Say that the module boots nothing with these arguments; ``why`` completes "name.c32 ..."."""
        return NothingBooted(f"{printable(self.name)}.c32 {why}")


@dataclass(frozen=True)
class ToMenu:
    """Where a command leads: to the menu in ``files``, in the main configuration if there are none."""

    files: tuple[str, ...]


@dataclass(frozen=True)
class ToConfig:
    """Where a command leads: to another configuration, in another directory if one is given.

    ``keeps_sysappend``: a global SYSAPPEND outlives this one.
    """

    name: str
    directory: str = ""
    keeps_sysappend: bool = False


@dataclass(frozen=True)
class ToCommand:
    """Where a command leads: to another command; None is the default."""

    command: Optional[str]


@dataclass(frozen=True)
class ToLoader:
    """Where a command leads: to a bootstrap program, with options 209 and 210 for it."""

    program: str
    config_file: Optional[str]
    prefix: Optional[str]


Lead = Union[ToMenu, ToConfig, ToCommand, ToLoader]
"""Where a command leads that boots nothing itself."""


class Com32Api(Protocol):
    """What a module that runs may ask of PXELINUX. What boots nothing gives None, its cause in ``error``."""

    @property
    def files(self) -> ServerFiles:
        """The files of the servers, by their names in the configuration."""

    @property
    def guest(self) -> Guest:
        """The guest that boots."""

    @property
    def config_path(self) -> str:
        """The path of the main configuration on its server."""

    @property
    def strings(self) -> Sequence[Optional[str]]:
        """What SYSAPPEND can add to command lines, by bit; None where there is nothing to say."""

    @property
    def error(self) -> Optional[PxeBootError]:
        """Why the last thing that was tried did not boot."""

    def sysappend(self, mask: int) -> list[str]:
        """Give the ones of ``strings`` that ``mask`` asks for."""

    def where(self, file: Optional[str] = None) -> str:
        """Name the label that runs the module for a message, or ``file`` (else the module) without one."""

    def fail(self, error: PxeBootError) -> Optional[Choice]:
        """Boot nothing, because of ``error``: ONERROR has its turn. Always None."""

    def count_step(self) -> None:
        """Count a step on the way from one thing to another. Raises ConfigError where there are too many."""

    def run(self, command: Optional[str]) -> Steps[Optional[Choice]]:
        """Run ``command`` as if it had been typed; None is the default."""

    def boot(self, entry: UnresolvedEntry) -> Steps[Optional[Choice]]:
        """Boot a kernel, the user's own words at the end of its command line."""

    def end(self, action: Action) -> Choice:
        """End with something else than a kernel: the disk, a reboot."""

    def show_menu(self, names: Sequence[str]) -> Steps[Optional[Choice]]:
        """Show the menu in the files ``names``, in the main configuration if there are none."""

    def read_config(self, name: str, directory: str) -> Steps[Optional[Choice]]:
        """Begin again with another configuration, in another directory if one is given."""

    def start_over(
        self, program: str, config_file: Optional[str], prefix: Optional[str]
    ) -> Steps[Optional[Choice]]:
        """Start the bootstrap ``program`` with options 209 and 210."""


class Com32Listing(Protocol):
    """What a module can say of the entry that runs it, for a list; no server is asked."""

    def command(self, command: Optional[str]) -> Entry:
        """Give the entry that ``command`` comes to; the default for None."""

    def kernel(self, entry: UnresolvedEntry) -> Entry:
        """Give an entry that boots a kernel."""

    def action(self, action: Action) -> Entry:
        """Give an entry that does something else."""

    def meaning(self, text: str) -> Entry:
        """Give an entry that is described in words."""


class Com32Module(ABC):
    """A module with its arguments. Booting and listing use the same object."""

    @property
    def lead(self) -> Optional[Lead]:
        """Where the module leads to; None where it boots something, or nothing."""
        return None

    @classmethod
    @abstractmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the arguments; :meth:`Invocation.nothing` where the module boots nothing with them."""

    @abstractmethod
    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Do what the module does in the loader."""

    @abstractmethod
    def describe(self, listing: Com32Listing) -> Entry:
        """Say in a list what the module would boot."""


@dataclass(frozen=True)
class NothingBooted(Com32Module):
    """A module that boots nothing here, and why."""

    why: str

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Say that no module of that name is known."""
        return invocation.nothing(
            "is not a module whose meaning is known here; what it does needs real firmware"
        )

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Fail with the reason."""
        yield from ()
        return api.fail(Refused(f"{api.where()}: {self.why}"))

    def describe(self, listing: Com32Listing) -> Entry:
        """Give the reason in place of a kernel."""
        return listing.meaning(self.why)


@dataclass(frozen=True)
class CommandModule(Com32Module):
    """A module that runs ``command`` as if it had been typed; None is the default."""

    command: Optional[str]

    @property
    def lead(self) -> Optional[Lead]:
        """The command."""
        return ToCommand(self.command)

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Have the command run."""
        return (yield from api.run(self.command))

    def describe(self, listing: Com32Listing) -> Entry:
        """Describe what the command comes to."""
        return listing.command(self.command)


@dataclass(frozen=True)
class KernelModule(Com32Module):
    """A module that boots a kernel."""

    entry: UnresolvedEntry

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Have the kernel booted."""
        return (yield from api.boot(self.entry))

    def describe(self, listing: Com32Listing) -> Entry:
        """Name the kernel and its files."""
        return listing.kernel(self.entry)


def split_at(words: Sequence[str], mark: str) -> list[list[str]]:
    """Split ``words`` at every ``mark``: one more part than there are marks."""
    parts: list[list[str]] = [[]]
    for word in words:
        if word == mark:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts
