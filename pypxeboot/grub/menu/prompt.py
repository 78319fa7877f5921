"""GRUB's command line, ``grub>``, for somebody at a terminal (normal/main.c, ``grub_cmdline_run``)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Print, Steps
from pypxeboot.grub.engine import interpreter
from pypxeboot.grub.engine.machine import Grub
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine

_PROMPT = "grub> "
_LISTED = 60
_OLDER, _NEWER = ("up", "ctrl-p"), ("down", "ctrl-n")
_STOPS = line_editor.ENTER | line_editor.CANCEL | {"tab", *_OLDER, *_NEWER}
_INTRODUCTION = "Minimal line editing is supported. For the first word, TAB lists possible commands."


def run_prompt(machine: Grub, user: User, *, nested: bool) -> Steps[None]:
    """Run what is typed, line by line, until Escape leaves it (``nested``), or nobody types any more."""
    yield Print(f"{_INTRODUCTION}{' ESC at any time exits.' if nested else ''}\n\n")
    history: list[str] = []
    while True:
        text = yield from _line(machine, user, history)
        if text is None:
            if nested or not user.present:
                return
            continue
        if text.strip():
            history.append(text)
        machine.budget.refresh()
        yield from interpreter.run_source(machine, text, is_file=True)
        if user.patience is not None and not user.present:
            return


def _line(machine: Grub, user: User, history: list[str]) -> Steps[Optional[str]]:
    """Have a line typed; None where Escape ends it, or nobody types."""
    line, at = EditLine("", 0), len(history)
    yield Print(_PROMPT)
    while True:
        line, key = yield from line_editor.edit_line(user, Clock(), line, _STOPS)
        if isinstance(key, WaitEnded):
            user.present = False
            yield Print("\n")
            return None
        if key in line_editor.CANCEL:
            yield Print("\n")
            return None
        if key in line_editor.ENTER:
            yield Print("\n")
            return line.text
        if key == "tab":
            names = [
                name for name in sorted({*machine.commands, *machine.functions}) if name.startswith(line.text)
            ]
            shown = " ".join(names[:_LISTED])
            yield Print(f"\n{shown}\n{_PROMPT}{line_editor.echo(EditLine('', 0), line)}")
            continue
        at = min(max(at + (-1 if key in _OLDER else 1), 0), len(history))
        new = history[at] if at < len(history) else ""
        replaced = EditLine(new, len(new))
        yield Print(line_editor.echo(line, replaced))
        line = replaced
