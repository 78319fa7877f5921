"""Lists the entries of a menu with what each would boot: its script is run, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.dataclass import replace
from pypxeboot.effects import Steps
from pypxeboot.entry import Action, BootMenu, Entry
from pypxeboot.grub.commands import loaders
from pypxeboot.grub.engine import interpreter
from pypxeboot.grub.engine.images import Kernel, LoadedImages
from pypxeboot.grub.engine.machine import Grub, Listed, Loops, MenuEntry, MenuSelection
from pypxeboot.grub.menu import choice

_ENTRIES = 1000
_LEVELS = 8
_ACTIONS = {
    "boots from the local disk": Action.LOCALBOOT,
    "restarts the machine": Action.REBOOT,
    "switches the machine off": Action.POWEROFF,
}


def show_menu(machine: Grub, entries: list[MenuEntry], nested: bool, automatic: bool) -> Steps[None]:
    """End with the list of a menu, in place of showing it."""
    found: list[Entry] = []
    default = yield from _describe_all(machine, entries, (), (), found)
    raise Listed(menu=BootMenu(tuple(found), default))


def list_menu(machine: Grub, running: Steps[None]) -> Steps[BootMenu]:
    """Run the configuration up to its first menu, and return that; without one, what it boots."""
    try:
        yield from running
    except Listed as found:
        if found.menu is not None:
            return found.menu
        return BootMenu((_entry(machine, None, "", (), found.meaning),))
    return BootMenu(())


def _describe_all(
    machine: Grub,
    entries: Sequence[MenuEntry],
    path: tuple[str, ...],
    titles: tuple[str, ...],
    found: list[Entry],
) -> Steps[Optional[str]]:
    """Describe entries and those of their submenus; the label of the default among them."""
    default, marked = choice.default_entry(entries, machine.environment), None
    value = machine.environment.get("default")
    rest = None if value is None else choice.rest_of_path(value)
    for at, entry in enumerate(entries):
        if len(found) >= _ENTRIES:
            break
        scratch = _scratch(machine)
        label: Optional[str] = choice.join_path((*path, entry.id))
        if entry.submenu and len(path) < _LEVELS:
            scratch.open_context()
            if at == default and rest is not None:
                scratch.environment.set("default", rest)
            yield from _run(scratch, entry)
            inner, way = scratch.menus[-1], (*path, entry.id)
            label = yield from _describe_all(scratch, inner, way, (*titles, entry.title), found)
        else:
            meaning = yield from _run(scratch, entry)
            found.append(_entry(scratch, label, entry.title, titles, meaning))
        marked = label if at == default else marked
    return marked


def _scratch(machine: Grub) -> Grub:
    """Return a machine that may be changed, as an entry would change it."""
    return replace(
        machine,
        environment=machine.environment.copy(),
        menus=[list(menu) for menu in machine.menus],
        functions=dict(machine.functions),
        running=[],
        loops=Loops(),
        images=LoadedImages(),
        error=None,
        disk_wanted=False,
        budget=machine.budget,
        selection=MenuSelection(listing=True, describing=True),
    )


def _run(machine: Grub, entry: MenuEntry) -> Steps[str]:
    """Run an entry up to where it would boot; what it does instead, in words."""
    budget = machine.budget
    depth = budget.depth
    machine.origin = entry.origin
    try:
        yield from interpreter.run_entry(machine, entry)
    except Listed as end:
        return end.meaning
    finally:
        budget.depth = depth
    if machine.images.loaded is None and machine.disk_wanted:
        return "boots from the local disk"
    return "" if machine.error is None else machine.error.message


def _entry(machine: Grub, label: Optional[str], title: str, titles: tuple[str, ...], meaning: str) -> Entry:
    loaded = machine.images.loaded
    if meaning in _ACTIONS:
        return Entry(label, _ACTIONS[meaning], title=title, menu=titles)
    if not isinstance(loaded, Kernel):
        return Entry(label, Action.BOOT, title=title, menu=titles, meaning=meaning or "boots nothing")
    return replace(loaders.entry_of(machine, loaded, label), title=title, menu=titles)
