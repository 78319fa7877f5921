"""List and find what there is to choose from: a menu, its submenus, and what lies behind its entries.

That is what booting would follow: menus in other files, and other configurations, which CONFIG, config.c32,
pxechn.c32 and the modules that run commands lead to; within bounds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Log, Steps
from pypxeboot.entry import BootMenu
from pypxeboot.errors import ConfigError, NoBootSource
from pypxeboot.syslinux.com32 import table
from pypxeboot.syslinux.com32.module import ToCommand, ToConfig, ToLoader, ToMenu
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.lexer import joined, split
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.loader.command_line import is_pxelinux, module_name, parse_command
from pypxeboot.syslinux.loader.describe import Described, Listing
from pypxeboot.syslinux.menu import defaults
from pypxeboot.text import printable

if TYPE_CHECKING:
    from pypxeboot.syslinux.loader.current_config import CurrentConfig

# Menus and configurations in other files that are looked into, and how deep; real sites have a handful, one
# below another.
_FILES = 16
_DEPTH = 4
# Commands that lead to other commands (cmd.c32, whichsys.c32), one after the other.
_STEPS = 8

# URLs that may be those of a configuration: of a program, or with the name of a file of text.
_RENDERED = re.compile(
    r"^https?://[^?]*(\?|/$|\.(cfg|conf|txt|php|cgi|pl|py|asp|aspx|jsp)$|/default$)", re.IGNORECASE
)

# What no other command begins with: a type, a URL, or the name of a module. Ten thousand kernels have none.
_MAY_OPEN = re.compile(r"\.|https?:|[^ \t]*\.c32", re.IGNORECASE)

_Opens = Union[ToMenu, ToConfig, ToLoader]


@dataclass(frozen=True)
class _Opened:
    """What is to be looked through: a menu, or a configuration, of ``place``.

    ``path`` has the titles of what leads there. It is ``listed`` unless a menu is shown in its place.
    """

    place: CurrentConfig
    config: Config
    path: tuple[str, ...] = ()
    listed: bool = True


class Catalog:
    """The entries that can be named in ``current``.

    ``shown`` is the menu that UI or DEFAULT shows, once it is read.
    """

    def __init__(self, current: CurrentConfig) -> None:
        self._current = current
        self.shown = current.config
        self._in_menu = False
        self.asked = 0  # files that might have been configurations

    def show(self, menu: Config) -> None:
        """Take ``menu`` for what is shown."""
        self.shown, self._in_menu = menu, True

    def read_shown(self) -> Steps[None]:
        """Read the menu that is shown when the configuration runs, if it is one."""
        current = self._current
        lead = self.lead(self.typed(None))
        if isinstance(lead, ToMenu):
            self.show((yield from defaults.read(current.files, current.location, lead.files)))

    def lead(self, command: str) -> Optional[_Opens]:
        """Tell what ``command`` opens, None if it opens nothing. Asks no server."""
        for _ in range(_STEPS):
            kind, word, words = parse_command(command)
            if kind == "config":
                return ToConfig(word, words, keeps_sysappend=True)
            if kind != "com32":
                return None
            lead = table.parse(module_name(word), words, self._current.guest.arch).lead
            if isinstance(lead, ToLoader) and not is_pxelinux(lead.program):
                return None
            if not isinstance(lead, ToCommand):
                return lead
            command = self.typed(lead.command)
        return None

    def typed(self, command: Optional[str]) -> str:
        """Give the command line that ``command`` comes to, as if it had been typed; None is the default."""
        text = self._current.config.command or "" if command is None else command
        word, words = split(text)
        label = self._current.config.by_name.get(word)
        return text if label is None else joined(self._current.command_line(label), words)

    def find(self, wanted: str) -> Steps[tuple[CurrentConfig, Label]]:
        """Find the label that ``wanted`` means, here or behind an entry, and where it is.

        Raises ConfigError if there is none.
        """
        yield from self.read_shown()
        here = self._current
        found = lookup.find(self.shown, wanted) or lookup.by_name(here.config, wanted)
        if found is not None:
            return here, found
        for anywhere in (False, True):
            opened = yield from self._below(anywhere)
            for menu in opened:
                found = lookup.by_name(menu.config, wanted)
                if found is not None:
                    return menu.place, found
            if not anywhere:  # numbers are those of the list
                listed = [_Opened(here, self.shown), *(menu for menu in opened if menu.listed)]
                found = lookup.by_number([menu.config for menu in listed], wanted)
                for menu in listed:
                    if found is not None and any(found is label for label in menu.config.labels):
                        return menu.place, found
        raise ConfigError(
            f"{here.location} has no entry {printable(wanted)!r}", hint=f"it has {lookup.names(self.shown)}"
        )

    def list_entries(self) -> Steps[BootMenu]:
        """List everything; what is in other files comes last, as far as the same server has them."""
        yield from self.read_shown()
        return self._menu((yield from self._below(anywhere=False)))

    def _below(self, anywhere: bool) -> Steps[list[_Opened]]:
        """Read the menus and configurations that entries open, and those that these open in turn."""
        current = self._current
        known: set[object] = {_key(current, ToMenu(())), _key(current, ToMenu(("~",)))}
        level = [_Opened(current, self.shown)]
        if self.shown is not current.config:
            level.append(_Opened(current, current.config, listed=False))
        found: list[_Opened] = []
        for _ in range(_DEPTH):
            below: list[_Opened] = []
            for menu in level:
                for lead, path in (yield from _leads(menu)):
                    key = _key(menu.place, lead)
                    if key in known or len(known) > _FILES:
                        continue
                    known.add(key)
                    if anywhere or all(self._is_near(menu.place, name) for name in _names(lead)):
                        below += yield from _open(menu.place, lead, path)
            found += below
            level = below
        return found

    def _is_near(self, place: CurrentConfig, name: str) -> bool:
        main = self._current.location
        try:
            there = main if name == "~" else place.files.locate(name)
        except ConfigError:
            return False
        return there.host == main.host

    def _menu(self, opened: Sequence[_Opened]) -> BootMenu:
        """List the entries of the menu that is shown, and of those ``opened`` below it."""
        current = self._current
        listings: list[tuple[Listing, tuple[str, ...]]] = [(_listing(current, self.shown), ())]
        listings += [(_listing(below.place, below.config), below.path) for below in opened if below.listed]
        return BootMenu(Described(listings), self._default(), self.shown.screens[0].title)

    def _default(self) -> Optional[str]:
        """Find the LABEL line of what boots when nobody chooses."""
        if self._in_menu:
            return defaults.default(self.shown)
        config = self._current.config
        label = config.by_name.get(split(config.command or "")[0])
        return None if label is None else label.line


def _leads(menu: _Opened) -> Steps[list[tuple[_Opens, tuple[str, ...]]]]:
    """List what ``menu`` opens by itself and by its entries, and the titles on the way there."""
    catalog, paths = menu.place.catalog, lookup.paths(menu.config)
    found: list[tuple[_Opens, tuple[str, ...]]] = []
    if menu.config is menu.place.config:
        lead = catalog.lead(catalog.typed(None))
        if lead is not None:
            found.append((lead, menu.path))
    for label in lookup.entries(menu.config):
        command = menu.place.command_line(label)
        if _MAY_OPEN.match(command) is None:
            continue
        kind, name, _words = parse_command(command)
        lead = catalog.lead(command) if kind in ("com32", "config") else None
        if lead is None and _RENDERED.search(name):
            lead = yield from _rendered(menu.place, name)
        if lead is not None:
            title = printable(label.plain_title, 60)
            found.append((lead, (*menu.path, *paths[label.screen], title)))
    return found


def _rendered(place: CurrentConfig, name: str) -> Steps[Optional[ToConfig]]:
    """Tell whether the kernel ``name`` leads to a configuration, as web programs render them.

    Only what does not have the name of a kernel is asked for.
    """
    if place.catalog.asked >= _FILES:
        return None
    place.catalog.asked += 1
    if not (yield from place.files.holds_config(name)):
        return None
    return ToConfig(name, "", keeps_sysappend=True)


def _names(lead: _Opens) -> tuple[str, ...]:
    """Name the files that ``lead`` opens."""
    if isinstance(lead, ToMenu):
        return lead.files
    return (lead.name if isinstance(lead, ToConfig) else lead.program,)


def _key(place: CurrentConfig, lead: _Opens) -> object:
    """Tell ``lead`` from others: a name means another file in another directory."""
    files = place.files
    return files.server, files.prefix, place.location if isinstance(lead, ToMenu) else None, lead


def _open(place: CurrentConfig, lead: _Opens, path: tuple[str, ...]) -> Steps[list[_Opened]]:
    """Read what ``lead`` opens; nothing if it is not there."""
    try:
        if isinstance(lead, ToMenu):
            return [_Opened(place, (yield from defaults.read(place.files, place.location, lead.files)), path)]
        other = yield from place.follow(lead)
        yield from other.catalog.read_shown()
    except (ConfigError, NoBootSource) as error:
        yield Log(f"{printable(' '.join(_names(lead)))}: {error.message}", warning=True)
        return []
    shown = other.catalog.shown
    found = [_Opened(other, shown, path)]
    return found if shown is other.config else [*found, _Opened(other, other.config, path, listed=False)]


def _listing(place: CurrentConfig, shown: Config) -> Listing:
    return Listing(place.config, shown, place.files, place.guest.arch, place.strings)
