"""What a terminal shows and which keys it sends, as plain values: pictures in rows and spans, and keys.

The client makes pictures, and the host side, which has the terminal, paints them. Nothing in a picture can
steer the terminal: text is made printable, and a style is SGR parameters and no more.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass


@dataclass(frozen=True)
class Terminal:
    """What a terminal can do: its size in cells, whether it has colours; ``dumb``: its cursor cannot move."""

    columns: int = 80
    rows: int = 24
    colours: bool = False
    dumb: bool = False


@dataclass(frozen=True)
class Span:
    """A piece of a row in one style: SGR parameters (``1;37;44``), empty for plain text."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Row:
    """One row of the terminal, from its left edge; what the spans leave free is blank."""

    spans: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Picture:
    """The whole screen of a terminal, row by row; rows beyond the last one are blank.

    The cursor stands at ``cursor_row``, ``cursor_column`` (from 0), and is hidden if the row is None.
    """

    rows: tuple[Row, ...]
    cursor_row: Optional[int] = None
    cursor_column: int = 0


@dataclass(frozen=True)
class KeyPress:
    """The result of waiting for a key: the key, or None when the time was over.

    ``key`` is one printable character, or a name: ``enter tab escape backspace delete insert up down left
    right home end page-up page-down f1``..``f12``, ``ctrl-a``..``ctrl-z`` where none of the others is meant,
    ``resize`` when only the size of the terminal has changed. ``seconds`` is how long the wait took,
    ``terminal`` what the terminal is like after it.
    """

    key: Optional[str]
    seconds: float
    terminal: Terminal
