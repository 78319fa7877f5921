"""The iPXE commands that ask somebody: menus, forms, prompts, and what they do when nobody is there."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action, BootMenu, Entry, Reason
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.assign import keep, store
from pypxeboot.ipxe.engine.interpreter import run_line
from pypxeboot.ipxe.engine.machine import Machine, MenuFound
from pypxeboot.ipxe.engine.options import CommandCall, key_code, syntax
from pypxeboot.ipxe.engine.script import Script, ScriptLine
from pypxeboot.ipxe.engine.setting_types import TYPES
from pypxeboot.ipxe.engine.settings import Value
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.terminal import dialogs
from pypxeboot.terminal.forms import Dialog, DialogItem, plain
from pypxeboot.terminal.input import WaitEnded
from pypxeboot.text import printable

COMMANDS = CommandTable()

_NO_DIALOG = "menu (or form) begins one, of that --name; choose takes it away, unless it is told to --keep it"


@COMMANDS.command("menu form", syntax(0, None, "[<title>]", "name/n= delete/d"))
def _dialog(machine: Machine, call: CommandCall) -> Steps[int]:
    """``menu`` and ``form``: a new one, in the place of any of that name."""
    yield from ()
    name = call.text("name") or ""
    machine.interaction.remove_dialog(name)
    if not call.has("delete"):
        machine.interaction.create_dialog(name, call.rest())
    return Status.OK


def _find(machine: Machine, name: Optional[str]) -> Steps[Optional[Dialog]]:
    dialog = machine.interaction.dialogs.get(name or "")
    if dialog is None:
        words = f'"{name}": no such user interface' if name else "No default user interface"
        yield from machine.refuse(words, Status.NO_SUCH_DIALOG)
        machine.failure.explain(words, _NO_DIALOG)
    return dialog


@COMMANDS.command(
    "item", syntax(0, None, "[<name> [<text>]]", "menu/m= form/f= key/k= default/d secret/s gap/g")
)
def _item(machine: Machine, call: CommandCall) -> Steps[int]:
    key = call.text("key")
    code = key_code(key) if key is not None else 0
    dialog = yield from _find(machine, call.text("menu") or call.text("form"))
    if dialog is None:
        return Status.NO_SUCH_DIALOG
    gap = call.has("gap")
    name = None if gap or not call.args else call.args[0]
    text = call.rest(0 if gap else 1)
    item = DialogItem(name, text, code, call.has("default"), call.has("secret"))
    machine.interaction.add_item(dialog, item)
    return Status.OK


@COMMANDS.command("choose", syntax(1, 1, "<setting>", "menu/m= default/d= timeout/t# retimeout/r# keep/k"))
def _choose(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have an item of a menu chosen, and store its name. The menu is gone then, unless it is to be kept."""
    seconds = call.seconds()
    dialog = yield from _find(machine, call.text("menu"))
    if dialog is None:
        return Status.NO_SUCH_DIALOG
    at = dialog.start(call.text("default"))
    if at is None:
        machine.failure.explain("a menu with nothing to choose")
        chosen: Optional[str] = None
        status: int = Status.NOTHING_TO_CHOOSE
    else:
        chosen, status = yield from _pick(machine, dialog, at, seconds, call.seconds("retimeout"))
    if not call.has("keep"):
        machine.interaction.remove_dialog(call.text("menu") or "")
    if chosen is None:
        return status
    machine.selection.choose(chosen)
    return (yield from store(machine, call.args[0], chosen))


def _pick(
    machine: Machine, dialog: Dialog, at: int, seconds: Optional[float], again: Optional[float]
) -> Steps[tuple[Optional[str], int]]:
    """Find the item that was asked for, that somebody chooses, or that the timeout takes."""
    selection = machine.selection
    if selection.listing:
        raise MenuFound(machine.stack.top.image.location, _menu(dialog, at))
    asked = selection.find_item(dialog)
    if asked is not None:
        selection.label, selection.reason = None, Reason.LABEL
        return asked, Status.OK
    user = yield from machine.interaction.find_user()
    if user is None:
        return (
            yield from _default_answer(machine, dialog, dialog.items[at].name, seconds is not None)
        ), Status.OK
    menu = dialogs.MenuDialog(user, dialog, at, again)
    answer = yield from menu.choose(seconds)
    yield from dialogs.clear(user)
    if isinstance(answer, WaitEnded):
        timed_out = answer is WaitEnded.TIMEOUT
        return (yield from _default_answer(machine, dialog, menu.name, timed_out)), Status.OK
    machine.interaction.note_key()
    if answer is None:
        machine.failure.explain(f"the menu {plain(dialog.title, 60)!r} was left")
        return None, Status.MENU_CANCELED
    selection.reason = Reason.CHOSEN
    return answer, Status.OK


def _menu(dialog: Dialog, at: int) -> BootMenu:
    """Return the items of a menu, for a list."""
    items = tuple(
        Entry(plain(item.name or "", 200), Action.BOOT, title=plain(item.text, 200))
        for item in dialog.choices
    )
    return BootMenu(items, plain(dialog.items[at].name or "", 200), plain(dialog.title, 200))


def _default_answer(
    machine: Machine, dialog: Dialog, name: Optional[str], timed: bool
) -> Steps[Optional[str]]:
    """Return what the timeout takes; without one, where firmware waits for ever, what Enter would."""
    machine.interaction.count_unanswered()
    machine.selection.reason = Reason.TIMEOUT if timed else Reason.WAITS_FOREVER
    why = "nobody chooses" if timed else "it waits for ever, nobody chooses, and Enter would take this"
    yield Log(f"menu {plain(dialog.title, 60)!r}: {printable(name or '')!r} is taken: {why}")
    return name


@COMMANDS.command("present", syntax(0, 0, "", "form/f= keep/k"))
def _present(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have a form filled in."""
    dialog = yield from _find(machine, call.text("form"))
    if dialog is None:
        return Status.NO_SUCH_DIALOG
    if not call.has("keep"):
        machine.interaction.remove_dialog(call.text("form") or "")
    user = yield from machine.interaction.find_user()
    if user is None or not dialog.choices:
        return (yield from _nobody(machine, "nobody is there to fill in the form"))
    answer = yield from dialogs.fill_in(
        user,
        dialog,
        lambda name: machine.settings.show(name) or "",
        lambda name, text: store(machine, name, text),
    )
    return _status(machine, answer)


def _nobody(machine: Machine, words: str) -> Steps[int]:
    """Fail for want of a person; what failed before is why one is asked for."""
    machine.interaction.count_unanswered()
    failure = machine.failure
    if failure.before:
        failure.explain(f"{words}; what failed before: {failure.before}", failure.hint_before)
    return (yield from machine.refuse(words, Status.CANCELED))


def _status(machine: Machine, answer: dialogs.Answer) -> int:
    """Return the status of a command that asked: whether there was an answer."""
    if isinstance(answer, WaitEnded):
        machine.interaction.count_unanswered()
        return Status.TIMED_OUT
    machine.interaction.note_key()
    return Status.CANCELED if answer is None else Status.OK


@COMMANDS.command("prompt", syntax(0, None, "[<text>]", "key/k= timeout/t# set/s=+"))
def _prompt(machine: Machine, call: CommandCall) -> Steps[int]:
    """Wait for a key: "timeout or other key fails"; so does nobody."""
    seconds, key = call.seconds(), call.text("key")
    wanted = key_code(key) if key is not None else 0
    user = yield from machine.interaction.find_user()
    if user is None:
        yield from machine.say(call.rest())
        machine.interaction.count_unanswered()
        return Status.PROMPT_TIMED_OUT
    pressed = yield from dialogs.wait(user, call.rest(), seconds)
    if isinstance(pressed, WaitEnded):
        machine.interaction.count_unanswered()
        return Status.PROMPT_TIMED_OUT
    machine.interaction.note_key()
    if wanted and dialogs.code(pressed) != wanted:
        return Status.OTHER_KEY
    setting = call.text("set")
    if setting is None:
        return Status.OK
    return (
        yield from keep(
            machine, setting, Value(dialogs.code(pressed).to_bytes(4, "big")[-2:], TYPES["uint16"])
        )
    )


@COMMANDS.command("read", syntax(1, 1, "<setting>", "timeout/t#"))
def _read(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have a setting typed; where nobody does, its value stays: without one, or in a time, that fails."""
    seconds, name = call.seconds(), call.args[0]
    value = machine.settings.show(name) or ""
    user = yield from machine.interaction.find_user()
    if user is None and seconds is not None:
        yield from machine.say(value)
        machine.interaction.count_unanswered()
        return Status.READ_TIMED_OUT
    answer: dialogs.Answer = WaitEnded.PATIENCE
    if user is not None:
        answer = yield from dialogs.ask(user, "", value, seconds=seconds)
    if isinstance(answer, str):
        machine.interaction.note_key()
        return (yield from store(machine, name, answer))
    if answer is WaitEnded.PATIENCE and value:
        machine.interaction.count_unanswered()
        yield Log(f"{printable(name)} stays as it is: nobody is there to type it")
        return Status.OK
    if answer is WaitEnded.PATIENCE:
        return (yield from _nobody(machine, f"nobody is there to type {name}"))
    return Status.READ_TIMED_OUT if _status(machine, answer) == Status.TIMED_OUT else Status.READ_CANCELED


@COMMANDS.command("login", syntax(0, 0))
def _login(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have user name and password typed; those that are set already will do where nobody can."""
    user = yield from machine.interaction.find_user()
    if user is None:
        if machine.settings.show("username") and machine.settings.show("password"):
            return Status.OK
        return (yield from _nobody(machine, "nobody is there to log in"))
    for name, mask in (("username", False), ("password", True)):
        start = machine.settings.show(name) or ""
        answer = yield from dialogs.ask(user, f"{name.capitalize()}: ", start, mask=mask)
        if not isinstance(answer, str):
            return _status(machine, answer)
        status = yield from store(machine, name, answer)
        if status:
            return status
    machine.interaction.note_key()
    return Status.OK


@COMMANDS.command("shell", syntax(0, 0))
def _shell(machine: Machine, call: CommandCall) -> Steps[int]:
    """Run command lines that somebody types, until ``exit``; without anybody there are none."""
    user = yield from machine.interaction.find_user()
    if user is None:
        return (yield from _nobody(machine, "nobody is there to use a command line"))
    outer = machine.stack.top
    line = ScriptLine(outer.line.number, None, "shell")
    frame = machine.stack.push(outer.image, Script((line,), {}))
    machine.quota.enter()
    status: int = Status.OK
    while not frame.over:
        answer = yield from dialogs.ask(user, "iPXE> ")
        if isinstance(answer, WaitEnded):
            status = _status(machine, answer)
            break
        machine.interaction.note_key()
        frame.line_over = False
        status = yield from run_line(machine, answer or "")
    machine.stack.pop()
    machine.quota.leave()
    return status
