"""iPXE's menus, forms, prompts and command line, as the user at a terminal sees them.

The rules are those of hci/tui/menu_ui.c and usr/prompt.c. Where the real one waits for ever, ``patience``
(--menu-timeout) ends the wait.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.effects import Print, Show, Steps
from pypxeboot.picture import Picture
from pypxeboot.terminal import line_editor, menu_drawing
from pypxeboot.terminal.forms import Dialog, plain
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine, Layout, MenuItem, View

_CANCELED = line_editor.CANCEL
_STOPS = line_editor.ENTER | line_editor.CANCEL
# Rows that a menu needs around its items: the box with the title above, the countdown below.
_AROUND = 8
_TEXT_LIMIT = 200
# What iPXE's terminal sends for keys that have names here.
_CODES = {"enter": 0x0D, "escape": 0x1B, "tab": 0x09, "backspace": 0x08, "delete": 0x7F}

Answer = Union[str, WaitEnded, None]
"""What the user typed or chose; why the wait ended without; or None if it was canceled."""


def code(key: str) -> int:
    """Return the code that iPXE has for a key of :class:`~pypxeboot.picture.KeyPress`, 0 if it has none."""
    if len(key) == 1:
        return ord(key)
    if key.startswith("ctrl-"):
        return ord(key[5]) - ord("a") + 1
    return _CODES.get(key, 0)


class MenuDialog:
    """A menu while it is shown, with the cursor on item ``at`` at first.

    ``retimeout`` is the timeout in seconds after each key, None for none.
    """

    def __init__(self, user: User, dialog: Dialog, at: int, retimeout: Optional[float]) -> None:
        self._user, self._dialog, self._retimeout = user, dialog, retimeout
        self._at = at
        self._items = tuple(
            MenuItem(plain(item.text, _TEXT_LIMIT), selectable=bool(item.name)) for item in dialog.items
        )

    @property
    def name(self) -> str:
        """The name of the item under the cursor."""
        return self._dialog.items[self._at].name or ""

    def choose(self, seconds: Optional[float]) -> Steps[Answer]:
        """Let the user choose, within ``seconds`` to the first key; None: without end.

        Reply: the name of an item; or why nobody chose one, and then :attr:`name` is what Enter would take.
        """
        clock = Clock(seconds)
        while True:
            if self._user.terminal.dumb:
                key = yield from self._type_number(clock)
            else:
                key = yield from self._user.key(clock, functools.partial(self._picture, clock))
            if isinstance(key, WaitEnded):
                return key
            clock = Clock(self._retimeout)  # "any key stops it (sets --retimeout)"
            if key in _CANCELED:
                return None
            if key in line_editor.ENTER or self._shortcut(key):
                return self.name
            self._move(key)

    def _shortcut(self, key: str) -> bool:
        """Move to the item with the shortcut ``key``, and say whether that chooses it.

        An item without a name is a heading, and cannot be chosen.
        """
        index = self._dialog.shortcut(code(key))
        if index is None:
            return False
        self._at = index
        if self._dialog.items[index].name:
            return True
        self._step(1, 1)
        return False

    def _move(self, key: str) -> None:
        page = self._rows()
        moves = {"up": -1, "down": 1, "page-up": -page, "page-down": page}
        if key in moves:
            self._step(moves[key], 1 if moves[key] > 0 else -1)
        elif key == "home":
            self._at = 0
            self._step(0, 1)
        elif key == "end":
            self._at = len(self._items) - 1
            self._step(0, -1)

    def _step(self, by: int, direction: int) -> None:
        """Move the cursor ``by`` items, then in ``direction`` to one that can be chosen; at an end, back."""
        last = len(self._items) - 1
        at = min(max(self._at + by, 0), last)
        for way in (direction, -direction):
            found = at
            while 0 <= found <= last and not self._items[found].selectable:
                found += way
            if 0 <= found <= last:
                self._at = found
                return

    def _rows(self) -> int:
        return max(min(len(self._items), self._user.terminal.rows - _AROUND), 1)

    def _view(self, clock: Clock) -> View:
        left = clock.left
        rows = self._rows()
        return View(
            title=plain(self._dialog.title, _TEXT_LIMIT),
            items=self._items,
            selected=self._at,
            countdown="" if left is None else f"Automatic choice in {int(left + 0.999)} seconds",
            layout=Layout(margin=1, rows=rows, tab_row=rows + 6, timeout_row=rows + 7),
        )

    def _picture(self, clock: Clock) -> Picture:
        return menu_drawing.draw(self._view(clock), self._user.terminal)

    def _type_number(self, clock: Clock) -> Steps[Union[str, WaitEnded]]:
        """Have the number of an item typed, on a terminal whose cursor cannot be moved.

        Reply: the key that does what was typed.
        """
        yield Print(menu_drawing.lines(self._view(clock)))
        line, key = yield from line_editor.edit_line(self._user, clock, EditLine("", 0), _STOPS)
        yield Print("\n")
        text = line.text.strip()
        if isinstance(key, WaitEnded) or key in _CANCELED or not text:
            return key
        if text.isascii() and text.isdecimal() and len(text) < 7 and 0 < int(text) <= len(self._items):
            self._at = int(text) - 1
            return "enter" if self._items[self._at].selectable else "down"
        return text if len(text) == 1 else "resize"  # a shortcut, or nothing: the list once more


def wait(user: User, text: str, seconds: Optional[float]) -> Steps[Union[str, WaitEnded]]:
    """Show ``text`` until a key is pressed."""
    shown = plain(text, _TEXT_LIMIT)
    yield Print(shown)
    key = yield from user.key(Clock(seconds))
    yield Print("\b \b" * len(shown) if not user.terminal.dumb else "\n")
    return key


def ask(
    user: User, prompt: str, start: str = "", *, seconds: Optional[float] = None, mask: bool = False
) -> Steps[Answer]:
    """Have a line typed behind ``prompt``; it begins as ``start``. With ``mask`` stars are shown."""
    yield Print(plain(prompt, _TEXT_LIMIT))
    start = start if start.isprintable() else ""
    line = EditLine(start, len(start))
    yield Print(line_editor.echo(EditLine("", 0), line_editor.mask(line) if mask else line))
    line, key = yield from line_editor.edit_line(user, Clock(seconds), line, _STOPS, hidden=mask)
    yield Print("\n")
    if isinstance(key, WaitEnded):
        return key
    return None if key in _CANCELED else line.text


def fill_in(
    user: User, dialog: Dialog, value: Callable[[str], str], store: Callable[[str, str], Steps[int]]
) -> Steps[Answer]:
    """Have a form filled in, line by line; an answer that cannot be stored is asked for again.

    ``value`` gives what an item (by its name) is so far; ``store`` stores an answer, and ends with 0 or with
    the number of an error.
    """
    yield Print(f"{plain(dialog.title, _TEXT_LIMIT)}\n")
    for item in dialog.items:
        if not item.name:
            yield Print(f"{plain(item.text, _TEXT_LIMIT)}\n")
            continue
        while True:
            answer = yield from ask(user, f"{item.text}: ", value(item.name), mask=item.secret)
            if not isinstance(answer, str):
                return answer
            if not (yield from store(item.name, answer)):
                break
    return ""


def clear(user: User) -> Steps[None]:
    """Take the menu away: lines follow."""
    if not user.terminal.dumb:
        yield Show(Picture(()), 0)
