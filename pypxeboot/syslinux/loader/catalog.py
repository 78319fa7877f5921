"""List and find what there is to choose from: a menu, its submenus, and menus in other files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import BootMenu
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.com32 import table
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.lexer import joined, split
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.loader.command_line import module_name, parse_command
from pypxeboot.syslinux.loader.describe import Listing
from pypxeboot.syslinux.menu import defaults
from pypxeboot.text import printable
from pypxeboot.url import Location

# Menus in other files that are looked into, and how deep; real sites have a handful, one below another.
_MENUS = 16
_DEPTH = 4


@dataclass(frozen=True)
class _OpenedMenu:
    """A menu, and the titles of what leads there."""

    config: Config
    path: tuple[str, ...] = ()


class Catalog:
    """The entries that can be named. ``shown`` is the menu that UI or DEFAULT shows, if it is read."""

    def __init__(
        self,
        files: ServerFiles,
        main: Location,
        config: Config,
        arch: str,
        strings: Sequence[Optional[str]],
    ) -> None:
        self._files = files
        self._main = main
        self._config = config
        self._arch = arch
        self._strings = strings
        self.shown = config
        self._in_menu = False

    def show(self, menu: Config) -> None:
        """Take ``menu`` for what is shown."""
        self.shown, self._in_menu = menu, True

    def read_shown(self) -> Steps[None]:
        """Read the menu that is shown when the configuration runs, if it is one."""
        word, words = split(self._config.command or "")
        label = self._config.by_name.get(word)
        names = self._menu_files(joined(word if label is None else label.command, words))
        if names is not None:
            self.show((yield from defaults.read(self._files, self._main, names)))

    def _menu_files(self, command: str) -> Optional[tuple[str, ...]]:
        """Name the files of the menu that ``command`` shows, None if it shows none. Asks no server."""
        _, word, words = parse_command(command)
        return table.parse(module_name(word), words, self._arch).menu_files

    def find(self, wanted: str) -> Steps[Label]:
        """Find the label that ``wanted`` means, here or in a menu that an entry opens. Raises ConfigError."""
        yield from self.read_shown()
        found = lookup.find(self.shown, wanted) or lookup.by_name(self._config, wanted)
        for anywhere in (False, True):
            if found is None:
                menus = [menu.config for menu in (yield from self._menus_below(anywhere))]
                found = next((label for menu in menus if (label := lookup.by_name(menu, wanted))), None)
                if found is None and not anywhere:  # numbers are those of the list
                    found = lookup.by_number([self.shown, *menus], wanted)
        if found is None:
            raise ConfigError(
                f"{self._main} has no entry {printable(wanted)!r}", hint=f"it has {lookup.names(self.shown)}"
            )
        return found

    def list_entries(self) -> Steps[BootMenu]:
        """List everything; menus in other files come last, as far as the same server has them."""
        yield from self.read_shown()
        return self._menu((yield from self._menus_below(anywhere=False)))

    def _menus_below(self, anywhere: bool) -> Steps[list[_OpenedMenu]]:
        """Read the menus that entries open by ``menu.c32 FILE``, and those that these open in turn."""
        known: set[tuple[str, ...]] = {(), ("~",)}
        found: list[_OpenedMenu] = []
        level = [
            _OpenedMenu(self.shown),
            *([_OpenedMenu(self._config)] if self.shown is not self._config else []),
        ]
        for _ in range(_DEPTH):
            below: list[_OpenedMenu] = []
            for menu in level:
                paths = lookup.paths(menu.config)
                for label in lookup.entries(menu.config):
                    names = self._menu_files(label.command)
                    if names is None or names in known or len(known) > _MENUS:
                        continue
                    known.add(names)
                    if anywhere or all(self._is_near(name) for name in names):
                        title = printable(label.plain_title, 60)
                        path = (*menu.path, *paths[label.screen], title)
                        below += yield from self._read_menu(names, path)
            found += below
            level = below
        return found

    def _read_menu(self, names: tuple[str, ...], path: tuple[str, ...]) -> Steps[list[_OpenedMenu]]:
        try:
            return [_OpenedMenu((yield from defaults.read(self._files, self._main, names)), path)]
        except ConfigError as error:
            yield Log(f"menu {printable(' '.join(names))}: {error.message}", warning=True)
            return []

    def _is_near(self, name: str) -> bool:
        try:
            there = self._files.locate(name)
        except ConfigError:
            return False
        return (there.scheme, there.host, there.port) == (self._main.scheme, self._main.host, self._main.port)

    def _menu(self, opened: Sequence[_OpenedMenu]) -> BootMenu:
        """List the entries of the menu that is shown, and of those ``opened`` below it."""
        menu = self._listing(self.shown).menu(self._default())
        more = [
            replace(entry, menu=(*below.path, *entry.menu))
            for below in opened
            for entry in self._listing(below.config).menu(None).entries
        ]
        return replace(menu, entries=(*menu.entries, *more))

    def _listing(self, shown: Config) -> Listing:
        return Listing(self._config, shown, self._files, self._arch, self._strings)

    def _default(self) -> Optional[str]:
        """Find the LABEL line of what boots when nobody chooses."""
        if self._in_menu:
            return defaults.default(self.shown)
        label = self._config.by_name.get(split(self._config.command or "")[0])
        return None if label is None else label.line
