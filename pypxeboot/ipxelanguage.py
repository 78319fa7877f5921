"""The iPXE commands that make a language of it: settings, comparisons, jumps (core/exec.c, nvo_cmd.c)."""

from __future__ import annotations

from typing import Optional

from pypxeboot import ipxestatus
from pypxeboot.effects import Now, Sleep, Steps
from pypxeboot.ipxemachine import Command, Machine
from pypxeboot.ipxeoptions import Call, integer, syntax
from pypxeboot.settings import Full, Name, NoSuchBlock, NoSuchType, NotStorable, Value, parse_name
from pypxeboot.settingtypes import BadValue, NotSupported, Unformattable


def store(machine: Machine, text: str, value: Optional[str]) -> Steps[int]:
    """Give the setting called ``text`` a value, None to delete it; says what goes wrong."""
    try:
        name = parse_name(text)
        machine.settings.store(name, value)
    except (NoSuchType, NoSuchBlock):
        return (yield from machine.refuse(f'"{text}": no such setting', ipxestatus.UNSUPPORTED))
    except BadValue:
        return (yield from machine.fail(f'Could not store "{name.text}"', ipxestatus.BAD_VALUE))
    except (NotSupported, NotStorable):
        return (yield from machine.fail(f'Could not store "{name.text}"', ipxestatus.NOT_STORABLE))
    except Full:
        raise machine.broken("stores settings without end") from None
    return ipxestatus.OK


def keep(machine: Machine, text: str, value: Value) -> Steps[int]:
    """As :func:`store`, for a value that is bytes already."""
    try:
        name = parse_name(text)
        machine.settings.put(name, Value(value.raw, name.type or value.type))
    except (NoSuchType, NoSuchBlock):
        return (yield from machine.refuse(f'"{text}": no such setting', ipxestatus.UNSUPPORTED))
    except NotStorable:
        return (yield from machine.fail(f'Could not store "{name.text}"', ipxestatus.NOT_STORABLE))
    except Full:
        raise machine.broken("stores settings without end") from None
    return ipxestatus.OK


def _set(machine: Machine, call: Call) -> Steps[int]:
    return (yield from store(machine, call.args[0], call.rest(1)))


def _clear(machine: Machine, call: Call) -> Steps[int]:
    return (yield from store(machine, call.args[0], None))


def _existing(machine: Machine, text: str) -> Steps[Optional[Name]]:
    """The name of a setting in a block that is there; else says so."""
    try:
        name = parse_name(text)
        machine.settings.block(name.block)
    except (NoSuchType, NoSuchBlock):
        yield from machine.refuse(f'"{text}": no such setting', ipxestatus.NO_DEVICE)
        return None
    return name


def _inc(machine: Machine, call: Call) -> Steps[int]:
    amount = integer(call.args[1]) if len(call.args) > 1 else 1
    name = yield from _existing(machine, call.args[0])
    if name is None:
        return ipxestatus.NO_DEVICE
    try:
        machine.settings.increment(name, amount)
    except (NotSupported, NotStorable, Unformattable):
        return (yield from machine.fail(f'Could not store "{name.text}"', ipxestatus.NOT_STORABLE))
    return ipxestatus.OK


def _show(machine: Machine, call: Call) -> Steps[int]:
    name = yield from _existing(machine, call.args[0])
    if name is None:
        return ipxestatus.NO_DEVICE
    value, block = machine.settings.find(name)
    if value is None or value.type is None:
        return (yield from machine.fail(f'Could not find "{name.text}"', ipxestatus.NOT_FOUND))
    try:
        shown = value.type.format(value.raw)
    except Unformattable:
        return (yield from machine.fail(f'Could not find "{name.text}"', ipxestatus.OUT_OF_RANGE))
    where = f"{block}/" if block else ""
    yield from machine.say(shown if call.has("quiet") else f"{where}{name.text}:{value.type.name} = {shown}")
    return ipxestatus.OK


def _echo(machine: Machine, call: Call) -> Steps[int]:
    yield from machine.say(call.rest(), end="" if call.has("n") else "\n")
    return ipxestatus.OK


def _isset(machine: Machine, call: Call) -> Steps[int]:
    yield from ()
    return ipxestatus.OK if call.args[0] else ipxestatus.NOT_FOUND


def _iseq(machine: Machine, call: Call) -> Steps[int]:
    yield from ()
    return ipxestatus.OK if call.args[0] == call.args[1] else ipxestatus.NOT_EQUAL


def _goto(machine: Machine, call: Call) -> Steps[int]:
    """Go on at a label; the rest of the line is not run."""
    yield from ()
    frame = machine.frames[-1]
    index = frame.labels.get(call.args[0])
    if index is None:
        machine.failure = f"there is no label :{call.args[0]}"
        return ipxestatus.NOT_FOUND
    frame.next, frame.line_over = index, True
    return ipxestatus.OK


def _exit(machine: Machine, call: Call) -> Steps[int]:
    """End the innermost script, and the rest of its line."""
    yield from ()
    status = integer(call.args[0]) if call.args else ipxestatus.OK
    machine.frames[-1].over = True
    if status:
        machine.failure = f"exit {status}"
    return status


def _sleep(machine: Machine, call: Call) -> Steps[int]:
    yield Sleep(float(integer(call.args[0])))
    return ipxestatus.OK


def _time(machine: Machine, call: Call) -> Steps[int]:
    """Run a command, and say how long it took."""
    started: int = yield Now()
    machine.enter()
    status = yield from machine.command(list(call.args))
    machine.leave()
    ended: int = yield Now()
    yield from machine.say(f"{call.args[0]}: {max(ended - started, 0)}s")
    return status


COMMANDS = {
    "set": Command(syntax(1, None), _set),
    "clear": Command(syntax(1, 1), _clear),
    "inc": Command(syntax(1, 2), _inc),
    "show": Command(syntax(1, 1, "quiet/q"), _show),
    "echo": Command(syntax(0, None, "n/n"), _echo),
    "isset": Command(syntax(1, 1), _isset),
    "iseq": Command(syntax(2, 2), _iseq),
    "goto": Command(syntax(1, 1), _goto),
    "exit": Command(syntax(0, 1), _exit),
    "sleep": Command(syntax(1, 1), _sleep),
    "time": Command(syntax(1, None), _time),
}
