"""The control sequences of a terminal: from terminfo where it knows the name, else those of ANSI X3.64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Optional

from pypxeboot.dataclass import dataclass

# A name, not a path: terminfo is made of files.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+_.-]{0,63}")
# Where terminfo is not installed: all of these understand ANSI X3.64.
_ANSI = re.compile(r"(ansi|cygwin|eterm|foot|konsole|linux|putty|rxvt|screen|tmux|vt[1-5][0-9]{2}|xterm)\b.*")
_PADDING = re.compile(rb"\$<[^>]*>")  # delays for terminals of the seventies

Index = Callable[[int], bytes]


@dataclass(frozen=True)
class Codes:
    """The control sequences of a terminal; empty where it cannot do that."""

    move: Callable[[int, int], bytes]
    clear: bytes  # from the cursor to the end of the screen
    plain: bytes
    attributes: dict[int, bytes]
    """By SGR parameter: bold, underlined, blinking, reversed."""
    hide: bytes = b""  # the cursor
    show: bytes = b""
    enter: bytes = b""
    leave: bytes = b""
    """To the alternate screen, and back."""
    colours: int = 0
    foreground: Index = lambda _number: b""
    background: Index = lambda _number: b""

    def style(self, style: str) -> bytes:
        """Return what gives the following text ``style`` (SGR parameters), as far as the terminal can."""
        found = self.plain
        for number in map(int, style.split(";") if style else ()):
            if number == 0:
                found = self.plain
            elif number in (38, 48):  # of 256 colours or more: no menu asks for them
                break
            else:
                found += self.attributes.get(number, b"") + self._colour(number)
        return found

    def _colour(self, number: int) -> bytes:
        for base, paint in ((30, self.foreground), (40, self.background)):
            if base <= number < base + 8 and self.colours >= 8:
                return paint(number - base)
            if base + 60 <= number < base + 68 and self.colours >= 8:
                return paint(number - base - 60 + (8 if self.colours >= 16 else 0))
        return b""


def load(name: Optional[str]) -> Optional[Codes]:
    """Return the codes of the terminal ``name`` (TERM); None if unknown, or if its cursor cannot be moved."""
    if name is None or not _NAME.fullmatch(name):
        return None
    return _from_terminfo(name) or (_ansi() if _ANSI.fullmatch(name.lower()) else None)


def _from_terminfo(name: str) -> Optional[Codes]:
    """Read terminfo; None if it does not know ``name``, or if the cursor cannot be moved."""
    try:
        import curses

        # The descriptor is for messages and speeds only; what is read is the database.
        curses.setupterm(name, 1)
    except Exception:  # no curses in this Python, or no such terminal: neither is an error
        return None

    def text(capability: str) -> bytes:
        return _PADDING.sub(b"", curses.tigetstr(capability) or b"")

    def index(capability: str) -> Index:
        template = text(capability)
        return lambda number: curses.tparm(template, number)

    place = text("cup")
    if not place or not text("ed") or not text("rev"):  # the last shows what is selected
        return None
    return Codes(
        move=lambda row, column: curses.tparm(place, row, column),
        clear=text("ed"),
        plain=text("sgr0"),
        attributes={1: text("bold"), 4: text("smul"), 5: text("blink"), 7: text("rev")},
        hide=text("civis"),
        show=text("cnorm"),
        enter=text("smcup") if text("rmcup") else b"",
        leave=text("rmcup") if text("smcup") else b"",
        colours=max(curses.tigetnum("colors"), 0) if text("setaf") and text("setab") else 0,
        foreground=index("setaf"),
        background=index("setab"),
    )


def _ansi() -> Codes:
    """Return the codes of a VT100; it has no colours, since nobody said that there are any."""
    return Codes(
        move=lambda row, column: b"\x1b[%d;%dH" % (row + 1, column + 1),
        clear=b"\x1b[J",
        plain=b"\x1b[m",
        attributes={number: b"\x1b[%dm" % number for number in (1, 4, 5, 7)},
    )
