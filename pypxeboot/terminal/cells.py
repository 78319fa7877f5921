"""Text as cells of a terminal, with a substitute for each character that would break a row."""

from __future__ import annotations

import unicodedata

from pypxeboot.text import printable

_LONGEST = 8192  # characters: what libxl takes of a command line, and more than a terminal has in a row

# What menu.c32 draws with, and what does for it on a terminal that knows ASCII only.
_ASCII = {**dict.fromkeys("┌┐└┘├┤", "+"), "─": "-", "│": "|", "▒": "#", "…": "."}


def cells(text: str) -> list[str]:
    """Return ``text`` cell by cell; the second cell of a wide character is the empty string.

    What cannot be printed is escaped. Combining marks are left out: terminals do not agree on their cells.
    """
    found: list[str] = []
    for ch in printable(unicodedata.normalize("NFC", text[:_LONGEST]), 10 * _LONGEST):
        if unicodedata.combining(ch) or unicodedata.category(ch) in ("Mn", "Me"):
            continue
        found.append(ch)
        if unicodedata.east_asian_width(ch) in ("W", "F"):
            found.append("")
    return found


def cut(text: list[str], count: int) -> list[str]:
    """Return the first ``count`` cells of ``text``; the half of a wide character at the end is a blank."""
    kept = text[: max(count, 0)]
    if len(kept) < len(text) and text[len(kept)] == "" and kept:
        kept[-1] = " "
    return kept


def fit(text: list[str], count: int) -> list[str]:
    """Return exactly ``count`` cells: ``text`` cut, or filled up with blanks."""
    kept = cut(text, count)
    return kept + [" "] * (count - len(kept))


def ascii_cells(text: list[str]) -> list[str]:
    """Return ``text`` for a terminal that knows ASCII only: without accents, ``?`` for other characters."""
    found = []
    for index, ch in enumerate(text):
        if ch == "":  # the second half of a wide one
            found.append(_ascii(text[index - 1]) if index else " ")
        else:
            found.append(_ascii(ch))
    return found


def _ascii(ch: str) -> str:
    if ch.isascii():
        return ch
    plain = _ASCII.get(ch) or unicodedata.normalize("NFKD", ch)[0]
    return plain if plain.isascii() and plain.isprintable() else "?"
