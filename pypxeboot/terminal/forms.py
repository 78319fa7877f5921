"""Menus and forms that an iPXE script makes (hci/commands/dynui_cmd.c), apart from how they are shown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.text import printable

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|.)?")

# A menu longer than this is none that anybody reads; the largest public ones have some sixty lines.
ITEM_LIMIT = 4096


@dataclass(frozen=True)
class DialogItem:
    """A line: to be chosen, or filled in, if it has a ``name``; ``key`` is the code of its shortcut."""

    name: Optional[str]
    text: str
    key: int = 0
    default: bool = False
    secret: bool = False


@dataclass
class Dialog:
    """A menu or form."""

    title: str
    items: list[DialogItem] = field(default_factory=list)

    @property
    def choices(self) -> list[DialogItem]:
        """The items that can be chosen."""
        return [item for item in self.items if item.name]

    def start(self, wanted: Optional[str] = None) -> Optional[int]:
        """The index of the item under the cursor at first; None if there is nothing to choose.

        "``choose --default`` if it matches, else (only if no --default given) the last ``item --default``,
        else the first named item."
        """
        first: Optional[int] = None
        found: Optional[int] = None
        for index, item in enumerate(self.items):
            if not item.name:
                continue
            first = index if first is None else first
            if item.name == wanted if wanted is not None else item.default:
                found = index
        return first if found is None else found

    def shortcut(self, code: int) -> Optional[int]:
        """The index of the item whose key has ``code``."""
        return next((index for index, item in enumerate(self.items) if code and item.key == code), None)


def plain(text: str, limit: int) -> str:
    """A line as it may be shown: escape sequences, which mean colours, go; nothing else gets past, either."""
    return printable(_ESCAPE.sub("", text), limit)
