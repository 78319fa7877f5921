"""Turns a picture into strokes: which pieces of text to write where, so that a terminal shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.picture import Picture, Row, Terminal
from pypxeboot.terminal.cells import ascii_cells, cells, fit

_STYLE = re.compile(r"[0-9]{1,3}(;[0-9]{1,3}){0,7}")

Cell = tuple[str, str]
"""A character (or "", the second half of a wide one) and its style."""
Canvas = list[list[Cell]]

_BLANK: Cell = (" ", "")
# Unchanged cells between two changed ones that are written again: moving the cursor takes as many bytes.
_GAP = 6


@dataclass(frozen=True)
class Stroke:
    """A piece of text in one style, to be written from one cell of a row to the right."""

    row: int
    column: int
    text: str
    style: str


def canvas(picture: Picture, terminal: Terminal, *, ascii_only: bool) -> Canvas:
    """Return every cell of ``terminal`` as ``picture`` has it: clipped, printable, its styles only SGR."""
    rows = (*picture.rows, *([Row()] * terminal.rows))[: terminal.rows]
    painted = [_row(row, terminal.columns, ascii_only) for row in rows[:-1]]
    # Some terminals scroll when their very last cell is written.
    return [*painted, [*_row(rows[-1], terminal.columns - 1, ascii_only), _BLANK]]


def _row(row: Row, columns: int, ascii_only: bool) -> list[Cell]:
    found: list[Cell] = []
    for span in row.spans:
        left = columns - len(found)
        if left <= 0:
            break
        style = span.style if _STYLE.fullmatch(span.style, 0) and span.style.isascii() else ""
        text = cells(span.text)
        text = fit(text, min(len(text), left))
        found += [(ch, style) for ch in (ascii_cells(text) if ascii_only else text)]
    return found + [_BLANK] * (columns - len(found))


def strokes(before: Optional[Canvas], after: Canvas) -> Iterator[Stroke]:
    """Yield what to write where ``before`` is shown (None: something unknown), so that ``after`` is shown."""
    for number, row in enumerate(after):
        old = None if before is None else before[number]
        for start, end in _changes(old, row):
            yield from _strokes(number, start, row[start:end])


def _changes(old: Optional[list[Cell]], new: list[Cell]) -> Iterator[tuple[int, int]]:
    """Yield start and end of the pieces of a row that have to be written."""
    if old is None:
        yield 0, len(new)
        return
    start = end = -1
    for column, (was, now) in enumerate(zip(old, new)):
        if was == now:
            continue
        if start >= 0 and column - end > _GAP:
            yield _whole(old, new, start, end)
            start = -1
        if start < 0:
            start = column
        end = column + 1
    if start >= 0:
        yield _whole(old, new, start, end)


def _whole(old: list[Cell], new: list[Cell], start: int, end: int) -> tuple[int, int]:
    """Return the piece extended so that no wide character, old or new, is cut in half."""
    while start > 0 and "" in (old[start][0], new[start][0]):
        start -= 1
    while end < len(new) and "" in (old[end][0], new[end][0]):
        end += 1
    return start, end


def _strokes(row: int, column: int, piece: list[Cell]) -> Iterator[Stroke]:
    """Split ``piece`` into strokes of one style.

    A new stroke begins behind each character whose width terminals do not agree on, since the cursor is moved
    at its beginning.
    """
    text, style, start = "", piece[0][1], column
    for ch, look in piece:
        strange = text != "" and not _certain(text[-1]) and ch != ""
        if look != style or strange:
            yield Stroke(row, start, text, style)
            text, style, start = "", look, column
        text += ch
        column += 1
    yield Stroke(row, start, text, style)


def _certain(ch: str) -> bool:
    return ch.isascii() or "\u2500" <= ch <= "\u259f"
