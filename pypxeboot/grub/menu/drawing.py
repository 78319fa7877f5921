"""Draws GRUB's menu and its editor as pictures, the way its text terminal shows them (normal/menu_text.c)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pypxeboot.dataclass import dataclass
from pypxeboot.picture import Picture, Row, Span, Terminal
from pypxeboot.terminal.cells import cells, fit

TITLE = "GNU GRUB"
_MARGIN = 6
_KEYS = "Use the ↑ and ↓ keys to select which entry is highlighted."
_HELP = (
    "Press enter to boot the selected OS, `e' to edit the commands before booting or `c' for a command-line."
)
_NESTED = " ESC to return previous menu."
_EDITING = (
    "Minimum Emacs-like screen editing is supported. Press Ctrl-x or F10 to boot, F2 for a command-line or "
    "ESC to discard edits and return to the GRUB menu."
)
_COLOURS = "black blue green cyan red magenta brown light-gray".split()
_BRIGHT = "dark-gray light-blue light-green light-cyan light-red light-magenta yellow white".split()
# What SGR calls the colours of the PC, in their order.
_SGR = (0, 4, 2, 6, 1, 5, 3, 7)


@dataclass(frozen=True)
class Colours:
    """SGR parameters of the text around the menu, of its entries, and of the one that is highlighted."""

    normal: str = ""
    entry: str = ""
    highlight: str = "7"


@dataclass(frozen=True)
class _Frame:
    """Where the parts of the screen are: ``left`` is the column of the border, ``top`` its row."""

    left: int
    top: int
    width: int
    rows: int
    message: tuple[str, ...]


def sgr(pair: str) -> str:
    """Return the SGR parameters of ``foreground/background``, empty for what is none; black is no colour."""
    foreground, _, background = pair.partition("/")
    found = []
    if foreground in _COLOURS:
        found.append(str(30 + _SGR[_COLOURS.index(foreground)]))
    elif foreground in _BRIGHT:
        found.append(f"1;{30 + _SGR[_BRIGHT.index(foreground)]}")
    else:
        return ""
    if background in _COLOURS[1:]:
        found.append(str(40 + _SGR[_COLOURS.index(background)]))
    elif background and background != "black":
        return ""
    return ";".join(found)


def page_rows(terminal: Terminal, nested: bool) -> int:
    """Return how many entries a menu shows at a time."""
    return _frame(terminal, _message(nested)).rows


def _message(nested: bool) -> tuple[str, str]:
    return _KEYS, _HELP + (_NESTED if nested else "")


def _frame(terminal: Terminal, texts: Sequence[str]) -> _Frame:
    """Lay the screen out; on a small one the message goes first, then the title and the empty rows."""
    width = max(terminal.columns - 2, 4)
    message = [
        line for text in texts for line in textwrap.wrap(text, max(terminal.columns - 2 * _MARGIN, 20))
    ]
    rows = terminal.rows - 9 - len(message)
    if rows >= 3:
        return _Frame(1, 3, width, rows, tuple(message))
    rows = max(terminal.rows - 4, 1)
    return _Frame(1, 0, width, rows, ())


def draw_menu(
    titles: Sequence[str],
    selected: int,
    first: int,
    terminal: Terminal,
    *,
    nested: bool,
    countdown: str,
    colours: Colours,
) -> Picture:
    """Draw a menu whose first visible entry is ``first``, with ``countdown`` below it."""
    frame = _frame(terminal, _message(nested))
    lines = []
    for row in range(frame.rows):
        at = first + row
        text = cells(titles[at]) if at < len(titles) else []
        marked = ["*" if at == selected else " ", *text]
        style = colours.highlight if at == selected else colours.entry
        lines.append(Span("".join(fit(marked, frame.width - 3)), style))
    arrows = ("↑" if first else " ", "↓" if first + frame.rows < len(titles) else " ")
    rows = _boxed(frame, lines, colours, arrows, terminal)
    rows += [Row((Span(f"   {countdown}", colours.normal),))] if countdown else []
    return Picture(tuple(rows[: terminal.rows]))


def draw_editor(
    lines: Sequence[str], row: int, column: int, first: int, terminal: Terminal, colours: Colours
) -> Picture:
    """Draw the script of an entry while it is edited; its line ``first`` is the first visible one."""
    frame = _frame(terminal, (_EDITING,))
    shift = max(len(_cells(lines[row][:column])) - (frame.width - 4), 0)
    shown = []
    for at in range(first, first + frame.rows):
        text = _cells(lines[at])[shift if at == row else 0 :] if at < len(lines) else []
        shown.append(Span("".join(fit(text, frame.width - 3)), colours.entry))
    arrows = ("↑" if first else " ", "↓" if first + frame.rows < len(lines) else " ")
    rows = _boxed(frame, shown, colours, arrows, terminal)
    cursor = frame.left + 1 + len(_cells(lines[row][:column])) - shift
    return Picture(tuple(rows[: terminal.rows]), frame.top + 1 + row - first, cursor)


def _cells(line: str) -> list[str]:
    """Return a line of a script cell by cell; a tab is one blank."""
    return cells(line.replace("\t", " "))


def editor_rows(terminal: Terminal) -> int:
    """Return how many lines the editor shows at a time."""
    return _frame(terminal, (_EDITING,)).rows


def _boxed(
    frame: _Frame, lines: Sequence[Span], colours: Colours, arrows: tuple[str, str], terminal: Terminal
) -> list[Row]:
    """Draw a box around ``lines``, the title above and the message below."""
    rows = [Row() for _ in range(frame.top)]
    if frame.top:
        before = " " * max((terminal.columns - len(TITLE)) // 2, 0)
        rows[1] = Row((Span(before + TITLE, colours.normal),))
    left = " " * frame.left
    inner = "─" * (frame.width - 2)
    rows.append(Row((Span(f"{left}┌{inner}┐", colours.normal),)))
    for number, line in enumerate(lines):
        arrow = arrows[0] if not number else arrows[1] if number == len(lines) - 1 else " "
        rows.append(Row((Span(f"{left}│", colours.normal), line, Span(f"{arrow}│", colours.normal))))
    rows.append(Row((Span(f"{left}└{inner}┘", colours.normal),)))
    if frame.message:
        rows.append(Row())
    rows += [Row((Span(" " * _MARGIN + line, colours.normal),)) for line in frame.message]
    return rows
