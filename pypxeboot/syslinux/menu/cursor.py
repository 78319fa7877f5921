"""Move the cursor of menu.c32 by its keys (com32/menu/menumain.c, run_menu)."""

from __future__ import annotations

from collections.abc import Sequence

from pypxeboot.syslinux.config.model import Label, MenuAction

UP = frozenset({"up", "ctrl-p", "-"})
DOWN = frozenset({"down", "ctrl-n", "+"})
PAGE_UP = frozenset({"page-up", "left", "ctrl-b", "<"})
PAGE_DOWN = frozenset({"page-down", "right", "ctrl-f", ">", " "})
FIRST = frozenset({"home", "ctrl-a"})
LAST = frozenset({"end", "ctrl-e"})
MOVES = UP | DOWN | PAGE_UP | PAGE_DOWN | FIRST | LAST


def move_cursor(entries: Sequence[Label], rows: int, position: int, key: str) -> int:
    """Move the cursor from ``position`` by one of ``MOVES``; ``rows`` is the height of the menu."""
    last = len(entries) - 1
    if key in UP:
        position = _step(entries, position, -1, least=1)
    elif key in DOWN:
        position = _step(entries, position, 1, least=1)
    elif key in PAGE_UP:
        position = _step(entries, position - rows, -1, least=0)
    elif key in PAGE_DOWN:
        position = _step(entries, position + rows, 1, least=0)
    else:
        position = 0 if key in FIRST else last
    return settle_cursor(entries, position)


def _step(entries: Sequence[Label], position: int, direction: int, least: int) -> int:
    """Step at least so often, and on over what cannot be chosen, up to the first or last entry."""
    while 0 < position if direction < 0 else position < len(entries) - 1:
        if (
            least <= 0
            and 0 <= position < len(entries)
            and entries[position].action is not MenuAction.DISABLED
        ):
            break
        position += direction
        least -= 1
    return position


def settle_cursor(entries: Sequence[Label], position: int) -> int:
    """Keep ``position``; at both ends take the nearest one inside that can be chosen."""
    last = len(entries) - 1
    if position <= 0:
        position = 0
        while position <= last and entries[position].action is MenuAction.DISABLED:
            position += 1
    if position >= last:
        position = last
        while position > 0 and entries[position].action is MenuAction.DISABLED:
            position -= 1
    return position
