"""What the entries of a list would boot, as far as it can be said without asking a server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from pypxeboot.entry import Action, BootMenu, Entry, Module, Packed
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import Files
from pypxeboot.syslinux.config.lexer import joined, split
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.loader import modules as com32
from pypxeboot.syslinux.loader.command_line import linux_line, module_of, typed
from pypxeboot.url import Location

# Commands that lead to other commands; what goes further is not followed for a list.
_DEPTH = 4


class Listing:
    """The entries of ``shown`` (the menu's configuration, or the main one), named as in ``files``.

    ``command_line`` gives the command line of a label of either; ``config`` is the main configuration, in
    which commands of modules find their labels.
    """

    def __init__(
        self, config: Config, shown: Config, files: Files, arch: str, command_line: Callable[[Label], str]
    ) -> None:
        self._config, self._shown, self._files, self._arch = config, shown, files, arch
        self._command_line = command_line

    def menu(self, default: Optional[str]) -> BootMenu:
        """All of them; ``default`` is the LABEL line of what boots when nobody chooses."""
        paths = lookup.paths(self._shown)
        entries = (self._entry(label, paths[label.screen]) for label in lookup.entries(self._shown))
        return BootMenu(tuple(entries), default, self._shown.screens[0].title)

    def _entry(self, label: Label, path: tuple[str, ...]) -> Entry:
        described = Entry(label.line, Action.BOOT, title=label.plain_title, menu=path)
        return self._comes_to(described, self._command_line(label), _DEPTH)

    def _comes_to(self, entry: Entry, command: str, depth: int) -> Entry:
        kind, word, words = typed(command)
        if kind == "localboot":
            return replace(entry, action=Action.LOCALBOOT)
        if kind in ("linux", "program"):
            cmdline, initrds = linux_line(word, words) if kind == "linux" else (words, [])
            return self._boots(entry, word, initrds, cmdline)
        if kind == "config":
            return replace(entry, meaning=f"configuration {word}")
        if kind == "com32":
            plan = com32.interpret(module_of(word), words, self._arch)
            return self._plan(entry, plan, f"{module_of(word)}.c32", depth)
        return replace(entry, meaning=f"{word} needs firmware")

    def _plan(self, entry: Entry, plan: com32.Plan, name: str, depth: int) -> Entry:
        """A COM32 module by its meaning."""
        if isinstance(plan, com32.Run):
            command = plan.command or self._config.command or ""
            word, words = split(command)
            label = self._config.by_name.get(word)
            if label is not None:
                command = joined(self._command_line(label), words)
            if not depth:
                return replace(entry, meaning="commands that lead to each other")
            return self._comes_to(entry, command, depth - 1)
        if isinstance(plan, com32.Linux):
            listed = self._boots(entry, plan.kernel, list(plan.initrds), plan.cmdline)
            packed = [self._located(file) for file, _path in plan.packed]
            return replace(
                listed,
                packed=tuple(Packed(location, "") for location in packed if location is not None),
                dtb=None if plan.dtb is None else self._located(plan.dtb),
            )
        if isinstance(plan, com32.Multiboot):
            located = [(self._located(text), text) for text in plan.images[1:]]
            modules = tuple(Module(location, text) for location, text in located if location is not None)
            return replace(self._boots(entry, plan.images[0], [], plan.images[0]), modules=modules)
        if isinstance(plan, com32.End):
            return replace(entry, action=Action(plan.action))
        if isinstance(plan, com32.Menu):
            return replace(entry, meaning=" ".join(("menu", *plan.names)))
        if isinstance(plan, com32.Configure):
            return replace(entry, meaning=f"configuration {plan.name}")
        if isinstance(plan, com32.Chain):
            return replace(entry, meaning=f"starts over as {plan.name}")
        if isinstance(plan, com32.Lua):
            return replace(entry, meaning=f"Lua script {plan.name}")
        return replace(entry, meaning=f"{name} {plan.why}")

    def _boots(self, entry: Entry, kernel: str, initrds: list[str], cmdline: str) -> Entry:
        location = self._located(kernel)
        if location is None:  # listed all the same: it was not chosen
            return replace(entry, cmdline=cmdline, meaning="cannot be asked for")
        found = [self._located(name) for name in initrds]
        there = tuple(name for name in found if name is not None)
        return replace(entry, kernel=location, initrds=there, cmdline=cmdline)

    def _located(self, name: str) -> Optional[Location]:
        try:
            return self._files.locate(name)
        except ConfigError:
            return None
