"""The list of entries as a table for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from pypxeboot.result import EntryList, ListedEntry
from pypxeboot.text import printable

_HEAD = ("", "#", "LABEL", "TITLE", "BOOTS")
_TITLE = _HEAD.index("TITLE")


class EntryTable(EntryList):
    """The entries in columns, whose lines are cut at ``width``, where that is given.

    ``*`` marks the default, and the title of a submenu stands in front of those in it.
    """

    def __init__(self, width: Optional[int] = None) -> None:
        self._width = width
        self._rows = [_HEAD]

    def add(self, entries: Iterable[ListedEntry]) -> None:
        """Take the next entries."""
        # Labels are to be typed, so they stay whole; titles leave room for the rest.
        limit = None if self._width is None else max(self._width // 3, 10)
        for number, entry in enumerate(entries, len(self._rows)):
            title = entry.title or entry.label
            named = title == entry.label and not entry.menu
            path = "" if named else _cut(printable(" > ".join((*entry.menu, title)), 200), limit)
            mark = "*" if entry.default else ""
            self._rows.append((mark, str(number), printable(entry.label, 60), path, _boots(entry)))

    def clear(self) -> None:
        """Forget them all."""
        del self._rows[1:]

    def render(self, config: Optional[str] = None) -> bytes:
        """Return the table; ``config`` is not in it."""
        columns = [*zip(*self._rows)]
        sizes = [max(map(len, column)) for column in columns[:-1]]
        if not any(columns[_TITLE][1:]):
            sizes[_TITLE] = 0
        cells = [f"{{{at}:{size}}}" for at, size in enumerate(sizes) if size]
        line = " ".join([*cells, f"{{{len(sizes)}}}"]).format
        return "".join([f"{_cut(line(*row).rstrip(), self._width)}\n" for row in self._rows]).encode()


def _cut(text: str, width: Optional[int]) -> str:
    return text if width is None or len(text) <= width else text[: max(width - 3, 0)] + "..."[:width]


def _boots(entry: ListedEntry) -> str:
    if entry.kernel is None:
        return printable(entry.meaning, 400) or entry.action.value
    parts = [entry.kernel, *[f"initrd {url}" for url in entry.initrds]]
    if entry.modules:
        parts += [f"module {module}" for module in entry.modules]
    if entry.dtb:
        parts.append(f"dtb {entry.dtb}")
    if entry.cmdline:
        parts.append(entry.cmdline)
    return printable("; ".join(parts), 400)
