"""How the keys of menu.c32 move its cursor (com32/menu/menumain.c, run_menu)."""

from __future__ import annotations

from collections.abc import Sequence

from pypxeboot.syslinux.config.model import Do, Label

UP = frozenset({"up", "ctrl-p", "-"})
DOWN = frozenset({"down", "ctrl-n", "+"})
PAGE_UP = frozenset({"page-up", "left", "ctrl-b", "<"})
PAGE_DOWN = frozenset({"page-down", "right", "ctrl-f", ">", " "})
FIRST = frozenset({"home", "ctrl-a"})
LAST = frozenset({"end", "ctrl-e"})
MOVES = UP | DOWN | PAGE_UP | PAGE_DOWN | FIRST | LAST


def moved(entries: Sequence[Label], rows: int, position: int, key: str) -> int:
    """Where the cursor goes by one of ``MOVES``; ``rows`` is the height of the menu."""
    last = len(entries) - 1
    if key in UP:
        position = _over(entries, position, -1, least=1)
    elif key in DOWN:
        position = _over(entries, position, 1, least=1)
    elif key in PAGE_UP:
        position = _over(entries, position - rows, -1, least=0)
    elif key in PAGE_DOWN:
        position = _over(entries, position + rows, 1, least=0)
    else:
        position = 0 if key in FIRST else last
    return settled(entries, position)


def _over(entries: Sequence[Label], position: int, step: int, least: int) -> int:
    """At least so many steps, and on over what cannot be chosen, up to the first or last entry."""
    while 0 < position if step < 0 else position < len(entries) - 1:
        if least <= 0 and 0 <= position < len(entries) and entries[position].do is not Do.DISABLED:
            break
        position += step
        least -= 1
    return position


def settled(entries: Sequence[Label], position: int) -> int:
    """``position``, or at both ends the nearest one inside that can be chosen."""
    last = len(entries) - 1
    if position <= 0:
        position = 0
        while position <= last and entries[position].do is Do.DISABLED:
            position += 1
    if position >= last:
        position = last
        while position > 0 and entries[position].do is Do.DISABLED:
            position -= 1
    return position
