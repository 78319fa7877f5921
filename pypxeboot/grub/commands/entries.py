"""The commands that make menus, and say who may use them (commands/menuentry.c, normal/auth.c)."""

from __future__ import annotations

from pypxeboot.effects import Steps
from pypxeboot.errors import ConfigError
from pypxeboot.grub.commands.table import Flag, GrubCommands, parse
from pypxeboot.grub.engine.machine import Call, Grub, MenuEntry
from pypxeboot.grub.engine.status import CommandError, ErrorNumber

COMMANDS = GrubCommands()

# Nobody scrolls through more; a menu is copied and drawn as a whole.
_ENTRIES = 10_000

_NO_BLOCK = "its { stands on the same line, behind the title"
_OPTIONS = (
    Flag("class", value=True),
    Flag("users", value=True),
    Flag("hotkey", value=True),
    Flag("source", value=True),
    Flag("id", value=True),
    Flag("unrestricted"),
)


@COMMANDS.command("menuentry submenu")
def _menuentry(machine: Grub, call: Call) -> Steps[int]:
    """Add an entry to the menu: its title, arguments, and what it does, in braces or behind ``--source``."""
    yield from ()
    found = parse(call.arguments, _OPTIONS, dash=True)
    words, source = list(found.arguments), found.get("source")
    if not words:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "missing arguments")
    if source is not None and call.block:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "multiple menuentry definitions")
    if source is None and not call.block:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "no menuentry definition", hint=_NO_BLOCK)
    if source is None:
        block = words.pop()
        source = f"setparams {' '.join(map(_quoted, words))}\n{block[1:-1]}"
    if not words:
        raise CommandError(ErrorNumber.MENU, "menuentry is missing title")
    menu = machine.menus[-1]
    if len(menu) >= _ENTRIES:
        raise ConfigError(f"the configuration of GRUB has a menu of more than {_ENTRIES} entries")
    machine.budget.text(len(source))
    users = found.get("users")
    if users is None and "unrestricted" not in found.options:
        users = ""
    name = found.get("id")
    menu.append(
        MenuEntry(
            title=words[0],
            id=words[0] if name is None else name,
            source=source,
            arguments=tuple(words),
            users=users,
            hotkey=found.get("hotkey") or "",
            submenu=call.name == "submenu",
            origin=machine.origin,
        )
    )
    return ErrorNumber.NONE


def _quoted(word: str) -> str:
    escaped = word.replace("'", "'\\''")
    return f"'{escaped}'"


@COMMANDS.command("password password_pbkdf2")
def _password(machine: Grub, call: Call) -> Steps[int]:
    """Give a user a password: in clear text, or what PBKDF2 made of it."""
    yield from ()
    if len(call.arguments) != 2:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "two arguments expected")
    user, password = call.arguments
    if call.name == "password_pbkdf2" and not password.startswith("grub.pbkdf2.sha512."):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "invalid PBKDF2 password")
    machine.passwords[user] = (call.name == "password_pbkdf2", password)
    return ErrorNumber.NONE


@COMMANDS.command("authenticate")
def _authenticate(machine: Grub, call: Call) -> Steps[int]:
    users = call.arguments[0] if call.arguments else ""
    if (yield from machine.authenticate(machine, users)):
        return ErrorNumber.NONE
    raise CommandError(ErrorNumber.ACCESS_DENIED, "access denied")
