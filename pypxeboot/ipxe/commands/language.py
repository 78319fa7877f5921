"""The iPXE commands that make a language of it: settings, comparisons, jumps (core/exec.c, nvo_cmd.c)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Optional

from pypxeboot.effects import ReadClock, Sleep, Steps
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.assign import change_setting, store
from pypxeboot.ipxe.engine.interpreter import run_command
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.options import CommandCall, integer, syntax
from pypxeboot.ipxe.engine.setting_types import Unformattable
from pypxeboot.ipxe.engine.settings import Name, Value
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.text import printable

COMMANDS = CommandTable()

_SHOWN, _LABELS = 80, 500  # letters of a label that are compared, and labels: no work for a hostile script


@COMMANDS.command("set", syntax(1, None, "<setting> <value>"))
def _set(machine: Machine, call: CommandCall) -> Steps[int]:
    return (yield from store(machine, call.args[0], call.rest(1)))


@COMMANDS.command("clear", syntax(1, 1, "<setting>"))
def _clear(machine: Machine, call: CommandCall) -> Steps[int]:
    return (yield from store(machine, call.args[0], None))


@COMMANDS.command("inc", syntax(1, 2, "<setting> [<increment>]"))
def _inc(machine: Machine, call: CommandCall) -> Steps[int]:
    amount = integer(call.args[1]) if len(call.args) > 1 else 1

    def change(name: Name) -> None:
        machine.settings.block(name.block)  # only "set" makes one
        machine.settings.increment(name, amount)

    return (yield from change_setting(machine, call.args[0], change))


@COMMANDS.command("show", syntax(1, 1, "<setting>", "quiet/q+"))
def _show(machine: Machine, call: CommandCall) -> Steps[int]:
    found: list[tuple[Optional[Value], str, str]] = []

    def look(name: Name) -> None:
        found.append((*machine.settings.find(name), name.text))

    status = yield from change_setting(machine, call.args[0], look)
    if status:
        return status
    value, block, name = found[0]
    if value is None or value.type is None:
        return (yield from machine.fail(f'Could not find "{name}"', Status.NO_SUCH_SETTING))
    try:
        shown = value.type.format(value.raw)
    except Unformattable:
        return (yield from machine.fail(f'Could not find "{name}"', Status.NOT_FORMATTABLE))
    where = f"{block}/" if block else ""
    yield from machine.say(shown if call.has("quiet") else f"{where}{name}:{value.type.name} = {shown}")
    return Status.OK


@COMMANDS.command("echo", syntax(0, None, "[...]", "n/n"))
def _echo(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.say(call.rest(), end="" if call.has("n") else "\n")
    return Status.OK


@COMMANDS.command("isset", syntax(1, 1, "<value>"))
def _isset(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from ()
    return Status.OK if call.args[0] else Status.NOT_SET


@COMMANDS.command("iseq", syntax(2, 2, "<value1> <value2>"))
def _iseq(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from ()
    return Status.OK if call.args[0] == call.args[1] else Status.NOT_EQUAL


@COMMANDS.command("goto", syntax(1, 1, "<label>"))
def _goto(machine: Machine, call: CommandCall) -> Steps[int]:
    """Go on at a label; the rest of the line is not run."""
    yield from ()
    if machine.stack.top.jump(call.args[0]):
        return Status.OK
    hint = _hint_of_label(call.args[0], machine.stack.top.script.labels)
    machine.failure.explain(f"there is no label :{call.args[0]}", hint)
    return Status.NO_SUCH_LABEL


def _hint_of_label(wanted: str, labels: Iterable[str]) -> Optional[str]:
    """Return which label was meant, by the looks of it; None if none is near."""
    looks = _alike(wanted)
    for label in islice(labels, _LABELS):
        if _alike(label) == looks:
            return f"is :{printable(label, _SHOWN)} meant? case counts, and - is not _"
    return None


def _alike(label: str) -> str:
    return label[:_SHOWN].lower().replace("-", "_")


@COMMANDS.command("exit", syntax(0, 1, "[<status>]"))
def _exit(machine: Machine, call: CommandCall) -> Steps[int]:
    """End the innermost script, and the rest of its line."""
    yield from ()
    status = integer(call.args[0]) if call.args else Status.OK
    machine.stack.top.end()
    if status:
        machine.failure.explain(f"exit {status}")
    return status


@COMMANDS.command("sleep", syntax(1, 1, "<seconds>"))
def _sleep(machine: Machine, call: CommandCall) -> Steps[int]:
    yield Sleep(float(integer(call.args[0])))
    return Status.OK


@COMMANDS.command("time", syntax(1, None, "<command>"))
def _time(machine: Machine, call: CommandCall) -> Steps[int]:
    """Run a command, and say how long it took."""
    started: int = yield ReadClock()
    machine.quota.enter()
    status = yield from run_command(machine, list(call.args))
    machine.quota.leave()
    ended: int = yield ReadClock()
    yield from machine.say(f"{call.args[0]}: {max(ended - started, 0)}s")
    return status
