"""The GRUB that boots one guest: the parts that its commands work on, and how a boot ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

from pypxeboot.bootsource import BootRequest
from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import FindTerminal, Log, Print, Steps
from pypxeboot.entry import BootMenu, Choice, Reason
from pypxeboot.errors import ConfigError, FetchError, PxeBootError, joined_hints
from pypxeboot.grub.engine.budget import ScriptBudget
from pypxeboot.grub.engine.environment import Environment
from pypxeboot.grub.engine.images import LoadedImages
from pypxeboot.grub.engine.memdisk import Memdisk
from pypxeboot.grub.engine.syntax import Commands
from pypxeboot.picture import Terminal
from pypxeboot.terminal.forms import plain
from pypxeboot.terminal.input import User
from pypxeboot.text import printable
from pypxeboot.url import Location

_LINE_LIMIT = 4096
_LANGUAGE = ("can't find command", "syntax error")
_TOLD = 50  # warnings of what means nothing, in one boot


def _follows(later: str, earlier: str) -> bool:
    """Whether a failure may have come of the one before it: no kernel, another language, no device."""
    return (
        later.endswith("you need to load the kernel first")
        or (later.startswith(_LANGUAGE) and earlier.startswith(_LANGUAGE))
        or (earlier.startswith("loopback: ") and "disk `" in later)
    )


class BootEnds(Exception):
    """The guest boots: the way out of however many menus and scripts, none of which runs any more."""

    def __init__(self, choice: Choice) -> None:
        super().__init__()
        self.choice = choice


class Listed(Exception):
    """A list is wanted, and what would happen next ends it: ``meaning`` says in words what that is."""

    def __init__(self, meaning: str = "", menu: Optional[BootMenu] = None) -> None:
        super().__init__()
        self.meaning = meaning
        self.menu = menu


class Left(Exception):
    """``normal_exit``: the mode of menus and scripts is left; what follows is the rescue prompt."""


@dataclass(frozen=True)
class Origin:
    """Where a statement stands: its configuration, and the number of the line that it begins with."""

    place: Location
    line: int

    def __str__(self) -> str:
        return f"{self.place}, line {self.line}"


@dataclass(frozen=True)
class MenuEntry:
    """An entry of a menu. ``source`` is its script, and ``arguments`` are ``$1`` and so on in it.

    ``users`` may boot it where there are superusers; None: anybody. ``origin`` is where it was defined.
    """

    title: str
    id: str
    source: str
    arguments: tuple[str, ...] = ()
    users: Optional[str] = None
    hotkey: str = ""
    submenu: bool = False
    origin: Optional[Origin] = None


@dataclass
class Scope:
    """The arguments of the function or menu entry that runs."""

    arguments: list[str]


@dataclass(frozen=True)
class Call:
    """A call of a command: its name, its arguments; ``block``: the last of them is a block in braces."""

    name: str
    arguments: list[str]
    block: bool = False


CommandRun = Callable[["Grub", Call], Steps[int]]
"""What a command does: a generator over effects that ends with its status, or raises CommandError."""


@dataclass
class MenuSelection:
    """What is chosen, and why: ``reason`` is why the entry boots that runs now.

    ``wanted`` is what is left of the label that was asked for: the way to the entry from here, None where
    there is nothing more to be chosen by it. ``listing``: what there is to choose from is wanted, and
    ``describing`` that an entry runs for it.
    """

    wanted: Optional[str] = None
    reason: Reason = Reason.DEFAULT
    listing: bool = False
    describing: bool = False


@dataclass
class Loops:
    """Where loops and functions are being left: numbers of loops that run, and of those to be left."""

    running: int = 0
    leaving: int = 0
    continues: bool = False
    returns: bool = False


@dataclass
class Grub:
    """A GRUB that boots one guest, as ``request`` asks for it; each part is described where it is defined.

    ``config`` is the first configuration, ``platform`` what ``$grub_platform`` says, ``menus`` has a list of
    entries for each context of variables. ``disk_wanted``: what runs has looked for a disk of the guest,
    which only the guest has. ``told`` are warnings that were given, ``error`` is what went wrong last,
    ``terminal`` where somebody may choose.
    ``built_in``: no configuration of a server was read yet, but the one in the program. ``origin`` is where
    the statement stands that runs, ``last_command`` the command that ran last. ``unlisted``: the first test
    for a file of a server, which has no lists of them.
    """

    request: BootRequest
    platform: str
    commands: Mapping[str, CommandRun]
    show_menu: Callable[[Grub, list[MenuEntry], bool, bool], Steps[None]]
    enter_normal: Callable[[Grub, Optional[str]], Steps[None]]
    authenticate: Callable[[Grub, Optional[str]], Steps[bool]]
    environment: Environment
    config: Optional[Location] = None
    built_in: bool = False
    memdisk: Optional[Memdisk] = None
    images: LoadedImages = field(default_factory=LoadedImages)
    budget: ScriptBudget = field(default_factory=ScriptBudget)
    functions: dict[str, Commands] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    loops: Loops = field(default_factory=Loops)
    scope: Optional[Scope] = None
    menus: list[list[MenuEntry]] = field(default_factory=lambda: [[]])
    selection: MenuSelection = field(default_factory=MenuSelection)
    passwords: dict[str, tuple[bool, str]] = field(default_factory=dict)
    authenticated: set[str] = field(default_factory=set)
    disk_wanted: bool = False
    origin: Optional[Origin] = None
    last_command: str = ""
    unlisted: str = ""
    told: set[str] = field(default_factory=set)
    error: Optional[PxeBootError] = None
    errors_printed: int = 0
    denied: int = 0
    user: Optional[User] = None
    _looked: bool = False

    @property
    def where(self) -> str:
        """Where the statement stands that runs, as precisely as that is known."""
        return printable(str(self.origin or self.config))

    def find_user(self) -> Steps[Optional[User]]:
        """Find who sits at the terminal, if anybody does."""
        if not self._looked:
            self._looked = True
            terminal: Optional[Terminal] = None
            if not self.selection.listing and self.request.label is None:
                terminal = yield FindTerminal()
            self.user = None if terminal is None else User(terminal, self.request.patience)
        return self.user

    def say(self, text: str, end: str = "\n") -> Steps[None]:
        """Print a line, or several."""
        shown = "\n".join(plain(line, _LINE_LIMIT) for line in text.split("\n"))
        self.budget.text(len(shown))
        if not self.selection.listing:
            yield Print(shown + end)

    def fail(
        self,
        where: str,
        words: str,
        *,
        warning: bool = False,
        hint: Optional[str] = None,
        unreached: bool = False,
    ) -> Steps[None]:
        """Say that something failed, as GRUB does, and keep it: it may be why nothing boots.

        What follows from a failure does not take its place.
        """
        told = printable(f"{where}: {words}" if where else words, 300)
        self.errors_printed += 1
        self.budget.text(len(told))
        if self.error is None or not _follows(told, self.error.message):
            kind = FetchError if unreached else ConfigError
            self.error = kind(told, hint=joined_hints(hint, f"the configuration is {self.where}"))
        if self.selection.listing:
            return
        if warning:
            yield from self.warn(f"{told} ({joined_hints(hint, self.where)})")
        else:
            yield Print(f"error: {told}.\n")

    def warn(self, words: str) -> Steps[None]:
        """Warn, once, of what means nothing, and of which GRUB itself says nothing."""
        if self.selection.listing or words in self.told or len(self.told) >= _TOLD:
            return
        self.told.add(words)
        yield Log(f"GRUB: {words}", warning=True)

    def open_context(self) -> None:
        """Begin a context of variables, with a menu of its own."""
        self.environment.open()
        self.menus.append([])

    def close_context(self) -> None:
        """End the context that was opened last."""
        self.environment.close()
        self.menus.pop()
