"""The commands that make a language of it: variables, arguments, loops, texts (kern/corecmd.c)."""

from __future__ import annotations

from pypxeboot.effects import Show, Sleep, Steps
from pypxeboot.grub.commands.table import Flag, GrubCommands, parse
from pypxeboot.grub.engine import interpreter
from pypxeboot.grub.engine.machine import Call, Grub, Left
from pypxeboot.grub.engine.status import CommandError, ErrorNumber, number
from pypxeboot.picture import Picture
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, WaitEnded
from pypxeboot.terminal.menu_view import EditLine
from pypxeboot.text import printable

COMMANDS = GrubCommands()

_ECHO = (Flag("", "n"), Flag("e", "e"))


@COMMANDS.command("set")
def _set(machine: Grub, call: Call) -> Steps[int]:
    if not call.arguments:
        environment = machine.environment
        for name in environment.names():
            yield from machine.say(f"{name}={environment.get(name) or ''}")
        return ErrorNumber.NONE
    name, sign, value = call.arguments[0].partition("=")
    if not sign:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "not an assignment")
    if len(call.arguments) > 1:
        lost = printable(" ".join(call.arguments[1:]), 120)
        yield from machine.warn(f"set {printable(name, 80)}=: the words behind it are lost: {lost!r}")
    machine.environment.set(name, value)
    return ErrorNumber.NONE


@COMMANDS.command("unset")
def _unset(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    machine.environment.unset(_first(call))
    return ErrorNumber.NONE


@COMMANDS.command("export")
def _export(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    _first(call)
    for name in call.arguments:
        machine.environment.export(name)
    return ErrorNumber.NONE


def _first(call: Call) -> str:
    if not call.arguments:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    return call.arguments[0]


@COMMANDS.command("true")
def _true(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    return ErrorNumber.NONE


@COMMANDS.command("false")
def _false(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    return ErrorNumber.TEST_FAILURE


def _count(call: Call) -> int:
    """Return the one number that a command may have, 1 without it."""
    if len(call.arguments) > 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    if not call.arguments:
        return 1
    found, rest = number(call.arguments[0], 10)
    if rest:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "unrecognized number")
    return found


@COMMANDS.command("break continue")
def _break(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    count = _count(call)
    if not count:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "can't break 0 loops")
    machine.loops.continues = call.name == "continue"
    machine.loops.leaving = min(count, machine.loops.running)
    return ErrorNumber.NONE


@COMMANDS.command("shift")
def _shift(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    if machine.scope is None:
        return ErrorNumber.NONE
    count = _count(call)
    if count > len(machine.scope.arguments):
        raise CommandError(ErrorNumber.BAD_ARGUMENT)
    machine.scope.arguments = machine.scope.arguments[count:]
    return ErrorNumber.NONE


@COMMANDS.command("setparams")
def _setparams(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    if machine.scope is None:
        raise CommandError(ErrorNumber.INVALID_COMMAND)
    machine.scope.arguments = list(call.arguments)
    return ErrorNumber.NONE


@COMMANDS.command("return")
def _return(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    if machine.scope is None or len(call.arguments) > 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "not in function body")
    status = int(machine.environment.get("?") or 0)
    if call.arguments:
        status, rest = number(call.arguments[0], 10)
        if rest:
            raise CommandError(ErrorNumber.BAD_ARGUMENT, "unrecognized number")
    machine.loops.returns = True
    return status & 0xFFFFFFFF


@COMMANDS.command("eval")
def _eval(machine: Grub, call: Call) -> Steps[int]:
    if not call.arguments:
        return ErrorNumber.NONE
    return (yield from interpreter.run_source(machine, " ".join(call.arguments)))


@COMMANDS.command("echo")
def _echo(machine: Grub, call: Call) -> Steps[int]:
    found = parse(call.arguments, _ECHO, dash=True, at_start=True)
    text, end = " ".join(found.arguments), "" if "" in found.options else "\n"
    if "e" in found.options:
        text, end = _escaped(text, end)
    yield from machine.say(text, end)
    return ErrorNumber.NONE


def _escaped(text: str, end: str) -> tuple[str, str]:
    """Return ``text`` with its backslashes as ``echo -e`` has them, and what comes behind it."""
    out, pieces = "", iter(text)
    for char in pieces:
        if char != "\\":
            out += char
            continue
        letter = next(pieces, "")
        if letter == "c":
            end = ""
        out += {"n": "\n", "t": "\t", "\\": "\\"}.get(letter, "")
    return out, end


@COMMANDS.command("clear")
def _clear(machine: Grub, call: Call) -> Steps[int]:
    if machine.user is not None and not machine.user.terminal.dumb:
        yield Show(Picture(()), 0)
    return ErrorNumber.NONE


@COMMANDS.command("read")
def _read(machine: Grub, call: Call) -> Steps[int]:
    """Have a line typed; without somebody at the terminal it is empty, where the real one waits for ever."""
    user, text = (yield from machine.find_user()), ""
    if user is not None:
        line, key = yield from line_editor.edit_line(user, Clock(), EditLine("", 0), line_editor.ENTER)
        yield from machine.say("")
        text = "" if isinstance(key, WaitEnded) else line.text
    if call.arguments:
        machine.environment.set(call.arguments[0], text)
    return ErrorNumber.NONE


@COMMANDS.command("sleep")
def _sleep(machine: Grub, call: Call) -> Steps[int]:
    """Wait some seconds. What has looked for the guest's disk, and did not find it, is not waited for."""
    options = (Flag("verbose", "v"), Flag("interruptible", "i"))
    found = parse(call.arguments, options)
    if len(found.arguments) != 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    try:
        seconds, _ = number(found.arguments[0], 10)
    except CommandError as why:  # "Either `0' or broken input": an error on the screen, and a success
        yield from machine.fail(call.name, why.words)
        return ErrorNumber.NONE
    if machine.selection.listing or (machine.disk_wanted and machine.images.loaded is None):
        return ErrorNumber.NONE
    user = yield from machine.find_user()
    if user is None or "interruptible" not in found.options:
        yield Sleep(float(seconds))
        return ErrorNumber.NONE
    clock = Clock(float(seconds))
    while True:
        key = yield from user.key(clock)
        if isinstance(key, WaitEnded):
            return ErrorNumber.NONE
        if key == "escape":
            return ErrorNumber.TEST_FAILURE


@COMMANDS.command("normal_exit")
def _normal_exit(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    raise Left
