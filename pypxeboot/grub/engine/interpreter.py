"""Runs scripts: statements, functions, loops (script/execute.c).

Everything is a generator over effects, and ends with a status, which ``$?`` shows then.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Steps
from pypxeboot.errors import InternalError, PxeBootError, joined_hints
from pypxeboot.grub.engine import mistakes
from pypxeboot.grub.engine.expansion import expand, is_positional
from pypxeboot.grub.engine.lexer import BadSyntax, Lexer, Unfinished
from pypxeboot.grub.engine.machine import BootEnds, Call, Grub, Left, Listed, MenuEntry, Origin, Scope
from pypxeboot.grub.engine.status import CommandError, ErrorNumber
from pypxeboot.grub.engine.syntax import Commands, For, GrubCommand, If, Statement, While, Word, parse
from pypxeboot.text import printable
from pypxeboot.url import Location


def run_source(
    machine: Grub, source: str, *, is_file: bool = False, place: Optional[Location] = None
) -> Steps[int]:
    """Run a script, statement by statement; its status.

    In a file, which is at ``place``, what is no statement is passed over; anything else ends there
    ("execute_sourcecode").
    """
    before = machine.origin
    machine.budget.source(len(source))
    lexer = Lexer(source, comments=is_file)
    status: int = ErrorNumber.NONE
    machine.budget.enter()
    while lexer.begin():
        machine.budget.step()
        if place is not None:
            machine.origin = Origin(place, lexer.line)
        try:
            commands = parse(lexer, lambda name, body: _define(machine, name, body))
        except BadSyntax as why:
            what = str(why) if str(why).strip() else "a line ends too early"
            begun = f", in what begins at line {lexer.line}" if is_file else ""
            hint = mistakes.of_syntax(why)
            yield from machine.fail("syntax error", what + begun, warning=place is not None, hint=hint)
            status = ErrorNumber.INVALID_COMMAND
            if not is_file:
                break
            continue
        except CommandError as why:
            yield from machine.fail("", why.words)
            continue
        status = yield from run_commands(machine, commands)
    machine.budget.leave()
    machine.origin = before
    return status


def is_unfinished(source: str) -> bool:
    """Whether lines have to follow before ``source`` is a script."""
    lexer = Lexer(source)
    try:
        while lexer.begin():
            parse(lexer, lambda name, body: None)
    except BadSyntax as why:
        return isinstance(why, Unfinished)
    return False


def run_entry(machine: Grub, entry: MenuEntry) -> Steps[int]:
    """Run the script of a menu entry; its status."""
    before, machine.scope = machine.scope, Scope(list(entry.arguments))
    status = yield from run_source(machine, entry.source)
    machine.scope = before
    return status


def _define(machine: Grub, name: str, body: Commands) -> None:
    if name in machine.running:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "attempt to redefine a function being executed")
    machine.functions[name] = body


def run_commands(machine: Grub, commands: Commands) -> Steps[int]:
    """Run commands one after the other; the status of the last."""
    status: int = ErrorNumber.NONE
    for item in commands.items:
        if machine.loops.leaving:
            break
        status = yield from _run(machine, item)
        if machine.loops.returns:
            break
    return status


def _run(machine: Grub, item: Statement) -> Steps[int]:
    if isinstance(item, GrubCommand):
        status = yield from _command(machine, item)
    else:
        machine.budget.enter()
        if isinstance(item, If):
            status = yield from _if(machine, item)
        elif isinstance(item, For):
            status = yield from _for(machine, item)
        else:
            status = yield from _while(machine, item)
        machine.budget.leave()
    machine.environment.set("?", str(int(status)))
    return status


def _part(machine: Grub, commands: Commands) -> Steps[int]:
    """Run the commands of a construct, which are a statement to GRUB."""
    status = yield from run_commands(machine, commands)
    machine.environment.set("?", str(int(status)))
    return status


def _if(machine: Grub, item: If) -> Steps[int]:
    while True:
        status = yield from _part(machine, item.condition)
        if machine.loops.returns:
            return status
        if machine.environment.get("?") == "0":
            return (yield from _part(machine, item.then))
        if item.otherwise is None:
            return ErrorNumber.NONE
        if isinstance(item.otherwise, Commands):
            return (yield from _part(machine, item.otherwise))
        item = item.otherwise


def _for(machine: Grub, item: For) -> Steps[int]:
    loops, status = machine.loops, 0
    loops.running += 1
    for value in _expand(machine, item.values):
        machine.budget.step()
        if loops.continues and loops.leaving == 1:
            loops.leaving = 0
        if not loops.leaving:
            machine.environment.set(item.name, value)
            status = yield from _part(machine, item.body)
            if loops.returns:
                break
    _leave_loop(machine)
    return status


def _while(machine: Grub, item: While) -> Steps[int]:
    loops, runs = machine.loops, True
    loops.running += 1
    while runs:
        machine.budget.step()
        status = yield from _part(machine, item.condition)
        runs = not loops.returns and bool(status) is item.until
        if runs:
            status = yield from _part(machine, item.body)
            runs = _goes_on(machine)
    _leave_loop(machine)
    return status


def _goes_on(machine: Grub) -> bool:
    """Whether a loop begins once more behind its body."""
    loops = machine.loops
    if not loops.returns and loops.leaving == 1 and loops.continues:
        loops.leaving = 0
    return not loops.returns and not loops.leaving


def _leave_loop(machine: Grub) -> None:
    machine.loops.leaving = max(machine.loops.leaving - 1, 0)
    machine.loops.running -= 1


def _expand(machine: Grub, words: tuple[Word, ...]) -> list[str]:
    arguments = None if machine.scope is None else machine.scope.arguments
    return expand(words, machine.environment, arguments, machine.budget)


def _unset(machine: Grub, words: tuple[Word, ...]) -> Optional[str]:
    """Return the hint that ``words`` use variables that are not set, None if they use none."""
    used = {text for word in words for kind, text in word if kind in ("var", "quoted-var")}
    names = [name for name in sorted(used) if not is_positional(name) and not machine.environment.get(name)]
    return (
        f"{', '.join(f'${name}' for name in names[:4])} is not set, and stands for nothing" if names else None
    )


def _command(machine: Grub, item: GrubCommand) -> Steps[int]:
    machine.budget.step()
    words = _expand(machine, item.words)
    if not words:
        return ErrorNumber.NONE
    inverted = words[0] == "!"
    if inverted:
        words = words[1:]
        if not words:
            yield from machine.fail("!", "no command is specified")
            return ErrorNumber.BAD_ARGUMENT
    name, arguments = words[0], words[1:]
    before, machine.last_command = machine.last_command, name
    try:
        if name in machine.commands:
            status = yield from _guarded(machine, Call(name, arguments, item.has_block))
        elif name in machine.functions:
            status = yield from _function(machine, name, arguments)
        else:
            return (yield from _assign(machine, name, before if item.glued else ""))
    except CommandError as why:
        status = why.status
        if inverted and status is not ErrorNumber.TEST_FAILURE:
            yield from machine.fail(name, why.words)
            return ErrorNumber.NONE
        if why.words and not inverted:
            hint = joined_hints(_unset(machine, item.words), why.hint)
            yield from machine.fail(name, why.words, hint=hint, unreached=why.unreached)
    if inverted:
        status = ErrorNumber.TEST_FAILURE if not status else ErrorNumber.NONE
    return status


def _guarded(machine: Grub, call: Call) -> Steps[int]:
    """Run a command, which fails as it can fail where something happens that nobody foresaw."""
    try:
        return (yield from machine.commands[call.name](machine, call))
    except (PxeBootError, CommandError, BootEnds, Listed, Left):
        raise
    except Exception as why:
        yield from machine.fail(call.name, InternalError.of(why).message, warning=True)
        return ErrorNumber.INVALID_COMMAND


def _function(machine: Grub, name: str, arguments: list[str]) -> Steps[int]:
    before, machine.scope = machine.scope, Scope(arguments)
    running, machine.loops.running = machine.loops.running, 0
    machine.running.append(name)
    machine.budget.enter()
    status = yield from _part(machine, machine.functions[name])
    machine.budget.leave()
    machine.running.pop()
    machine.loops.returns = False
    machine.loops.running = running
    machine.scope = before
    return status


def _assign(machine: Grub, word: str, before: str) -> Steps[int]:
    """Take a word that is no command for an assignment; if it is none, say so and go on, as GRUB does.

    ``before``: the command that it is glued to by a ``;``.
    """
    name, sign, value = word.partition("=")
    if not sign:
        hint = mistakes.of_command(word)
        yield from machine.fail("", f"can't find command `{word[:20]}'", warning=True, hint=hint)
    elif is_positional(name):
        yield from machine.fail("", f"invalid variable name `{name}'")
    else:
        lost = mistakes.lost_assignment(before, printable(word, 80))
        if lost is not None:
            yield from machine.warn(f"{lost} ({machine.where})")
        machine.environment.set(name, value)
    return ErrorNumber.NONE
