"""The iPXE commands that ask somebody: menus, forms, prompts, and what they do when nobody is there."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import FindTerminal, Log, Steps
from pypxeboot.entry import Action, BootMenu, Entry, Reason
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.assign import keep, store
from pypxeboot.ipxe.engine.machine import Machine, MenuFound, ScriptFrame
from pypxeboot.ipxe.engine.options import CommandCall, key_code, syntax
from pypxeboot.ipxe.engine.script import ScriptLine
from pypxeboot.ipxe.engine.setting_types import TYPES
from pypxeboot.ipxe.engine.settings import Value
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.picture import Terminal
from pypxeboot.terminal import dialogs
from pypxeboot.terminal.forms import ITEM_LIMIT, Dialog, DialogItem, plain
from pypxeboot.terminal.input import User, WaitEnded
from pypxeboot.text import printable

# Questions that nobody is there to answer: a menu that comes back so often comes back for ever.
UNANSWERED_LIMIT = 100

COMMANDS = CommandTable()


@COMMANDS.command("menu form", syntax(0, None, "[<title>]", "name/n= delete/d"))
def _dialog(machine: Machine, call: CommandCall) -> Steps[int]:
    """``menu`` and ``form``: a new one, in the place of any of that name."""
    yield from ()
    name = call.text("name") or ""
    machine.dialogs.pop(name, None)
    if not call.has("delete"):
        if len(machine.dialogs) >= ITEM_LIMIT:
            raise machine.limit_error("makes menus without end")
        machine.hold(name, call.rest())
        machine.dialogs[name] = Dialog(call.rest())
    return Status.OK


def _find(machine: Machine, name: Optional[str]) -> Steps[Optional[Dialog]]:
    dialog = machine.dialogs.get(name or "")
    if dialog is None:
        words = f'"{name}": no such user interface' if name else "No default user interface"
        yield from machine.refuse(words, Status.NO_SUCH_DIALOG)
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
    if len(dialog.items) >= ITEM_LIMIT:
        raise machine.limit_error("makes a menu without end")
    gap = call.has("gap")
    name = None if gap or not call.args else call.args[0]
    text = call.rest(0 if gap else 1)
    machine.hold(name or "", text)
    dialog.items.append(DialogItem(name, text, code, call.has("default"), call.has("secret")))
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
        machine.failure = "a menu with nothing to choose"
        chosen: Optional[str] = None
        status: int = Status.NOTHING_TO_CHOOSE
    else:
        chosen, status = yield from _pick(machine, dialog, at, seconds, call.seconds("retimeout"))
    if not call.has("keep"):
        machine.dialogs.pop(call.text("menu") or "", None)
    if chosen is None:
        return status
    machine.chosen = plain(chosen, 200)
    return (yield from store(machine, call.args[0], chosen))


def _pick(
    machine: Machine, dialog: Dialog, at: int, seconds: Optional[float], again: Optional[float]
) -> Steps[tuple[Optional[str], int]]:
    """Find the item that was asked for, that somebody chooses, or that the timeout takes."""
    if machine.listing:
        raise MenuFound(machine.frames[-1].image.location, _menu(dialog, at))
    asked = None if machine.label is None else _find_item(dialog, machine.label, machine.chosen is None)
    if asked is not None:
        machine.label, machine.reason = None, Reason.LABEL
        return asked, Status.OK
    user = yield from _somebody(machine)
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
    machine.key_pressed()
    if answer is None:
        machine.failure = f"the menu {plain(dialog.title, 60)!r} was left"
        return None, Status.MENU_CANCELED
    machine.reason = Reason.CHOSEN
    return answer, Status.OK


def _find_item(dialog: Dialog, label: str, first: bool) -> Optional[str]:
    """Find the item that ``label`` means: a name, a title, or, in the first menu, a number in its list."""
    for item in dialog.choices:
        if item.name == label:
            return label
    for item in dialog.choices:
        if plain(item.text, 200).strip() == label.strip():
            return item.name
    if first and label.isascii() and label.isdecimal() and len(label) < 7:
        return next((item.name for item in dialog.choices[int(label) - 1 :][:1] if int(label)), None)
    return None


def _menu(dialog: Dialog, at: int) -> BootMenu:
    """Return the items of a menu, for a list."""
    items = tuple(
        Entry(plain(item.name or "", 200), Action.BOOT, title=plain(item.text, 200))
        for item in dialog.choices
    )
    return BootMenu(items, plain(dialog.items[at].name or "", 200), plain(dialog.title, 200))


def _somebody(machine: Machine) -> Steps[Optional[User]]:
    """Who sits at the terminal, if anybody does."""
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        return None
    if machine.user is None:
        machine.user = User(terminal, machine.patience)
    machine.user.terminal = terminal
    return machine.user


def _default_answer(
    machine: Machine, dialog: Dialog, name: Optional[str], timed: bool
) -> Steps[Optional[str]]:
    """Return what the timeout takes; without one, where firmware waits for ever, what Enter would."""
    count_unanswered(machine)
    machine.reason = Reason.TIMEOUT if timed else Reason.WAITS_FOREVER
    why = "nobody chooses" if timed else "it waits for ever, nobody chooses, and Enter would take this"
    yield Log(f"menu {plain(dialog.title, 60)!r}: {printable(name or '')!r} is taken: {why}")
    return name


def count_unanswered(machine: Machine) -> None:
    """Count a question that nobody answers."""
    machine.questions += 1
    if machine.questions > UNANSWERED_LIMIT:
        error: ConfigError = machine.limit_error("asks again and again, and nobody is there to answer")
        raise ConfigError(error.message, hint="choose with --label, or let somebody answer with -i")


@COMMANDS.command("present", syntax(0, 0, "", "form/f= keep/k"))
def _present(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have a form filled in."""
    dialog = yield from _find(machine, call.text("form"))
    if dialog is None:
        return Status.NO_SUCH_DIALOG
    if not call.has("keep"):
        machine.dialogs.pop(call.text("form") or "", None)
    user = yield from _somebody(machine)
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
    count_unanswered(machine)
    return (yield from machine.refuse(words, Status.CANCELED))


def _status(machine: Machine, answer: dialogs.Answer) -> int:
    """Return the status of a command that asked: whether there was an answer."""
    if isinstance(answer, WaitEnded):
        count_unanswered(machine)
        return Status.TIMED_OUT
    machine.key_pressed()
    return Status.CANCELED if answer is None else Status.OK


@COMMANDS.command("prompt", syntax(0, None, "[<text>]", "key/k= timeout/t# set/s=+"))
def _prompt(machine: Machine, call: CommandCall) -> Steps[int]:
    """Wait for a key: "timeout or other key fails"; so does nobody."""
    seconds, key = call.seconds(), call.text("key")
    wanted = key_code(key) if key is not None else 0
    user = yield from _somebody(machine)
    if user is None:
        yield from machine.say(call.rest())
        count_unanswered(machine)
        return Status.PROMPT_TIMED_OUT
    pressed = yield from dialogs.wait(user, call.rest(), seconds)
    if isinstance(pressed, WaitEnded):
        count_unanswered(machine)
        return Status.PROMPT_TIMED_OUT
    machine.key_pressed()
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
    user = yield from _somebody(machine)
    if user is None and seconds is not None:
        yield from machine.say(value)
        count_unanswered(machine)
        return Status.READ_TIMED_OUT
    answer: dialogs.Answer = WaitEnded.PATIENCE
    if user is not None:
        answer = yield from dialogs.ask(user, "", value, seconds=seconds)
    if isinstance(answer, str):
        machine.key_pressed()
        return (yield from store(machine, name, answer))
    if answer is WaitEnded.PATIENCE and value:
        count_unanswered(machine)
        yield Log(f"{printable(name)} stays as it is: nobody is there to type it")
        return Status.OK
    if answer is WaitEnded.PATIENCE:
        return (yield from _nobody(machine, f"nobody is there to type {name}"))
    return Status.READ_TIMED_OUT if _status(machine, answer) == Status.TIMED_OUT else Status.READ_CANCELED


@COMMANDS.command("login", syntax(0, 0))
def _login(machine: Machine, call: CommandCall) -> Steps[int]:
    """Have user name and password typed; those that are set already will do where nobody can."""
    user = yield from _somebody(machine)
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
    machine.key_pressed()
    return Status.OK


@COMMANDS.command("shell", syntax(0, 0))
def _shell(machine: Machine, call: CommandCall) -> Steps[int]:
    """Run command lines that somebody types, until ``exit``; without anybody there are none."""
    user = yield from _somebody(machine)
    if user is None:
        return (yield from _nobody(machine, "nobody is there to use a command line"))
    frame = machine.frames[-1]
    machine.frames.append(
        ScriptFrame(frame.image, [ScriptLine(frame.lines[frame.at].number, None, "shell")], {})
    )
    machine.enter()
    status: int = Status.OK
    while not machine.frames[-1].over:
        answer = yield from dialogs.ask(user, "iPXE> ")
        if isinstance(answer, WaitEnded):
            status = _status(machine, answer)
            break
        machine.key_pressed()
        machine.frames[-1].line_over = False
        status = yield from machine.line(answer or "")
    machine.frames.pop()
    machine.leave()
    return status
