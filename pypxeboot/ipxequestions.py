"""The iPXE commands that ask somebody: menus, forms, prompts, and what they do when nobody is there."""

from __future__ import annotations

from typing import Optional

from pypxeboot import ipxestatus
from pypxeboot.effects import Log, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.ipxedialogs import ITEM_LIMIT, Dialog, Item, key_code
from pypxeboot.ipxelanguage import store
from pypxeboot.ipxemachine import Command, Machine
from pypxeboot.ipxeoptions import Call, syntax
from pypxeboot.menu import Reason
from pypxeboot.text import printable

# Questions that nobody is there to answer: a menu that comes back so often comes back for ever.
UNANSWERED_LIMIT = 100


def _dialog(machine: Machine, call: Call) -> Steps[int]:
    """``menu`` and ``form``: a new one, in the place of any of that name."""
    yield from ()
    name = call.text("name") or ""
    machine.dialogs.pop(name, None)
    if not call.has("delete"):
        if len(machine.dialogs) >= ITEM_LIMIT:
            raise machine.broken("makes menus without end")
        machine.hold(name, call.rest())
        machine.dialogs[name] = Dialog(call.rest())
    return ipxestatus.OK


def _find(machine: Machine, name: Optional[str]) -> Steps[Optional[Dialog]]:
    dialog = machine.dialogs.get(name or "")
    if dialog is None:
        which = f'user interface "{name}"' if name else "default user interface"
        yield from machine.refuse(f"No {which}", ipxestatus.NOT_FOUND)
    return dialog


def _item(machine: Machine, call: Call) -> Steps[int]:
    key = call.text("key")
    code = key_code(key) if key is not None else 0
    dialog = yield from _find(machine, call.text("menu"))
    if dialog is None:
        return ipxestatus.NOT_FOUND
    if len(dialog.items) >= ITEM_LIMIT:
        raise machine.broken("makes a menu without end")
    gap = call.has("gap")
    name = None if gap or not call.args else call.args[0]
    text = call.rest(0 if gap else 1)
    machine.hold(name or "", text)
    dialog.items.append(Item(name, text, code, call.has("default"), call.has("secret")))
    return ipxestatus.OK


def _choose(machine: Machine, call: Call) -> Steps[int]:
    """Have an item of a menu chosen, and store its name. The menu is gone then, unless it is to be kept."""
    seconds = call.seconds()
    dialog = yield from _find(machine, call.text("menu"))
    if dialog is None:
        return ipxestatus.NOT_FOUND
    at = dialog.start(call.text("default"))
    if at is None:
        machine.failure = "a menu with nothing to choose"
        chosen: Optional[str] = None
        status = ipxestatus.NOT_FOUND
    else:
        chosen, status = yield from _picked(machine, dialog, at, seconds)
    if not call.has("keep"):
        machine.dialogs.pop(call.text("menu") or "", None)
    if chosen is None:
        return status
    return (yield from store(machine, call.args[0], chosen))


def _picked(
    machine: Machine, dialog: Dialog, at: int, seconds: Optional[float]
) -> Steps[tuple[Optional[str], int]]:
    """The name of the item that was asked for, that somebody chooses, or that the timeout takes."""
    if machine.label is not None and any(item.name == machine.label for item in dialog.named):
        chosen, machine.label = machine.label, None
        machine.reason = Reason.LABEL
        return chosen, ipxestatus.OK
    return (yield from _unattended(machine, dialog, at, seconds)), ipxestatus.OK


def _unattended(machine: Machine, dialog: Dialog, at: int, seconds: Optional[float]) -> Steps[Optional[str]]:
    """What the timeout takes, at once; without one, where firmware waits for ever, what Enter would."""
    count_unanswered(machine)
    name, title = dialog.items[at].name or "", dialog.title
    machine.reason = Reason.TIMEOUT if seconds else Reason.WAITS_FOREVER
    why = "nobody is there" if seconds else "it waits for ever, nobody is there, and Enter would take this"
    yield Log(f"menu {printable(title)!r}: {printable(name)!r} is chosen: {why}")
    return name


def count_unanswered(machine: Machine) -> None:
    """Count a question that nobody answers."""
    machine.questions += 1
    if machine.questions > UNANSWERED_LIMIT:
        error: ConfigError = machine.broken("asks again and again, and nobody is there to answer")
        raise ConfigError(error.message, hint="choose with --label, or let somebody answer with -i")


def _present(machine: Machine, call: Call) -> Steps[int]:
    dialog = yield from _find(machine, call.text("form"))
    if dialog is None:
        return ipxestatus.NOT_FOUND
    if not call.has("keep"):
        machine.dialogs.pop(call.text("form") or "", None)
    count_unanswered(machine)
    return (yield from machine.refuse("nobody is there to fill in the form", ipxestatus.CANCELED))


def _prompt(machine: Machine, call: Call) -> Steps[int]:
    """Wait for a key: "timeout or other key fails"; so does nobody."""
    call.seconds()
    key = call.text("key")
    if key is not None:
        key_code(key)
    yield from machine.say(call.rest())
    count_unanswered(machine)
    return ipxestatus.TIMED_OUT


def _read(machine: Machine, call: Call) -> Steps[int]:
    """Have a setting typed; where nobody can, its value stays, and without one that fails."""
    value = machine.settings.show(call.args[0])
    count_unanswered(machine)
    if value:
        yield Log(f"{printable(call.args[0])} stays as it is: nobody is there to type it")
        return ipxestatus.OK
    words = f"nobody is there to type {call.args[0]}"
    return (yield from machine.refuse(words, ipxestatus.CANCELED))


def _login(machine: Machine, call: Call) -> Steps[int]:
    """Have user name and password typed; those that are set already will do where nobody can."""
    count_unanswered(machine)
    if machine.settings.show("username") and machine.settings.show("password"):
        return ipxestatus.OK
    return (yield from machine.refuse("nobody is there to log in", ipxestatus.CANCELED))


_NEW = syntax(0, None, "delete/d", "name/n")

COMMANDS = {
    "menu": Command(_NEW, _dialog),
    "form": Command(_NEW, _dialog),
    "item": Command(syntax(0, None, "default/d gap/g secret/s", "menu/m key/k"), _item),
    "choose": Command(syntax(1, 1, "keep/k", "menu/m default/d timeout/t retimeout/r"), _choose),
    "present": Command(syntax(0, 0, "keep/k", "form/f"), _present),
    "prompt": Command(syntax(0, None, "", "key/k timeout/t set/s"), _prompt),
    "read": Command(syntax(1, 1, "", "timeout/t"), _read),
    "login": Command(syntax(0, 0), _login),
}
