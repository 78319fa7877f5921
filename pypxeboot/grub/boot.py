"""GRUB: its configuration is found, run, and ends with what boots.

The rules are those of GRUB 2.06 for the network, as Debian, Fedora and others build it. What ends at its
prompt boots nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.bootsource import BootRequest
from pypxeboot.effects import Log, Steps
from pypxeboot.entry import BootMenu, Choice
from pypxeboot.errors import ConfigError
from pypxeboot.grub import listing, search
from pypxeboot.grub.commands import conditions, files, language, loaders, network, system, tools
from pypxeboot.grub.commands import entries as menu_entries
from pypxeboot.grub.engine import configuration, interpreter, variables
from pypxeboot.grub.engine.machine import BootEnds, CommandRun, Grub, Left, MenuSelection
from pypxeboot.grub.menu import passwords, session
from pypxeboot.text import printable
from pypxeboot.url import Location

COMMANDS: Mapping[str, CommandRun] = {
    **language.COMMANDS,
    **conditions.COMMANDS,
    **menu_entries.COMMANDS,
    **files.COMMANDS,
    **loaders.COMMANDS,
    **network.COMMANDS,
    **system.COMMANDS,
    **tools.COMMANDS,
}


def boot(request: BootRequest) -> Steps[Choice]:
    """Boot what the configuration says, what its label names, or what somebody chooses.

    Raises NoBootSource if there is no configuration, ConfigError if it boots nothing.
    """
    found = yield from search.find(request)
    yield Log(f"GRUB: configuration {printable(str(found.place))}")
    machine = _machine(request, found, MenuSelection(request.label))
    try:
        yield from _normal(machine, found)
    except BootEnds as end:
        return end.choice
    except Left:
        pass
    raise session.nothing_to_show(machine)


def entries(request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
    """List the entries of the first menu, those of its submenus included; nothing is loaded."""
    found = yield from search.find(request)
    request = BootRequest(request.source, request.guest, request.lease)
    machine = _machine(request, found, MenuSelection(listing=True))
    return found.place, (yield from listing.list_menu(machine, _normal(machine, found)))


def _machine(request: BootRequest, found: search.Found, selection: MenuSelection) -> Grub:
    platform = variables.platform(request)
    return Grub(
        request=request,
        platform=platform,
        commands=COMMANDS,
        show_menu=listing.show_menu if selection.listing else session.show_menu,
        enter_normal=_enter_normal,
        authenticate=passwords.authenticate,
        environment=variables.environment(request, platform, found.device, found.directory),
        config=found.place,
        selection=selection,
        built_in=found.built_in,
        memdisk=found.memdisk,
    )


def _normal(machine: Grub, found: search.Found) -> Steps[None]:
    """Run the first configuration, then its menu, then the prompt.

    The one that is built into the program comes before it, and may lead elsewhere.
    """
    if found.built_in:
        yield from interpreter.run_source(machine, found.text, is_file=True, place=found.place)
        yield from _enter_normal(machine, None)
        return
    prefix = machine.environment.get("prefix") or ""
    yield from configuration.run_text(machine, f"{prefix}/{found.place.name}", found.text, found.place)
    yield from _after_configuration(machine)


def _enter_normal(machine: Grub, name: Optional[str]) -> Steps[None]:
    """Begin anew with the configuration called ``name``, or the one that is found in ``prefix``."""
    names = [name] if name is not None else _names(machine)
    for one in names[:-1]:
        if (yield from configuration.run_file(machine, one)):
            break
    else:
        yield from configuration.run_file(machine, names[-1])
    yield from _after_configuration(machine)


def _names(machine: Grub) -> list[str]:
    """List the configurations that are looked for in ``prefix`` as it is now."""
    prefix = machine.environment.get("prefix") or ""
    scheme = "tftp" if prefix.startswith("(tftp") else "http"
    return [f"{prefix}/{name}" for name in search.names(machine.request, scheme)]


def _after_configuration(machine: Grub) -> Steps[None]:
    if machine.menus[-1]:
        yield from machine.show_menu(machine, machine.menus[-1], False, False)
    user = yield from machine.find_user()
    if user is not None and not machine.selection.listing:
        from pypxeboot.grub.menu.prompt import run_prompt  # a boot without a terminal need not wait for it

        if machine.error is not None:
            yield Log(f"GRUB: {machine.error.message}", warning=True)
        yield from run_prompt(machine, user, nested=False)
    if machine.selection.wanted is not None:
        raise ConfigError(f"{machine.config} has no menu, and so no entry {machine.request.label!r}")
    raise session.nothing_to_show(machine)
