"""What a terminal shows and says, as plain values: pictures, their spans, and keys pressed.

Pictures are made where the menu is; whoever has the terminal paints them. Nothing in a picture can steer the
terminal: text is printable, and looks are SGR parameters and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Terminal:
    """A terminal: its size in cells, whether it has colours, and whether its cursor cannot be moved."""

    columns: int = 80
    rows: int = 24
    colours: bool = False
    dumb: bool = False


@dataclass(frozen=True)
class Span:
    """A piece of a row. ``style`` holds SGR parameters (``1;37;44``), empty for the plain look."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Row:
    """One line of the terminal, from its left edge; what the spans leave free is blank."""

    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Picture:
    """The whole terminal, row by row; rows that are not there are blank.

    The cursor stands at ``cursor_row``, ``cursor_column`` (from 0), and is hidden without a row.
    """

    rows: tuple[Row, ...]
    cursor_row: Optional[int] = None
    cursor_column: int = 0


@dataclass(frozen=True)
class KeyPress:
    """What came of waiting for a key.

    ``key`` is one printable character, or a name: ``enter tab escape backspace delete insert up down left
    right home end page-up page-down f1``..``f12``, ``ctrl-a``..``ctrl-z`` where none of the others is meant,
    ``resize`` when only the size has changed; None when the time was over. ``seconds`` is how long it took.
    """

    key: Optional[str]
    seconds: float
    terminal: Terminal
