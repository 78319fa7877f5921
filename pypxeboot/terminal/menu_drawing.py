"""Draws a menu, a :class:`~pypxeboot.terminal.menu_view.View`, as a picture, the way menu.c32 does.

Rows and columns of MENU ROWS, TABMSGROW and the rest are kept where the terminal has room for them; on a
smaller one everything moves together.
"""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.picture import Picture, Row, Span, Terminal
from pypxeboot.terminal.cells import cells, cut, fit
from pypxeboot.terminal.menu_view import EditLine, Layout, MenuItem, View

# com32/menu/colors.c; but the black of the screen itself is left to be what the terminal has.
_COLOURS = {
    "screen": "",
    "border": "30;44",
    "title": "1;36;44",
    "unsel": "37;44",
    "hotkey": "1;37;44",
    "sel": "7;37;40",
    "hotsel": "1;7;37;40",
    "disabled": "1;30;44",
    "scrollbar": "30;44",
    "tabmsg": "31",
    "cmdmark": "1;36",
    "cmdline": "",
    "pwdborder": "30;47",
    "pwdheader": "31;47",
    "pwdentry": "30;47",
    "timeout_msg": "",
    "timeout": "1",
    "help": "",
}
# On terminals without colours; what is bold above only to brighten its colour is plain here.
_PLAIN = {"title": "1", "hotkey": "1", "sel": "7", "hotsel": "1;7", "timeout": "1", "cmdmark": "1"}

_MENU_TOP = 3  # rows of the box above the first item: border, title, border
_SIZE = Terminal()  # what the numbers of a configuration are meant for
_NARROWEST = 12  # columns of a box in which something can be read


@dataclass(frozen=True)
class _Positions:
    """Where the parts of a menu stand on one terminal; rows and columns count from 0."""

    left: int
    width: int  # of the whole menu; its box stands ``margin`` inside
    margin: int
    top: int
    rows: int
    hint: int
    countdown: int
    command: int
    password: int
    help: int
    help_end: int


class _Sheet:
    """A sheet of cells to draw on; what falls outside is lost."""

    def __init__(self, terminal: Terminal, colours: dict[str, str]) -> None:
        self._columns, self._colours = terminal.columns, colours
        self._rows = [[(" ", colours["screen"])] * terminal.columns for _ in range(terminal.rows)]
        self._used = terminal.rows if colours["screen"] else 0

    def put(self, row: int, column: int, text: list[str], element: str) -> int:
        """Draw ``text`` in the colour of ``element``, and return the column behind it."""
        end = column + len(text)
        text = cut(text, self._columns - column)
        if 0 <= row < len(self._rows) and column >= 0 and text:
            line = self._rows[row]
            for at in (column, column + len(text)):  # wide characters of which one half goes
                if at < len(line) and line[at][0] == "":
                    line[at - 1], line[at] = (" ", line[at - 1][1]), (" ", line[at][1])
            line[column : column + len(text)] = [(ch, self._colours[element]) for ch in text]
            self._used = max(self._used, row + 1)
        return end

    def picture(self, row: Optional[int] = None, column: int = 0) -> Picture:
        """Return what was drawn as a picture, its cursor at ``row`` and ``column`` (None: hidden)."""
        rows = tuple(_spans(cells) for cells in self._rows[: self._used])
        if row is None or not 0 <= row < len(self._rows):
            return Picture(rows)
        return Picture(rows, row, min(max(column, 0), self._columns - 1))


def _spans(row: list[tuple[str, str]]) -> Row:
    spans: list[Span] = []
    for ch, style in row:
        if spans and spans[-1].style == style:
            spans[-1] = Span(spans[-1].text + ch, style)
        else:
            spans.append(Span(ch, style))
    return Row(tuple(spans))


def draw(view: View, terminal: Terminal) -> Picture:
    """Draw one moment of a menu for ``terminal``, within its size."""
    known = {**dict.fromkeys(_COLOURS, ""), **_PLAIN} if not terminal.colours else _COLOURS
    colours = {**known, **{name: sgr for name, sgr in view.colours if name in known}}
    sheet = _Sheet(terminal, colours)
    if view.hidden:
        row = _row(view.layout.hidden_row, terminal)
        _countdown(sheet, view.countdown, row, 0, terminal.columns)
        return sheet.picture()
    positions = _positions(view, terminal)
    _box(sheet, view, positions)
    if view.command is not None:
        return _command(sheet, view.command, positions, terminal)
    hint = cells(view.hint)
    sheet.put(positions.hint, positions.left + max(positions.width - len(hint), 0) // 2, hint, "tabmsg")
    _help(sheet, view, positions)
    _countdown(sheet, view.countdown, positions.countdown, positions.left, positions.width)
    if view.password is not None:
        return _password(sheet, view, positions)
    return sheet.picture()


def _row(number: int, terminal: Terminal) -> int:
    """Return the row (from 0) of a number in the configuration: from 1, or negative from the bottom."""
    return number - 1 if number > 0 else max(terminal.rows + number, 0)


def _positions(view: View, terminal: Terminal) -> _Positions:
    layout = view.layout
    wanted = _positions_of(layout, terminal)
    ends = [wanted.top + _MENU_TOP + wanted.rows, wanted.hint, wanted.countdown, wanted.command]
    if view.help:
        ends.append(wanted.help)
    if view.password is not None:
        ends.append(wanted.password + 2)
    if max(ends) < terminal.rows:
        return wanted
    return _compact_positions(wanted, terminal)


def _positions_of(layout: Layout, terminal: Terminal) -> _Positions:
    """Return the positions that the configuration asks for, their columns fitted to the terminal's."""
    width = min(layout.width or terminal.columns, terminal.columns)
    left = min(max(layout.hshift, 0), max(terminal.columns - width, 0))
    narrower = max(_SIZE.columns - terminal.columns, 0)
    margin = max(min(layout.margin - (narrower + 1) // 2, (width - _NARROWEST) // 2), 0)
    shift = max(layout.vshift, 0)
    return _Positions(
        left=left,
        width=width,
        margin=margin,
        top=shift,
        rows=max(layout.rows, 1),
        hint=_row(layout.tab_row, terminal) + shift,
        countdown=_row(layout.timeout_row, terminal) + shift,
        command=_row(layout.command_row, terminal) + shift,
        password=_row(layout.password_row, terminal) + shift,
        help=_row(layout.help_row, terminal) + shift,
        help_end=_row(layout.help_end_row, terminal),
    )


def _compact_positions(wanted: _Positions, terminal: Terminal) -> _Positions:
    """Return positions one below the other, for a terminal smaller than the configuration expects."""
    rows = max(min(wanted.rows, terminal.rows - _MENU_TOP - 3), 1)
    below = _MENU_TOP + rows + 1
    return replace(
        wanted,
        top=0,
        rows=rows,
        hint=below,
        countdown=below + 1,
        command=below,
        password=max(min(wanted.password, terminal.rows - 3), 0),
        help=below + 2,
        help_end=terminal.rows - 1,
    )


def _box(sheet: _Sheet, view: View, positions: _Positions) -> None:
    left, width = positions.left + positions.margin, positions.width - 2 * positions.margin
    inner = width - 4
    title = cut(cells(view.title), inner)
    before = max(inner - len(title), 0) // 2
    for row, line in ((0, "┌─┐"), (2, "├─┤"), (_MENU_TOP + positions.rows, "└─┘")):
        border = [line[0], *line[1] * (width - 2), line[2]]
        sheet.put(positions.top + row, left, border, "border")
    sheet.put(positions.top + 1, left, ["│"], "border")
    sheet.put(positions.top + 1, left + 1, fit([" "] * (before + 1) + title, width - 2), "title")
    sheet.put(positions.top + 1, left + width - 1, ["│"], "border")
    count = len(view.items)
    # Half of the rows before the selected item, where there are as many.
    first = max(min(view.selected - positions.rows // 2, count - positions.rows), 0)
    bar = _scroll_bar(first, positions.rows, count)
    for row in range(positions.rows):
        y, index = positions.top + _MENU_TOP + row, first + row
        sheet.put(y, left, ["│"], "border")
        if index < count:
            _item(sheet, view.items[index], index == view.selected, y, left + 1, width - 2)
        else:
            sheet.put(y, left + 1, [" "] * (width - 2), "unsel")
        edge, element = ("▒", "scrollbar") if row in bar else ("│", "border")
        sheet.put(y, left + width - 1, [edge], element)


def _scroll_bar(first: int, rows: int, count: int) -> range:
    """Return the rows of the right border that show which part of ``count`` items is seen."""
    if count <= rows:
        return range(0)
    length = max(rows * rows // count, 1)
    start = (rows - length) * first // (count - rows)
    return range(start, start + length)


def _item(sheet: _Sheet, item: MenuItem, selected: bool, row: int, left: int, width: int) -> None:
    """Draw a line of the menu, with a blank at either end."""
    plain, hot = ("sel", "hotsel") if selected else ("unsel", "hotkey")
    if not item.selectable:
        plain = hot = "disabled"
    mark = [" ", *cells(item.mark)] if item.mark else []
    room = width - 2 - len(mark)
    at = len(item.text) if item.hotkey is None else item.hotkey
    indent = [" "] * min(max(item.indent, 0), max(room, 0))
    start, key = [*indent, *cells(item.text[:at])], cells(item.text[at : at + 1])
    line = fit([*start, *key, *cells(item.text[at + 1 :])], room)
    sheet.put(row, left, [" ", *line, *mark, " "], plain)
    if len(start) + len(key) <= room:
        sheet.put(row, left + 1 + len(start), key, hot)


def _countdown(sheet: _Sheet, text: str, row: int, left: int, width: int) -> None:
    """Draw the line about the timeout, centred; the seconds stand out."""
    column = left + max(width - len(cells(text)), 0) // 2
    for piece in re.split("([0-9]+)", text):
        column = sheet.put(row, column, cells(piece), "timeout" if piece.isdigit() else "timeout_msg")


def _help(sheet: _Sheet, view: View, positions: _Positions) -> None:
    for row, line in zip(range(positions.help, positions.help_end + 1), view.help):
        sheet.put(row, 0, cells(line), "help")


def _command(sheet: _Sheet, line: EditLine, positions: _Positions, terminal: Terminal) -> Picture:
    """Draw the command line, over as many rows as it takes; of a longer one the part around the cursor."""
    text = cells(line.text)
    cursor = min(len(cells(line.text[: line.cursor])), len(text))
    width = max(terminal.columns - 2, 1)
    rows = max(terminal.rows - positions.command, 1)
    first = max(cursor // width - rows + 1, 0)
    shown = max(min(len(text) // width + 1 - first, rows), 1)
    for number in range(shown):
        row = positions.command + number
        sheet.put(row, 0, [">" if number + first == 0 else " ", " "], "cmdmark")
        start = (first + number) * width
        sheet.put(row, 2, fit(text[start : start + width], width), "cmdline")
    return sheet.picture(positions.command + cursor // width - first, 2 + cursor % width)


def _password(sheet: _Sheet, view: View, positions: _Positions) -> Picture:
    """Draw the box in which a password is typed; each character is a star."""
    margin = max(view.layout.password_margin - (_SIZE.columns - positions.width + 1) // 2, 0)
    left, width = positions.left + margin, positions.width - 2 * margin
    if width < _NARROWEST:
        left, width = positions.left, positions.width
    for row, line in enumerate(("┌─┐", "│ │", "└─┘")):
        sheet.put(positions.password + row, left, [line[0], *line[1] * (width - 2), line[2]], "pwdborder")
    heading = cut([" ", *cells(view.prompt), " "], width - 2)
    sheet.put(positions.password, left + (width - len(heading)) // 2, heading, "pwdheader")
    stars = min(view.password or 0, max(width - 5, 0))
    sheet.put(positions.password + 1, left + 2, ["*"] * stars, "pwdentry")
    return sheet.picture(positions.password + 1, left + 2 + stars)


def selectable_indexes(view: View) -> tuple[int, ...]:
    """Return the indexes of the items that can be chosen, which :func:`lines` numbers 1, 2, 3..."""
    return tuple(index for index, item in enumerate(view.items) if item.selectable)


def lines(view: View) -> str:
    """Return a menu as a numbered list, the selected item starred, for where the cursor cannot be moved."""
    numbers = {index: number for number, index in enumerate(selectable_indexes(view), 1)}
    width = len(str(len(numbers)))
    found = [view.title, ""] if view.title else []
    for index, item in enumerate(view.items):
        star = "*" if index == view.selected else " "
        number = f"{numbers[index]:{width}}." if index in numbers else " " * (width + 1)
        mark = f" {item.mark}" if item.mark else ""
        indent = " " * min(max(item.indent, 0), _SIZE.columns // 2)
        found.append(f"{star} {number} {indent}{item.text}{mark}".rstrip())
    found += ["", *view.help] if view.help else []
    return "".join(f"{''.join(cells(line))}\n" for line in found)
