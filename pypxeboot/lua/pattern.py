"""Match Lua's patterns, with a count of the steps that a match takes.

Lua's own matcher backtracks in C, where nothing can interrupt it, and there are short patterns that take it
hours. The rules are those of the reference manual, 6.4.1 (Lua 5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Optional, Union

# MAXCCALLS and LUA_MAXCAPTURES of Lua's own.
_DEPTH = 200
_CAPTURES = 32

Capture = Union[str, int]

_DIGITS = tuple("0123456789")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "a": str.isalpha,
    "d": str.isdigit,
    "l": str.islower,
    "s": lambda char: char in " \t\n\v\f\r",
    "u": str.isupper,
    "w": str.isalnum,
    "x": lambda char: char in "0123456789abcdefABCDEF",
    "c": lambda char: char < " " or char == "\x7f",
    "g": lambda char: "!" <= char <= "~",
    "p": lambda char: "!" <= char <= "~" and not char.isalnum(),
}


class PatternError(Exception):
    """A pattern that is malformed, or takes too long; the text is for the script."""


class Budget:
    """The steps that a script has left for all its patterns."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def spend(self) -> None:
        """Count one step. Raises PatternError when none is left."""
        self.steps -= 1
        if self.steps < 0:
            raise PatternError("patterns take too long")


class PatternMatch(NamedTuple):
    """A match: where it starts and ends (from 0, exclusive), and its captures, none if it has none."""

    start: int
    end: int
    captures: tuple[Capture, ...]


def search(text: str, pattern: str, start: int, budget: Budget) -> Optional[PatternMatch]:
    """Find the first match at or behind ``start``; with a ``^`` in front, only there.

    Raises PatternError.
    """
    anchored = pattern.startswith("^")
    pattern = pattern[1:] if anchored else pattern
    for at in range(start, start + 1 if anchored else len(text) + 1):
        found = _Matcher(text, pattern, budget).at(at)
        if found is not None:
            return found
    return None


class _Matcher:
    """One match of a pattern at one place; ``s`` is a position in the text, ``p`` one in the pattern."""

    def __init__(self, text: str, pattern: str, budget: Budget) -> None:
        self._text, self._pattern, self._budget = text, pattern, budget
        self._depth = 0
        # Captures: where they start, and their length; None while open, -1 for a position.
        self._starts: list[int] = []
        self._lengths: list[Optional[int]] = []

    def at(self, start: int) -> Optional[PatternMatch]:
        end = self._match(start, 0)
        if end is None:
            return None
        return PatternMatch(start, end, tuple(self._capture(n) for n in range(len(self._starts))))

    def _capture(self, number: int) -> Capture:
        start, length = self._starts[number], self._lengths[number]
        if length is None:
            raise PatternError("unfinished capture")
        return start + 1 if length < 0 else self._text[start : start + length]

    def _match(self, s: int, p: int) -> Optional[int]:
        """Match the pattern from ``p`` against the text from ``s``: where that ends, None if it does not."""
        self._depth += 1
        if self._depth > _DEPTH:
            raise PatternError("pattern too complex")
        try:
            return self._items(s, p)
        finally:
            self._depth -= 1

    def _items(self, s: int, p: int) -> Optional[int]:
        pattern = self._pattern
        while p < len(pattern):
            self._budget.spend()
            char, following = pattern[p], pattern[p + 1 : p + 2]
            if char == "(":
                return self._open(s, p)
            if char == ")":
                return self._close(s, p + 1)
            if char == "$" and p + 1 == len(pattern):
                return s if s == len(self._text) else None
            if char == "%" and (following in ("b", "f") or following in _DIGITS):
                step = {"b": self._balance, "f": self._frontier}.get(following, self._back)(s, p)
                if step is None:
                    return None
                s, p = step
                continue
            end = self._class_end(p)
            suffix = pattern[end : end + 1]
            if suffix in ("*", "+", "-", "?") and suffix:
                return self._repeat(s, p, end, suffix)
            if not self._single(s, p, end):
                return None
            s, p = s + 1, end
        return s

    def _repeat(self, s: int, p: int, end: int, suffix: str) -> Optional[int]:
        if suffix == "?":
            found = self._match(s + 1, end + 1) if self._single(s, p, end) else None
            return self._match(s, end + 1) if found is None else found
        if suffix == "-":
            while True:
                found = self._match(s, end + 1)
                if found is not None or not self._single(s, p, end):
                    return found
                s += 1
        least = 1 if suffix == "+" else 0
        count = 0
        while self._single(s + count, p, end):
            count += 1
            self._budget.spend()
        for taken in range(count, least - 1, -1):
            found = self._match(s + taken, end + 1)
            if found is not None:
                return found
        return None

    def _open(self, s: int, p: int) -> Optional[int]:
        position = self._pattern[p + 1 : p + 2] == ")"
        if len(self._starts) == _CAPTURES:
            raise PatternError("too many captures")
        self._starts.append(s)
        self._lengths.append(-1 if position else None)
        found = self._match(s, p + (2 if position else 1))
        if found is None:
            self._starts.pop()
            self._lengths.pop()
        return found

    def _close(self, s: int, p: int) -> Optional[int]:
        unfinished = [n for n, length in enumerate(self._lengths) if length is None]
        if not unfinished:
            raise PatternError("invalid pattern capture")
        self._lengths[unfinished[-1]] = s - self._starts[unfinished[-1]]
        found = self._match(s, p)
        if found is None:
            self._lengths[unfinished[-1]] = None
        return found

    def _balance(self, s: int, p: int) -> Optional[tuple[int, int]]:
        pair = self._pattern[p + 2 : p + 4]
        if len(pair) < 2:
            raise PatternError("missing arguments to '%b'")
        if self._text[s : s + 1] != pair[0]:
            return None
        depth = 1
        for at in range(s + 1, len(self._text)):
            self._budget.spend()
            if self._text[at] == pair[1]:
                depth -= 1
                if not depth:
                    return at + 1, p + 4
            elif self._text[at] == pair[0]:
                depth += 1
        return None

    def _frontier(self, s: int, p: int) -> Optional[tuple[int, int]]:
        if self._pattern[p + 2 : p + 3] != "[":
            raise PatternError("missing '[' after '%f' in pattern")
        end = self._class_end(p + 2)
        before = self._text[s - 1] if s else "\0"
        here = self._text[s : s + 1] or "\0"
        if not self._in_set(before, p + 2, end) and self._in_set(here, p + 2, end):
            return s, end
        return None

    def _back(self, s: int, p: int) -> Optional[tuple[int, int]]:
        number = int(self._pattern[p + 1]) - 1
        if not 0 <= number < len(self._starts) or self._lengths[number] is None:
            raise PatternError("invalid capture index")
        text = self._capture(number)
        text = text if isinstance(text, str) else ""
        return (s + len(text), p + 2) if self._text.startswith(text, s) else None

    def _class_end(self, p: int) -> int:
        """Find where the single-character class at ``p`` ends."""
        pattern = self._pattern
        if pattern[p] == "%":
            if p + 1 == len(pattern):
                raise PatternError("malformed pattern (ends with '%')")
            return p + 2
        if pattern[p] != "[":
            return p + 1
        at = p + 2 if pattern[p + 1 : p + 2] == "^" else p + 1
        first = True
        while first or pattern[at : at + 1] != "]":
            self._budget.spend()
            if at >= len(pattern):
                raise PatternError("malformed pattern (missing ']')")
            at += 2 if pattern[at] == "%" else 1
            first = False
        return at + 1

    def _single(self, s: int, p: int, end: int) -> bool:
        """Tell whether the character at ``s`` is of the class that stands from ``p`` to ``end``."""
        self._budget.spend()
        if s >= len(self._text):
            return False
        char, kind = self._text[s], self._pattern[p]
        if kind == ".":
            return True
        if kind == "%":
            return _is_in_class(char, self._pattern[p + 1])
        if kind == "[":
            return self._in_set(char, p, end)
        return char == kind

    def _in_set(self, char: str, p: int, end: int) -> bool:
        pattern, at, last = self._pattern, p + 1, end - 1
        negated = pattern[at] == "^"
        at += negated
        while at < last:
            self._budget.spend()
            if pattern[at] == "%":
                if _is_in_class(char, pattern[at + 1]):
                    return not negated
                at += 2
            elif pattern[at + 1] == "-" and at + 2 < last:
                if pattern[at] <= char <= pattern[at + 2]:
                    return not negated
                at += 3
            else:
                if pattern[at] == char:
                    return not negated
                at += 1
        return negated


def _is_in_class(char: str, letter: str) -> bool:
    """Tell whether ``char`` is of the class ``%letter``, of ASCII as in the loader's own Lua."""
    test = _CLASSES.get(letter.lower())
    if test is None or not letter.isascii():
        return char == letter
    return (char.isascii() and test(char)) != letter.isupper()
