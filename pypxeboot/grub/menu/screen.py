"""A menu of GRUB as somebody at the terminal sees it, with its keys (normal/menu.c, ``run_menu``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Union

from pypxeboot.effects import Print, Steps
from pypxeboot.entry import Reason
from pypxeboot.grub.engine.machine import Grub, MenuEntry
from pypxeboot.grub.menu import drawing, passwords
from pypxeboot.grub.menu.editor import edit
from pypxeboot.grub.menu.prompt import run_prompt
from pypxeboot.picture import Picture
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine
from pypxeboot.text import printable

# GRUB_MENU_PAGE_SIZE
_PAGE = 10
_TEXT = 200
_COUNTDOWN = "The highlighted entry will be executed automatically in {}s."
_MOVES = {
    "up": -1,
    "ctrl-p": -1,
    "^": -1,
    "down": 1,
    "ctrl-n": 1,
    "v": 1,
    "page-up": -_PAGE,
    "ctrl-g": -_PAGE,
    "page-down": _PAGE,
}
_RUNS = line_editor.ENTER | {"right", "ctrl-f"}

Chosen = Optional[tuple[MenuEntry, bool]]
"""An entry that is to run, and whether nobody chose it; None where the menu is left."""


class MenuScreen:
    """A menu while it is shown."""

    def __init__(self, machine: Grub, user: User, entries: Sequence[MenuEntry], nested: bool) -> None:
        self._machine, self._user, self._entries, self._nested = machine, user, entries, nested
        self._titles = [printable(entry.title, _TEXT) for entry in entries]
        self._at = self._first = 0
        self._clock = Clock()

    def choose(self, default: int, seconds: Optional[int]) -> Steps[Chosen]:
        """Show the menu until an entry is chosen, or is not within ``seconds``; None: without end."""
        environment, self._at = self._machine.environment, default
        self._clock = Clock(None if seconds is None else float(seconds))
        style = environment.get("timeout_style")
        if style in ("countdown", "hidden") and seconds is not None:
            key = yield from self._hidden(style)
            if key is None:
                return self._by_itself(default, Reason.TIMEOUT)
            at = self._hotkey(key)
            if at is not None:
                return self._chosen(at)
        while True:
            if self._user.terminal.dumb:
                found = yield from self._ask_number()
            else:
                found = yield from self._user.key(self._clock, self._picture)
            if isinstance(found, WaitEnded):
                reason = Reason.TIMEOUT if found is WaitEnded.TIMEOUT else Reason.WAITS_FOREVER
                return self._by_itself(default if found is WaitEnded.TIMEOUT else self._at, reason)
            self._clock = Clock()  # "unset timeout, unset fallback": somebody is there
            environment.unset("timeout")
            environment.unset("fallback")
            self._machine.budget.refresh()
            if found in _RUNS:
                return self._chosen(self._at)
            if found == "escape" and self._nested:
                if (yield from passwords.authenticate(self._machine, None)):
                    return None
            elif found in ("c", "e"):
                edited = yield from (self._command_line() if found == "c" else self._edit())
                if edited is not None:
                    self._machine.selection.reason = Reason.CHOSEN
                    return edited, False
            elif not self._move(found):
                at = self._hotkey(found)
                if at is not None:
                    return self._chosen(at)

    def _chosen(self, at: int) -> Chosen:
        self._machine.selection.reason = Reason.CHOSEN
        return self._entries[at], False

    def _by_itself(self, at: int, reason: Reason) -> Chosen:
        self._machine.environment.unset("timeout")
        self._machine.selection.reason = reason
        return self._entries[at], True

    def _hidden(self, style: str) -> Steps[Optional[str]]:
        """Wait without a menu for Escape, or the hotkey of an entry: the key that came; None if none did."""
        shown = -1
        while True:
            left = int((self._clock.left or 0) + 0.999)
            if style == "countdown" and left != shown and not self._user.terminal.dumb:
                yield Print(("\b" * len(str(shown)) if shown >= 0 else "") + f"{left} \b")
                shown = left
            clock = Clock(min(1.0, self._clock.left or 0.0)) if style == "countdown" else self._clock
            found = yield from self._user.key(clock)
            if isinstance(found, WaitEnded):
                if style == "hidden" or self._clock.left is None or self._clock.left <= 1.0:
                    return None
                self._clock.left -= 1.0
                continue
            if found == "escape" or self._hotkey(found) is not None:
                self._clock = Clock()
                return found

    def _move(self, key: str) -> bool:
        last = len(self._entries) - 1
        if key in _MOVES:
            self._at = min(max(self._at + _MOVES[key], 0), last)
        elif key in ("home", "ctrl-a"):
            self._at = 0
        elif key in ("end", "ctrl-e"):
            self._at = last
        else:
            return False
        return True

    def _hotkey(self, key: str) -> Optional[int]:
        """Return the index of the entry with that hotkey: a character, or a key by its name."""
        return next((at for at, entry in enumerate(self._entries) if _is_hotkey(entry.hotkey, key)), None)

    def _picture(self) -> Picture:
        terminal = self._user.terminal
        rows = drawing.page_rows(terminal, self._nested)
        self._first = min(max(self._first, self._at - rows + 1), self._at)
        left = self._clock.left
        countdown = "" if left is None else _COUNTDOWN.format(int(left + 0.999))
        return drawing.draw_menu(
            self._titles,
            self._at,
            self._first,
            terminal,
            nested=self._nested,
            countdown=countdown,
            colours=colours(self._machine, self._user),
        )

    def _command_line(self) -> Steps[Optional[MenuEntry]]:
        if (yield from passwords.authenticate(self._machine, None)):
            yield from run_prompt(self._machine, self._user, nested=True)
        return None

    def _edit(self) -> Steps[Optional[MenuEntry]]:
        if not (yield from passwords.authenticate(self._machine, None)):
            return None
        return (yield from edit(self._machine, self._user, self._entries[self._at]))

    def _ask_number(self) -> Steps[Union[str, WaitEnded]]:
        """Print a numbered list, and ask for a line: for a terminal whose cursor cannot be moved."""
        for number, title in enumerate(self._titles):
            yield Print(f"{'*' if number == self._at else ' '} {number:3}. {title}\n")
        yield Print("Number: ")
        stops = line_editor.ENTER | line_editor.CANCEL
        line, key = yield from line_editor.edit_line(self._user, self._clock, EditLine("", 0), stops)
        yield Print("\n")
        if isinstance(key, WaitEnded) or key in line_editor.CANCEL:
            return "escape" if isinstance(key, str) else key
        text = line.text.strip()
        if text.isascii() and text.isdecimal() and int(text[:9]) < len(self._entries):
            self._at = int(text)
            return "enter"
        return text[:1] if text else "enter"


def colours(machine: Grub, user: User) -> drawing.Colours:
    """Return the colours that the configuration asks for, as far as the terminal has any."""
    if not user.terminal.colours:
        return drawing.Colours()
    environment = machine.environment
    normal = drawing.sgr(environment.get("color_normal") or "")
    entry = drawing.sgr(environment.get("menu_color_normal") or "") or normal
    return drawing.Colours(normal, entry, drawing.sgr(environment.get("menu_color_highlight") or "") or "7")


_NAMED = frozenset(("backspace", "tab", "delete", "insert", *(f"f{number}" for number in range(1, 13))))


def _is_hotkey(hotkey: str, key: str) -> bool:
    return bool(hotkey) and key == (hotkey if hotkey in _NAMED else hotkey[0])
