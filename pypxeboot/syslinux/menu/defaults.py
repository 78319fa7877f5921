"""What menu.c32 and vesamenu.c32 make of their files: which entry boots when nobody touches a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Reason
from pypxeboot.errors import ConfigError, Refused
from pypxeboot.syslinux.config.files import Files
from pypxeboot.syslinux.config.lexer import first, split
from pypxeboot.syslinux.config.model import Config, Do, Label, Screen
from pypxeboot.syslinux.config.parser import Parser
from pypxeboot.syslinux.menu import cursor
from pypxeboot.text import printable
from pypxeboot.url import Location

# What a timeout runs; of HELP that is the name of its text.
RUNS = (Do.COMMAND, Do.HELP)


@dataclass(frozen=True)
class Command:
    """What to run: a label with extra words, and the blanks before them, or, without a label, a file.

    ``edited`` is a whole command line in place of the label's.
    """

    label: Optional[Label]
    words: str
    reason: Reason
    edited: Optional[str] = None


def read(files: Files, main: Location, names: Sequence[str]) -> Steps[Config]:
    """The files as menu.c32 reads them: "several files are read as one", ``~`` is the main configuration."""
    parser = Parser(files.read, menu=True)
    for name in names or ("~",):
        data = yield from files.load(main) if name == "~" else files.read(name)
        if data is None:
            yield Log(f"menu file {printable(name)}: not there, skipped", warning=True)
        else:
            yield from parser.file(data)
    return parser.config()


def unattended(config: Config) -> tuple[Command, Screen]:
    """What the menu boots when nobody touches a key, and the menu that it does so from.

    Where the real one waits for ever (no timeout; a first entry that cannot be chosen cancels it) or begins
    again (a submenu or QUIT under the cursor boots nothing) this is what Enter would boot, submenus entered;
    Refused if Enter would ask for a password. A timeout asks for none.
    """
    index, position = start(config)
    screen = config.screens[index]
    if screen.ontimeout is not None and _timed(config, screen, position) and not config.shiftkey:
        return command(config, screen.ontimeout, Reason.ONTIMEOUT), screen
    if _runs_by_itself(config, screen, position):
        reason = Reason.DEFAULT if config.shiftkey else Reason.TIMEOUT
        return Command(screen.entries[position], "", reason), screen
    entry = entered(config, index, position)
    _check_open(entry)
    return Command(entry, "", Reason.WAITS_FOREVER), config.screens[entry.screen]


def ends(config: Config) -> bool:
    """Whether the menu ends by itself without a command: what comes then is the prompt."""
    index, position = start(config)
    screen = config.screens[index]
    over = config.shiftkey or _timed(config, screen, position)
    if config.hidden and not config.totaltimeout and not config.shiftkey:
        over = False  # it is shown instead, and waits for ever
    run = _runs_by_itself(config, screen, position) or (screen.ontimeout is not None and not config.shiftkey)
    return not screen.entries or (over and not run)


def _timed(config: Config, screen: Screen, position: int) -> bool:
    """Whether the wait there ends by itself. Only TIMEOUT is cancelled where the cursor cannot stay."""
    stays = cursor.settled(screen.entries, position) == position
    return bool(config.totaltimeout or (screen.timeout and stays))


def _runs_by_itself(config: Config, screen: Screen, position: int) -> bool:
    over = config.shiftkey or _timed(config, screen, position)
    return over and bool(screen.entries) and screen.entries[position].do in RUNS


def entered(config: Config, index: int, position: int) -> Label:
    """What Enter boots there, submenus entered; ConfigError if that is nothing."""
    entry = selectable(config.screens[index], position)
    seen = {index}
    while entry.do is not Do.COMMAND:
        if entry.submenu is None or entry.submenu in seen or entry.do is Do.EXIT:
            raise ConfigError(
                f"the menu entry {printable(entry.plain_title)!r} under the cursor boots nothing",
                hint="choose another one with --label; -l lists them",
            )
        _check_open(entry)
        seen.add(entry.submenu)
        screen = config.screens[entry.submenu]
        entry = selectable(screen, screen.default)
    return entry


def _check_open(entry: Label) -> None:
    """Nobody is there to type a password, and waiting is no way around it."""
    if entry.password is not None:
        raise Refused(
            f"the menu entry {printable(entry.plain_title)!r} wants a password, and nobody chooses",
            hint="--label boots it without one; or give the menu a timeout or another default",
        )


def default(config: Config) -> Optional[str]:
    """The LABEL line of what boots when nobody touches a key, if a label does."""
    try:
        label = unattended(config)[0].label
    except (ConfigError, Refused):
        return None
    return None if label is None else label.line


def command(config: Config, text: str, reason: Reason) -> Command:
    """``text`` of ONTIMEOUT or ONERROR: a label, if some whole LABEL line is its first word, else a file."""
    word = first(text)[0]
    label = _by_line(config, word)
    return Command(label, text[len(word) :] if label else text, reason)


def _by_line(config: Config, line: str) -> Optional[Label]:
    return next((label for label in config.labels if label.line == line), None)


def start(config: Config) -> tuple[int, int]:
    """The first menu, and the position of its default.

    "DEFAULT counts only if UI is found"; then it overrides MENU DEFAULT and MENU START, unless it is hidden.
    """
    if config.ui is not None and config.default is not None:
        label = _by_line(config, split(config.default)[0])
        if label is not None and not label.hidden:
            return label.screen, label.position
    return config.start, config.screens[config.start].default


def selectable(screen: Screen, position: int) -> Label:
    """The entry at ``position``, or where the cursor goes from there: down, else up."""
    below, above = screen.entries[position:], screen.entries[:position]
    for entry in (*below, *reversed(above)):
        if entry.do is not Do.DISABLED:
            return entry
    raise ConfigError(
        f"the menu {printable(screen.title or screen.tag)!r} has no entry that could be chosen",
        hint="the configuration needs a LABEL",
    )
