"""Describe what the entries of a list would boot, as far as that is known without asking a server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional, Union, overload

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.entry import Action, Entry, Module, Packed
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.com32 import table
from pypxeboot.syslinux.com32.unresolved import UnresolvedEntry
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import ServerFiles
from pypxeboot.syslinux.config.lexer import joined, split
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.loader import sysappend
from pypxeboot.syslinux.loader.command_line import linux_line, module_name, parse_command
from pypxeboot.url import Location

# Commands that lead to other commands; what goes further is not followed for a list.
_DEPTH = 4


class Listing:
    """The entries of ``shown`` (the menu's configuration, or the main one), named as in ``files``.

    ``config`` is the main configuration, in which commands of modules find their labels; ``strings`` are what
    SYSAPPEND can add.
    """

    def __init__(
        self,
        config: Config,
        shown: Config,
        files: ServerFiles,
        arch: str,
        strings: Sequence[Optional[str]],
    ) -> None:
        self.config, self.arch = config, arch
        self._shown, self._files, self._strings = shown, files, strings

    def labels(self, above: tuple[str, ...]) -> list[tuple[Label, tuple[str, ...]]]:
        """List their labels, each with the titles of the submenus around it, below ``above``."""
        paths = [(*above, *path) for path in lookup.paths(self._shown)]
        return [(label, paths[label.screen]) for label in lookup.entries(self._shown)]

    def entry(self, label: Label, path: tuple[str, ...]) -> Entry:
        """Describe the entry of ``label``, which stands below the titles of ``path``."""
        description = _Description(self, label.line, label.plain_title, path, _DEPTH)
        return description.run(self.command_line(label))

    def command_line(self, label: Label) -> str:
        """Give the command line of ``label`` with its SYSAPPEND strings."""
        return sysappend.command_line(label, self._strings)

    def locate(self, name: str) -> Optional[Location]:
        """Give the location of the file ``name``, None if the name cannot be one."""
        try:
            return self._files.locate(name)
        except ConfigError:
            return None


class Described(Sequence[Entry]):
    """The entries of ``listings``, one after the other: each is described when it is asked for.

    With each listing come the titles of the menus above it.
    """

    def __init__(self, listings: Iterable[tuple[Listing, tuple[str, ...]]]) -> None:
        self._labels = [
            (listing, label, path) for listing, above in listings for label, path in listing.labels(above)
        ]

    def __len__(self) -> int:
        return len(self._labels)

    @overload
    def __getitem__(self, at: int) -> Entry: ...

    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...

    def __getitem__(self, at: Union[int, slice]) -> Union[Entry, list[Entry]]:
        if isinstance(at, slice):
            return [listing.entry(label, path) for listing, label, path in self._labels[at]]
        listing, label, path = self._labels[at]
        return listing.entry(label, path)


@dataclass(frozen=True)
class _Description:
    """The entry ``label``, whose command may lead to ``depth`` others: see :class:`Com32Listing`."""

    listing: Listing
    label: Optional[str]
    title: str
    menu: tuple[str, ...]
    depth: int

    def run(self, command: str) -> Entry:
        """Follow a command line by its type."""
        kind, word, words = parse_command(command)
        if kind == "localboot":
            return self.action(Action.LOCALBOOT)
        if kind == "linux":
            cmdline, initrds = linux_line(word, words)
            return self.kernel(UnresolvedEntry(word, cmdline, initrds))
        if kind == "program":
            return self.kernel(UnresolvedEntry(word, words))
        if kind == "config":
            return self.meaning(f"configuration {word}")
        if kind == "com32":
            return table.parse(module_name(word), words, self.listing.arch).describe(self)
        return self.meaning(f"{word} needs firmware")

    def command(self, command: Optional[str]) -> Entry:
        config = self.listing.config
        command = command or config.command or ""
        word, words = split(command)
        label = config.by_name.get(word)
        if label is not None:
            command = joined(self.listing.command_line(label), words)
        if not self.depth:
            return self.meaning("commands that lead to each other")
        return replace(self, depth=self.depth - 1).run(command)

    def kernel(self, entry: UnresolvedEntry) -> Entry:
        locate = self.listing.locate
        kernel = locate(entry.kernel)
        modules: tuple[Module, ...] = ()
        packed: tuple[Packed, ...] = ()
        if entry.modules:
            found = [(locate(text), text) for text in entry.modules]
            modules = tuple([Module(place, text) for place, text in found if place is not None])
        if entry.packed:
            names = [item.name for item in entry.packed if item.name is not None]
            packed = tuple([Packed(place, "") for place in self._located(names)])
        return Entry(
            self.label,
            Action.BOOT,
            kernel,
            () if kernel is None else self._located(entry.initrds),
            entry.cmdline,
            modules,
            self.title,
            packed,
            None if entry.dtb is None else locate(entry.dtb),
            self.menu,
            "cannot be asked for" if kernel is None else "",  # listed all the same: it was not chosen
        )

    def _located(self, names: Sequence[str]) -> tuple[Location, ...]:
        locate = self.listing.locate
        return tuple([location for name in names if (location := locate(name)) is not None])

    def action(self, action: Action) -> Entry:
        return Entry(self.label, action, title=self.title, menu=self.menu)

    def meaning(self, text: str) -> Entry:
        return Entry(self.label, Action.BOOT, title=self.title, menu=self.menu, meaning=text)
