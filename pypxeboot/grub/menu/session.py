"""Menus as they run: an entry is chosen by somebody, by nobody, or by a label, and runs (normal/menu.c).

Where the real one would wait or try for ever and nobody sits at a terminal, what Enter would boot is booted,
and what boots nothing is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action, Reason
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.grub.commands import loaders
from pypxeboot.grub.engine import interpreter
from pypxeboot.grub.engine.images import Kernel
from pypxeboot.grub.engine.machine import BootEnds, Call, Grub, MenuEntry
from pypxeboot.grub.engine.status import CommandError
from pypxeboot.grub.menu import choice
from pypxeboot.terminal.input import Clock
from pypxeboot.text import printable

# DEFAULT_ENTRY_ERROR_DELAY_MS and grub_wait_after_message(): for who reads it.
_READING_TIME = 10.0
_KERNELS = ("linux", "initrd", "multiboot", "module")  # the commands that load what boots


def show_menu(machine: Grub, entries: list[MenuEntry], nested: bool, automatic: bool) -> Steps[None]:
    """Run a menu until something boots, or it is left.

    ``nested``: Escape leaves it. ``automatic``: nobody chose the submenu that it is, so it is left once its
    default has failed.
    """
    machine.budget.enter()
    while True:
        chosen = yield from _choose(machine, entries, nested, automatic)
        if chosen is None:
            break
        entry, by_itself = chosen
        machine.error = None
        if by_itself:
            yield from _execute_with_fallback(machine, entries, entry)
        else:
            yield from execute_entry(machine, entry, automatic=False)
        if automatic:
            break
        why = machine.error or ConfigError(
            f"the entry {printable(entry.title)!r} boots nothing",
            hint=f"the configuration is {printable(str(entry.origin or machine.config))}",
        )
        if machine.user is None or machine.user.gives_up(f"{id(entries)} {entry.title}"):
            raise why
    machine.budget.leave()


def _choose(
    machine: Grub, entries: list[MenuEntry], nested: bool, automatic: bool
) -> Steps[Optional[tuple[MenuEntry, bool]]]:
    """Return the entry that is to run, and whether nobody chose it; None where the menu is left."""
    selection = machine.selection
    if selection.wanted is not None:
        return _labelled(machine, entries), True
    for words in choice.lost_words(entries, machine.environment):
        yield from machine.warn(words)
    at = choice.default_entry(entries, machine.environment)
    seconds = choice.timeout(machine.environment)
    user = yield from machine.find_user()
    if machine.request.interactive and user is not None and not automatic:
        seconds = None
    if user is not None and seconds != 0:
        from pypxeboot.grub.menu.screen import MenuScreen  # a boot without a terminal need not wait for it

        return (yield from MenuScreen(machine, user, entries, nested).choose(at, seconds))
    if seconds != 0 or machine.environment.get("timeout_style") in ("countdown", "hidden"):
        machine.environment.unset("timeout")
        machine.environment.unset("timeout_style")
    if not automatic and selection.reason is not Reason.LABEL:
        selection.reason = _reason(seconds)
    return entries[at], True


def _reason(seconds: Optional[int]) -> Reason:
    if seconds is None:
        return Reason.WAITS_FOREVER
    return Reason.TIMEOUT if seconds else Reason.DEFAULT


def _labelled(machine: Grub, entries: Sequence[MenuEntry]) -> MenuEntry:
    """Return the entry that the label means in this menu. Raises ConfigError if there is none."""
    wanted = machine.selection.wanted or ""
    at, rest = choice.wanted_entry(entries, wanted), None
    if at is None:
        at, rest = choice.wanted_entry(entries, choice.split_path(wanted)[0]), choice.rest_of_path(wanted)
    if at is None:
        names = ", ".join(printable(choice.join_path([entry.id])) for entry in entries[:30])
        raise ConfigError(f"{machine.config} has no entry {printable(wanted)!r}", hint=f"it has {names}")
    machine.selection.wanted = rest
    machine.selection.reason = Reason.LABEL
    return entries[at]


def _execute_with_fallback(machine: Grub, entries: Sequence[MenuEntry], entry: MenuEntry) -> Steps[None]:
    """Run an entry that nobody chose, and where it boots nothing those of ``fallback``."""
    yield from machine.say(f"  Booting `{entry.title}'\n")
    yield from execute_entry(machine, entry, automatic=True)
    if machine.selection.reason is Reason.LABEL:
        return
    for at in choice.fallbacks(machine.environment):
        if at >= len(entries):
            continue
        why = "" if machine.error is None else f"{machine.error.message}; "
        yield Log(f"GRUB: {why}falling back to {printable(entries[at].title)!r}", warning=True)
        machine.budget.step()
        machine.selection.reason = Reason.ONERROR
        yield from execute_entry(machine, entries[at], automatic=True)


def execute_entry(machine: Grub, entry: MenuEntry, *, automatic: bool) -> Steps[None]:
    """Run an entry: its script, then what that loaded, then the menu that it is, if it is a submenu."""
    environment = machine.environment
    if entry.users is not None and machine.selection.reason is not Reason.LABEL:
        if not (yield from machine.authenticate(machine, entry.users)):
            machine.error = ConfigError(
                f"the entry {printable(entry.title)!r} asks for a password, and has got none",
                hint="--label boots it without one, as the administrator of this host may",
            )
            return
    chosen, default = environment.get("chosen"), environment.get("default")
    if entry.submenu:
        machine.open_context()
        if automatic:
            environment.set("timeout", "0")
    path = choice.join_path([entry.id])
    environment.set("chosen", path if chosen is None else f"{chosen}>{path}")
    environment.export("chosen")
    rest = None if default is None else choice.rest_of_path(default)
    if rest is None:
        environment.unset("default")
    else:
        environment.set("default", rest)
    machine.disk_wanted = False
    machine.budget.enter()
    yield from _run(machine, entry)
    if entry.submenu:
        if machine.menus[-1]:
            yield from show_menu(machine, machine.menus[-1], True, automatic)
        machine.close_context()
    machine.budget.leave()
    for name, value in (("chosen", chosen), ("default", default)):
        if value is None:
            environment.unset(name)
        else:
            environment.set(name, value)
    environment.unset("timeout")


def _run(machine: Grub, entry: MenuEntry) -> Steps[None]:
    """Run the script of an entry, and boot what it loaded."""
    errors, before = machine.errors_printed, machine.origin
    machine.origin = entry.origin
    yield from interpreter.run_entry(machine, entry)
    yield from _let_read(machine, errors)
    errors = machine.errors_printed
    if machine.images.loaded is not None:
        try:
            yield from loaders.boot(machine, Call("boot", []))
        except CommandError as why:
            yield from machine.fail("boot", why.words, hint=why.hint)
    elif machine.disk_wanted and not entry.submenu:
        error = machine.error
        if error is not None and error.message.startswith(_KERNELS):
            yield from machine.warn(
                f"{error.message}; and so the guest's own disk boots, which it looks for, too"
            )
        yield Log("GRUB: the entry looks for a disk of the guest: booting from it")
        raise BootEnds(loaders.local(machine, Action.LOCALBOOT))
    machine.origin = before
    yield from _let_read(machine, errors)


def _let_read(machine: Grub, errors: int) -> Steps[None]:
    """Wait a moment where errors were printed that somebody may want to read."""
    if machine.errors_printed == errors or machine.user is None:
        return
    yield from machine.say("\nPress any key to continue...")
    yield from machine.user.key(Clock(_READING_TIME))


def nothing_to_show(machine: Grub) -> PxeBootError:
    """Return the error of a configuration without a menu, which ends at the prompt."""
    if machine.error is not None:
        return machine.error
    hint, loaded = "add a menuentry, or a boot command", machine.images.loaded
    if isinstance(loaded, Kernel):
        hint = f"{printable(str(loaded.location))} is loaded: add a boot command behind it"
    elif machine.unlisted:
        hint = f"{machine.unlisted} is never true of a file on a server: [ -s FILE ] is, if it is there"
    return ConfigError(
        f"{machine.config} has no menu entries, and boots nothing: GRUB would end at its prompt", hint=hint
    )
