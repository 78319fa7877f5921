"""Edits the script of a menu entry before it runs (normal/menu_entry.c)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import replace
from pypxeboot.effects import Print, Steps
from pypxeboot.grub.engine.machine import Grub, MenuEntry
from pypxeboot.grub.menu import drawing
from pypxeboot.grub.menu.prompt import run_prompt
from pypxeboot.picture import Picture
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine

_BOOTS = frozenset({"ctrl-x", "f10"})
_LINES = 2000


class _Editor:
    """The lines of a script, and where the cursor is in them."""

    def __init__(self, source: str, user: User) -> None:
        self.lines = source.rstrip("\n").split("\n")
        self._user = user
        self._row = self._column = self._first = 0

    @property
    def source(self) -> str:
        return "\n".join(self.lines) + "\n"

    def picture(self) -> Picture:
        terminal = self._user.terminal
        rows = drawing.editor_rows(terminal)
        self._first = min(max(self._first, self._row - rows + 1), self._row)
        return drawing.draw_editor(
            self.lines, self._row, self._column, self._first, terminal, drawing.Colours()
        )

    def press(self, key: str) -> None:
        """Do what a key does: it moves, or edits the line under the cursor, which may become two, or join."""
        line = self.lines[self._row]
        if key in ("up", "ctrl-p"):
            self._go(self._row - 1, self._column)
        elif key in ("down", "ctrl-n"):
            self._go(self._row + 1, self._column)
        elif key in line_editor.ENTER and len(self.lines) < _LINES:
            self.lines[self._row : self._row + 1] = [line[: self._column], line[self._column :]]
            self._go(self._row + 1, 0)
        elif key == "backspace" and not self._column and self._row:
            before = self.lines[self._row - 1]
            self.lines[self._row - 1 : self._row + 1] = [before + line]
            self._go(self._row - 1, len(before))
        elif key in ("delete", "ctrl-d") and self._column == len(line) and self._row + 1 < len(self.lines):
            self.lines[self._row : self._row + 2] = [line + self.lines[self._row + 1]]
        else:
            new = line_editor.apply_key(EditLine(line, self._column), key)
            self.lines[self._row], self._column = new.text, new.cursor

    def _go(self, row: int, column: int) -> None:
        self._row = min(max(row, 0), len(self.lines) - 1)
        self._column = min(column, len(self.lines[self._row]))


def edit(machine: Grub, user: User, entry: MenuEntry) -> Steps[Optional[MenuEntry]]:
    """Have an entry edited: what it is then, None if it is not to run."""
    if user.terminal.dumb:
        yield Print("A terminal whose cursor cannot be moved has no editor: c is a command line.\n")
        return None
    editor = _Editor(entry.source, user)
    while True:
        key = yield from user.key(Clock(), editor.picture)
        if isinstance(key, WaitEnded) or key == "escape":
            return None
        if key in _BOOTS:
            return replace(entry, source=editor.source, users=None)
        if key == "f2":
            yield from run_prompt(machine, user, nested=True)
        else:
            editor.press(key)
