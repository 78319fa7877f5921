"""GRUB's command line, ``grub>``, for somebody at a terminal (normal/main.c, ``grub_cmdline_run``)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Print, Steps
from pypxeboot.grub.engine import interpreter
from pypxeboot.grub.engine.machine import Grub
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine

_PROMPT, _CONTINUED = "grub> ", "> "
_LISTED = 60
_LONGEST = 64 << 10
_OLDER, _NEWER = ("up", "ctrl-p"), ("down", "ctrl-n")
_STOPS = line_editor.ENTER | line_editor.CANCEL | {"tab", *_OLDER, *_NEWER}
_INTRODUCTION = "Minimal line editing is supported. For the first word, TAB lists possible commands."


def run_prompt(machine: Grub, user: User, *, nested: bool) -> Steps[None]:
    """Run what is typed, until Escape leaves it (``nested``), or nobody types any more.

    A construct or a quotation goes on in the lines that follow ("grub_script_parse" asks for them).
    """
    yield Print(f"{_INTRODUCTION}{' ESC at any time exits.' if nested else ''}\n\n")
    history: list[str] = []
    while True:
        text = yield from _line(machine, user, history, _PROMPT)
        if text is None:
            if nested or not user.present:
                return
            continue
        while len(text) < _LONGEST and interpreter.is_unfinished(text):
            more = yield from _line(machine, user, history, _CONTINUED)
            if more is None:
                break
            text += f"\n{more}"
        machine.budget.refresh()
        yield from interpreter.run_source(machine, text, is_file=True)
        if user.patience is not None and not user.present:
            return


def _line(machine: Grub, user: User, history: list[str], prompt: str) -> Steps[Optional[str]]:
    """Have a line typed; None where Escape ends it, or nobody types."""
    line, at = EditLine("", 0), len(history)
    yield Print(prompt)
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
            if line.text.strip():
                history.append(line.text)
            return line.text
        if key == "tab":
            line = yield from _complete(machine, line, prompt)
            continue
        at = min(max(at + (-1 if key in _OLDER else 1), 0), len(history))
        new = history[at] if at < len(history) else ""
        replaced = EditLine(new, len(new))
        yield Print(line_editor.echo(line, replaced))
        line = replaced


def _complete(machine: Grub, line: EditLine, prompt: str) -> Steps[EditLine]:
    """Complete the first word, as the name of a command (normal/completion.c); the line as it is then.

    Names of functions are none, and the network has no files to list.
    """
    typed = line.text[: line.cursor].lstrip(" ")
    if " " in typed:
        return line
    names = [
        name
        for name in sorted(machine.commands)
        if name.startswith(typed) and (machine.platform == "efi" or not name.endswith("efi"))
    ]
    if not names:
        return line
    first, last = names[0], names[-1]  # what these share, all between them share
    shared = next((at for at, char in enumerate(first) if last[at : at + 1] != char), len(first))
    rest = first[len(typed) : shared] + (" " if len(names) == 1 else "")
    at = line.cursor
    completed = EditLine(line.text[:at] + rest + line.text[at:], at + len(rest))
    if len(names) == 1:
        yield Print(line_editor.echo(line, completed))
    else:
        listed = f"\nPossible commands are:\n\n {' '.join(names[:_LISTED])}\n"
        yield Print(f"{listed}{prompt}{line_editor.echo(EditLine('', 0), completed)}")
    return completed
