"""Read the files of menu.c32 and vesamenu.c32, and find what boots when nobody touches a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Reason
from pypxeboot.errors import ConfigError, Refused
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.lexer import split, split_command
from pypxeboot.syslinux.config.model import Config, Label, MenuAction, Screen
from pypxeboot.syslinux.config.parser import SyslinuxParser
from pypxeboot.syslinux.menu import cursor
from pypxeboot.text import printable
from pypxeboot.url import Location

# What a timeout runs; of HELP that is the name of its text.
RUNS = (MenuAction.COMMAND, MenuAction.HELP)


@dataclass(frozen=True)
class MenuCommand:
    """What a menu runs: a label with extra words, and the blanks before them, or, without a label, a file.

    ``edited`` is a whole command line in place of the label's.
    """

    label: Optional[Label]
    words: str
    reason: Reason
    edited: Optional[str] = None


def read(files: ServerFiles, main: Location, names: Sequence[str]) -> Steps[Config]:
    """Parse files as menu.c32 does: "several files are read as one", ``~`` is the main configuration."""
    parser = SyslinuxParser(files.read, menu=True)
    for name in names or ("~",):
        data = yield from files.load(main) if name == "~" else files.read(name)
        shown = str(main) if name == "~" else printable(name)
        if data is None:
            yield Log(f"menu file {printable(name)}: not there, skipped", warning=True)
        else:
            yield from parser.file(data, shown)
    yield from files.tell_skipped(parser)
    config = parser.config()
    if config.ui is not None and config.default and _by_line(config, split(config.default)[0]) is None:
        default = printable(config.default, 120)
        yield Log(f"DEFAULT {default}: no label has that name, and the menu chooses another", warning=True)
    return config


def default_command(config: Config) -> tuple[MenuCommand, Screen]:
    """Find what the menu boots when nobody touches a key, and the menu that it does so from.

    Where the real one waits for ever (no timeout; a first entry that cannot be chosen cancels it) or begins
    again (a submenu or QUIT under the cursor boots nothing) this is what Enter would boot, submenus entered;
    Refused if Enter would ask for a password. A timeout asks for none.
    """
    index, position = start(config)
    screen = config.screens[index]
    if screen.ontimeout is not None and _has_timeout(config, screen, position) and not config.shiftkey:
        return command(config, screen.ontimeout, Reason.ONTIMEOUT), screen
    if _runs_by_itself(config, screen, position):
        reason = Reason.DEFAULT if config.shiftkey else Reason.TIMEOUT
        return MenuCommand(screen.entries[position], "", reason), screen
    entry = follow_submenus(config, index, position)
    _check_open(entry)
    return MenuCommand(entry, "", Reason.WAITS_FOREVER), config.screens[entry.screen]


def ends(config: Config) -> bool:
    """Tell whether the menu ends by itself without a command: what comes then is the prompt."""
    index, position = start(config)
    screen = config.screens[index]
    over = config.shiftkey or _has_timeout(config, screen, position)
    if config.hidden and not config.totaltimeout and not config.shiftkey:
        over = False  # it is shown instead, and waits for ever
    run = _runs_by_itself(config, screen, position) or (screen.ontimeout is not None and not config.shiftkey)
    return not screen.entries or (over and not run)


def _has_timeout(config: Config, screen: Screen, position: int) -> bool:
    """Tell whether the wait there ends by itself. Only TIMEOUT is cancelled where the cursor cannot stay."""
    stays = cursor.settle_cursor(screen.entries, position) == position
    return bool(config.totaltimeout or (screen.timeout and stays))


def _runs_by_itself(config: Config, screen: Screen, position: int) -> bool:
    over = config.shiftkey or _has_timeout(config, screen, position)
    return over and bool(screen.entries) and screen.entries[position].action in RUNS


def follow_submenus(config: Config, index: int, position: int) -> Label:
    """Find what Enter boots there, submenus entered. Raises ConfigError if that is nothing."""
    entry = selectable(config.screens[index], position)
    seen = {index}
    while entry.action is not MenuAction.COMMAND:
        if entry.submenu is None or entry.submenu in seen or entry.action is MenuAction.EXIT:
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
    """Raise Refused for an entry with a password, which nobody types: waiting is no way around it."""
    if entry.password is not None:
        raise Refused(
            f"the menu entry {printable(entry.plain_title)!r} wants a password, and nobody chooses",
            hint="--label boots it without one; or give the menu a timeout or another default",
        )


def default(config: Config) -> Optional[str]:
    """Find the LABEL line of what boots when nobody touches a key, if a label does."""
    try:
        label = default_command(config)[0].label
    except (ConfigError, Refused):
        return None
    return None if label is None else label.line


def command(config: Config, text: str, reason: Reason) -> MenuCommand:
    """Read ONTIMEOUT or ONERROR: a label, if ``text`` begins with a whole LABEL line, else a file."""
    word = split_command(text)[0]
    label = _by_line(config, word)
    return MenuCommand(label, text[len(word) :] if label else text, reason)


def _by_line(config: Config, line: str) -> Optional[Label]:
    return next((label for label in config.labels if label.line == line), None)


def start(config: Config) -> tuple[int, int]:
    """Find the first menu, and the position of its default.

    "DEFAULT counts only if UI is found"; then it overrides MENU DEFAULT and MENU START, unless it is hidden.
    """
    if config.ui is not None and config.default is not None:
        label = _by_line(config, split(config.default)[0])
        if label is not None and not label.hidden:
            return label.screen, label.position
    return config.start, config.screens[config.start].default


def selectable(screen: Screen, position: int) -> Label:
    """Find the entry at ``position``, or where the cursor goes from there: down, else up."""
    below, above = screen.entries[position:], screen.entries[:position]
    for entry in (*below, *reversed(above)):
        if entry.action is not MenuAction.DISABLED:
            return entry
    raise ConfigError(
        f"the menu {printable(screen.title or screen.tag)!r} has no entry that could be chosen",
        hint="the configuration needs a LABEL",
    )
