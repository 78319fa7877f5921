"""The menus and forms that an iPXE script makes (hci/commands/dynui_cmd.c), as data."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.text import printable

_ESCAPE = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|.)?")

# Nobody reads a longer menu; the largest public ones have some sixty lines.
ITEM_LIMIT = 4096


@dataclass(frozen=True)
class DialogItem:
    """A line of a menu or form: one that can be chosen, or filled in, if it has a ``name``, else a heading.

    ``key`` is the code of its shortcut, 0 for none; ``secret``: what is typed is shown as stars.
    """

    name: Optional[str]
    text: str
    key: int = 0
    default: bool = False
    secret: bool = False


@dataclass
class Dialog:
    """A menu or form, in iPXE's words a dynamic user interface."""

    title: str
    items: list[DialogItem] = field(default_factory=list)

    @property
    def choices(self) -> list[DialogItem]:
        """The items that can be chosen."""
        return [item for item in self.items if item.name]

    def start(self, wanted: Optional[str] = None) -> Optional[int]:
        """Return the index of the item under the cursor at first; None if there is nothing to choose.

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
        """Return the index of the item whose shortcut is the key of ``code``; None if no item has it."""
        return next((index for index, item in enumerate(self.items) if code and item.key == code), None)


def plain(text: str, limit: int) -> str:
    """Return a line as it may be shown: without escape sequences (colours), other controls made visible."""
    return printable(_ESCAPE.sub("", text), limit)
