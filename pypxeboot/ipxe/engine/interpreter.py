"""How scripts run: lines, commands, images, and images that take the place of others.

``run_image`` is iPXE's image_exec(): scripts run in here, the rest is handed to the ``start`` of the build.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.effects import Log, ReadClock, Steps
from pypxeboot.errors import InternalError, PxeBootError
from pypxeboot.ipxe.engine.images import Image, is_pxelinux, is_syslinux_menu, unfit
from pypxeboot.ipxe.engine.machine import EXPANSION_LIMIT, BootChosen, Machine, MenuFound
from pypxeboot.ipxe.engine.options import BadUsage
from pypxeboot.ipxe.engine.script import Script, commands, innermost, lost_words
from pypxeboot.ipxe.engine.stack import ScriptFrame
from pypxeboot.ipxe.engine.status import Status, error_text
from pypxeboot.text import printable

# The largest public scripts have 100 KiB.
SCRIPT_LIMIT = 1 << 20
_TOLD = 100  # warnings about the lines of scripts, in one boot
_TOLD_UNSET = 4  # settings that a line misses
_CONDITIONS = frozenset({"isset", "iseq", "prompt", "choose"})  # their failure is an answer


def expand(machine: Machine, text: str, unset: list[str]) -> Steps[str]:
    """``text`` with every ``${...}`` replaced: "innermost first, repeated until none is left".

    Names of settings that are not set are added to ``unset``.
    """
    while True:
        parts = innermost(text)
        if parts is None:
            return text
        machine.quota.step()
        before, name, behind = parts
        if "unixtime" in name:
            machine.builtin.unixtime = yield ReadClock()
        value = machine.settings.show(name)
        if value is None and len(unset) < _TOLD_UNSET and name not in unset:
            unset.append(name)
        text = before + (value or "") + behind
        if len(text) > EXPANSION_LIMIT:
            raise machine.quota.error("has a setting that expands without end")


def run_line(machine: Machine, text: str) -> Steps[int]:
    """Run one line; its status. ``||`` and ``&&`` bind alike, left to right."""
    status: int = Status.OK
    skip = False
    for command in commands(text):
        if not skip:
            words: list[str] = []
            unset: list[str] = []
            for word in command.words:
                words.append((yield from expand(machine, word, unset)))
            if sum(map(len, words)) > EXPANSION_LIMIT:
                raise machine.quota.error(f"has a command longer than {EXPANSION_LIMIT >> 10} KiB")
            status = yield from run_command(machine, words, unset)
            if machine.stack.is_line_over:
                break
        skip = (command.operator == "||" and not status) or (command.operator == "&&" and bool(status))
    return status


def run_command(machine: Machine, words: list[str], unset: Sequence[str] = ()) -> Steps[int]:
    """Run one command; "an empty command succeeds". ``unset`` are settings in it that are not set."""
    machine.quota.step()
    if not words:
        return Status.OK
    machine.failure.clear()
    status = yield from _command(machine, words)
    if status:
        machine.builtin.errno = status
        machine.failure.note(f"{words[0]}: {error_text(status)}")
        machine.failure.blame(unset)
        if words[0] not in _CONDITIONS:
            machine.failure.go_on(machine.stack.top.place)
    return status


def _command(machine: Machine, words: list[str]) -> Steps[int]:
    command = machine.build.commands.get(words[0])
    if command is None:
        return (yield from machine.refuse(f"{words[0]}: command not found", Status.NOT_A_COMMAND))
    try:
        return (yield from _guarded(machine, command.run(machine, command.syntax.parse(words))))
    except BadUsage as why:
        return (yield from machine.refuse(why.message, why.status))


def _guarded(machine: Machine, steps: Steps[int]) -> Steps[int]:
    """Run ``steps``, which fail as a command does where something happens that nobody foresaw."""
    try:
        return (yield from steps)
    except (PxeBootError, BadUsage, BootChosen, MenuFound):
        raise
    except Exception as why:
        error = InternalError.of(why)
        yield Log(error.message, warning=True)
        return (yield from machine.refuse(error.message, Status.INVALID))


def is_executable(machine: Machine, image: Image) -> Steps[bool]:
    """Whether the image could be run; says why not."""
    if image.is_script or is_pxelinux(image) or is_syslinux_menu(image):
        return True
    if (yield from image.identify()) is not None:
        return True
    machine.failure.explain(*unfit(image))
    yield Log(printable(machine.failure.words))
    return False


def run_image(machine: Machine, image: Image) -> Steps[int]:
    """Run an image and those that replace it; its status, if it returns."""
    machine.quota.enter()
    after: Optional[Image] = image
    status: int = Status.OK
    while after is not None:
        image, after = after, None
        status = yield from _run_one(machine, image)
        after, image.replacement = image.replacement, None
    machine.quota.leave()
    return status


def _run_one(machine: Machine, image: Image) -> Steps[int]:
    if not machine.images.may_run(image):
        yield Log(f"{printable(image.name)} is not trusted: imgverify has not passed it", warning=True)
        return Status.DENIED
    before = machine.builtin.cwuri
    machine.builtin.cwuri = image.uri
    if image.is_script:
        status = yield from _run_script(machine, image)
    else:
        status = yield from machine.build.start(machine, image)
    if image.autofree:
        yield from machine.images.free(image)
    machine.builtin.cwuri = before
    return status


def _run_script(machine: Machine, image: Image) -> Steps[int]:
    """Run a script. It is no image while it runs, and the last one afterwards."""
    data = yield from image.read(SCRIPT_LIMIT)
    if data is None:
        words = f"{image.name}: a script of more than {SCRIPT_LIMIT >> 20} MiB is none"
        return (yield from machine.refuse(words, Status.NO_SPACE))
    images = machine.images
    selected = images.selected is image
    registered = images.remove(image)
    script = Script.parse(data)
    yield from _tell_lost_words(machine, image, script)
    status = yield from _run_lines(machine, machine.stack.push(image, script))
    machine.stack.pop()
    if registered:
        images.add(image)
        images.selected = image if selected else images.selected
        if image.replacement is not None:
            yield from images.free(image)
    return status


def _tell_lost_words(machine: Machine, image: Image, script: Script) -> Steps[None]:
    """Warn of lines that are not what they look like, of each once in a boot."""
    for number, why in [] if machine.selection.listing else lost_words(script):
        told = f"{printable(image.uri.for_display)}, line {number}: {why}"
        if told not in machine.stack.told and len(machine.stack.told) < _TOLD:
            machine.stack.told.add(told)
            yield Log(told, warning=True)


def _run_lines(machine: Machine, frame: ScriptFrame) -> Steps[int]:
    """Run the lines: "a line whose status is non-zero ends the script with that status"."""
    status: int = Status.OK
    line = frame.advance()
    while line is not None:
        steps = run_line(machine, line.text)
        status = Status.CUT_SHORT if line.cut_short else (yield from _guarded(machine, steps))
        if status:
            machine.failure.locate(frame.place)
        if status or frame.over:
            break
        line = frame.advance()
    return status
