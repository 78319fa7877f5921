"""The last line of what was printed on a terminal, to be sent again: a prompt, and what is typed there.

Lines of text are not pictures: who attaches to a terminal later sees nothing of them until the next key. The
line that the cursor stands in can be sent once more where it is, without harm to who has seen it.
"""

from __future__ import annotations

from typing import Optional

_LONGEST = 1000  # characters; longer than any row, and so never sent again


class TextLine:
    """A line by its characters, of which a backspace goes back one."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._column = 0

    def write(self, text: str) -> None:
        """Write ``text``, which has no line feed, where the cursor is."""
        for ch in text:
            if ch == "\b":
                self._column = max(self._column - 1, 0)
            elif self._column < _LONGEST:
                self._cells[self._column : self._column + 1] = ch
                self._column += 1

    def again(self, columns: int) -> Optional[str]:
        """Return what writes the line once more from the left edge, and puts the cursor where it was.

        None where there is nothing to be seen, or where it is not certain to be one row of ``columns`` cells.
        """
        text = "".join(self._cells)
        if not text.strip() or not text.isascii() or len(text) >= columns:
            return None
        return "\r" + text + "\b" * (len(text) - self._column)
