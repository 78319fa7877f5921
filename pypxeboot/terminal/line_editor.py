"""Edits a line as it is typed: what each key makes of it, and how the terminal shows the difference."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.effects import Print, Steps
from pypxeboot.picture import Picture
from pypxeboot.terminal.input import Clock, User, WaitEnded, nothing
from pypxeboot.terminal.menu_view import EditLine
from pypxeboot.text import SPACE

ENTER = frozenset({"enter", "ctrl-j"})
CANCEL = frozenset({"escape", "ctrl-c"})

# MAX_CMDLINE_LEN is 2048 with the NUL (com32/menu/menu.h).
LIMIT = 2047


def apply_key(line: EditLine, key: str) -> EditLine:
    """Return ``line`` after ``key``; unchanged if the key does not edit."""
    text, at = line.text, line.cursor
    if len(key) == 1:
        return line if len(text) >= LIMIT else EditLine(text[:at] + key + text[at:], at + 1)
    if key == "backspace":
        return EditLine(text[: max(0, at - 1)] + text[at:], max(0, at - 1))
    if key in ("delete", "ctrl-d"):
        return EditLine(text[:at] + text[at + 1 :], at)
    if key == "ctrl-u":
        return EditLine("", 0)
    if key == "ctrl-k":
        return EditLine(text[:at], at)
    if key == "ctrl-w":
        start = _word_start(text, at)
        return EditLine(text[:start] + text[at:], start)
    moves = {
        "left": at - 1,
        "ctrl-b": at - 1,
        "right": at + 1,
        "ctrl-f": at + 1,
        "home": 0,
        "ctrl-a": 0,
        "end": len(text),
        "ctrl-e": len(text),
    }
    return EditLine(text, max(0, min(moves.get(key, at), len(text))))


def _word_start(text: str, at: int) -> int:
    while at and text[at - 1] in SPACE:
        at -= 1
    while at and text[at - 1] not in SPACE:
        at -= 1
    return at


def echo(old: EditLine, new: EditLine) -> str:
    """Return what to write where ``old`` stands on the terminal, so that ``new`` stands there."""
    same = 0
    while same < min(len(old.text), len(new.text)) and old.text[same] == new.text[same]:
        same += 1
    if old.text == new.text:
        same = new.cursor
    start = "\b" * (old.cursor - same) + old.text[old.cursor : same]
    if old.text == new.text:
        return start
    tail = new.text[same:]
    blanks = max(0, len(old.text) - len(new.text))
    return start + tail + " " * blanks + "\b" * (blanks + len(new.text) - new.cursor)


def edit_line(
    user: User,
    clock: Clock,
    line: EditLine,
    stops: frozenset[str],
    paint: Optional[Callable[[EditLine], Picture]] = None,
    hidden: bool = False,
) -> Steps[tuple[EditLine, Union[str, WaitEnded]]]:
    """Let the user edit ``line`` until a key of ``stops`` is pressed, or the time is over.

    Reply: the line, and what ended it. The line is shown by the picture that ``paint`` makes of it; without,
    where the terminal's cursor stands, and with ``hidden`` as stars. The first key ends TIMEOUT.
    """
    while True:
        key = yield from user.key(clock, nothing if paint is None else functools.partial(paint, line))
        clock.cancel()
        if isinstance(key, WaitEnded) or key in stops:
            return line, key
        before, line = line, apply_key(line, key)
        if paint is None and line != before:
            yield Print(echo(mask(before), mask(line)) if hidden else echo(before, line))


def mask(line: EditLine) -> EditLine:
    """Return ``line`` with a star for each character, as a password is shown."""
    return EditLine("*" * len(line.text), line.cursor)
