r"""Regular expressions of POSIX, extended ones, as ``regexp`` takes them from a stranger: within a bound.

Back references, and the operators that GNU adds (``\w``, ``\b``), are in GRUB's (gnulib), too.

The patterns of a configuration, and the text they are matched against, may both come from the network; so
the matcher counts its steps, which the one of the standard library does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional, Union

from pypxeboot.dataclass import dataclass

# What the patterns of real configurations take is below a thousand.
_STEPS = 20_000
_COUNTED = 20  # steps that are one command of a script
_PATTERN = 1000
_TEXT = 4096
_REPEATS = 255  # RE_DUP_MAX of POSIX
_DEPTH = 30
_SPACE = " \t\n\v\f\r"

_CLASSES: dict[str, Callable[[str], bool]] = {
    "alpha": lambda c: c.isascii() and c.isalpha(),
    "digit": lambda c: c in "0123456789",
    "alnum": lambda c: c.isascii() and c.isalnum(),
    "upper": lambda c: c.isascii() and c.isupper(),
    "lower": lambda c: c.isascii() and c.islower(),
    "space": lambda c: c in _SPACE,
    "blank": lambda c: c in " \t",
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
    "print": lambda c: " " <= c <= "~",
    "graph": lambda c: "!" <= c <= "~",
    "cntrl": lambda c: c < " " or c == "\x7f",
}


class BadPattern(Exception):
    """The pattern is none, or takes too long."""


@dataclass(frozen=True)
class _Char:
    """One character for which ``fits`` holds."""

    fits: Callable[[str], bool]


@dataclass(frozen=True)
class _Edge:
    """A place between characters: ``holds`` is told the text, and what is before the place."""

    holds: Callable[[str, int], bool]


@dataclass(frozen=True)
class _Again:
    """What a group has matched, once more."""

    number: int


@dataclass(frozen=True)
class _Group:
    """Parentheses, ``number`` counting from 1; 0: none, for the whole pattern."""

    number: int
    branches: tuple[tuple[_Node, ...], ...]


@dataclass(frozen=True)
class _Repeat:
    """A node between ``least`` and ``most`` times; None: without bound."""

    node: _Node
    least: int
    most: Optional[int]


_Node = Union[_Char, _Edge, _Again, _Group, _Repeat]
_Groups = tuple[Optional[tuple[int, int]], ...]
_Then = Callable[[int, _Groups], None]


def _is_word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


def _words(text: str, at: int) -> tuple[bool, bool]:
    """Return whether the characters before and behind a place belong to words."""
    return at > 0 and _is_word(text[at - 1]), at < len(text) and _is_word(text[at])


def _start(text: str, at: int) -> bool:
    return at == 0


def _end(text: str, at: int) -> bool:
    return at == len(text)


_GNU: dict[str, Union[_Char, _Edge]] = {
    "w": _Char(_is_word),
    "W": _Char(lambda c: not _is_word(c)),
    "s": _Char(lambda c: c in _SPACE),
    "S": _Char(lambda c: c not in _SPACE),
    "b": _Edge(lambda text, at: _words(text, at) in ((True, False), (False, True))),
    "B": _Edge(lambda text, at: _words(text, at) in ((True, True), (False, False))),
    "<": _Edge(lambda text, at: _words(text, at) == (False, True)),
    ">": _Edge(lambda text, at: _words(text, at) == (True, False)),
}


class _PatternParser:
    def __init__(self, pattern: str) -> None:
        self._pattern, self._at, self._depth = pattern, 0, 0
        self._closed: set[int] = set()
        self.groups = 0

    def whole(self) -> _Group:
        found = _Group(0, self._branches())
        if self._at < len(self._pattern):
            raise BadPattern("unmatched )")
        return found

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _take(self) -> str:
        char = self._peek()
        self._at += 1
        return char

    def _branches(self) -> tuple[tuple[_Node, ...], ...]:
        found = [self._branch()]
        while self._peek() == "|":
            self._take()
            found.append(self._branch())
        return tuple(found)

    def _branch(self) -> tuple[_Node, ...]:
        nodes: list[_Node] = []
        while self._peek() not in ("", "|") and not (self._peek() == ")" and self._depth):
            node = self._atom(first=not nodes)
            while self._peek() and self._peek() in "*+?{":
                node = self._repeat(node)
            nodes.append(node)
        return tuple(nodes)

    def _repeat(self, node: _Node) -> _Node:
        char = self._take()
        if char != "{":
            return _Repeat(node, 1 if char == "+" else 0, 1 if char == "?" else None)
        text, end, rest = self._pattern[self._at :].partition("}")
        low, comma, high = text.partition(",")
        if not end or not low.isdecimal() or (high and not high.isdecimal()):
            raise BadPattern("invalid content of {}")
        self._at = len(self._pattern) - len(rest)
        least, most = int(low), int(high) if high else None if comma else int(low)
        if max(least, most or 0) > _REPEATS or (most is not None and most < least):
            raise BadPattern("invalid content of {}")
        return _Repeat(node, least, most)

    def _atom(self, *, first: bool) -> _Node:
        char = self._take()
        if char == "(":
            return self._group()
        if char == "[":
            return _Char(self._bracket())
        if char == ".":
            return _Char(lambda _: True)
        if char in "^$":
            return _Edge(_end if char == "$" else _start)
        if char in "*+?{" and not first:
            raise BadPattern("nothing to repeat")
        if char == "\\":
            char = self._take()
            if not char:
                raise BadPattern("trailing backslash")
            if char in "123456789":
                return self._again(int(char))
            if char in _GNU:
                return _GNU[char]
        return _Char(char.__eq__)

    def _again(self, number: int) -> _Node:
        if number not in self._closed:
            raise BadPattern("invalid back reference")
        return _Again(number)

    def _group(self) -> _Node:
        self.groups += 1
        number = self.groups
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadPattern("too many parentheses in one another")
        branches = self._branches()
        self._depth -= 1
        if self._take() != ")":
            raise BadPattern("unmatched (")
        self._closed.add(number)
        return _Group(number, branches)

    def _bracket(self) -> Callable[[str], bool]:
        inverted = self._peek() == "^"
        if inverted:
            self._take()
        tests: list[Callable[[str], bool]] = []
        first = True
        while first or self._peek() != "]":
            char, first = self._take(), False
            if not char:
                raise BadPattern("unmatched [")
            if char == "[" and self._peek() == ":":
                name, end, _ = self._pattern[self._at + 1 :].partition(":]")
                if not end or name not in _CLASSES:
                    raise BadPattern("invalid character class")
                self._at += len(name) + 3
                tests.append(_CLASSES[name])
            elif self._peek() == "-" and self._pattern[self._at + 1 : self._at + 2] not in ("]", ""):
                self._take()
                tests.append(_between(char, self._take()))
            else:
                tests.append(char.__eq__)
        self._take()
        return lambda c: any(test(c) for test in tests) is not inverted


def _between(low: str, high: str) -> Callable[[str], bool]:
    if high < low:
        raise BadPattern("invalid range end")
    return lambda c: low <= c <= high


class _LongestMatch:
    """Tries all ways, within a number of steps, and keeps the one that ends last."""

    def __init__(self, text: str, count: Callable[[], None]) -> None:
        self._text, self._count = text, count
        self._steps = self._depth = 0
        self.best: Optional[tuple[int, _Groups]] = None

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _STEPS:
            raise BadPattern("it takes too long")
        if not self._steps % _COUNTED:
            self._count()

    def end(self, at: int, groups: _Groups) -> None:
        """Keep a match that ends at ``at``, if it is the longest."""
        if self.best is None or at > self.best[0]:
            self.best = at, groups

    def sequence(self, nodes: Sequence[_Node], at: int, groups: _Groups, then: _Then) -> None:
        if not nodes:
            then(at, groups)
            return
        self.node(nodes[0], at, groups, lambda end, now: self.sequence(nodes[1:], end, now, then))

    def node(self, node: _Node, at: int, groups: _Groups, then: _Then) -> None:
        self._step()
        self._depth += 1
        if self._depth > 120:
            raise BadPattern("it goes too deep")
        if isinstance(node, _Char):
            if at < len(self._text) and node.fits(self._text[at]):
                then(at + 1, groups)
        elif isinstance(node, _Edge):
            if node.holds(self._text, at):
                then(at, groups)
        elif isinstance(node, _Again):
            span = groups[node.number]
            again = None if span is None else self._text[span[0] : span[1]]
            if again is not None and self._text.startswith(again, at):
                then(at + len(again), groups)
        elif isinstance(node, _Group):
            for branch in node.branches:
                self.sequence(branch, at, groups, lambda end, now: then(end, _with(now, node, at, end)))
        else:
            self._repeat(node, at, groups, then, 0)
        self._depth -= 1

    def _repeat(self, node: _Repeat, at: int, groups: _Groups, then: _Then, times: int) -> None:
        if isinstance(node.node, _Char):
            self._repeat_char(node, node.node, at, groups, then)
            return
        if node.most is None or times < node.most:

            def again(end: int, now: _Groups) -> None:
                if end > at or times < node.least:
                    self._repeat(node, end, now, then, times + 1)

            self.node(node.node, at, groups, again)
        if times >= node.least:
            then(at, groups)

    def _repeat_char(self, node: _Repeat, char: _Char, at: int, groups: _Groups, then: _Then) -> None:
        """Repeat a single character without a level of calls for each time."""
        end, most = at, len(self._text) if node.most is None else min(at + node.most, len(self._text))
        while end < most and char.fits(self._text[end]):
            self._step()
            end += 1
        while end >= at + node.least:
            then(end, groups)
            end -= 1


def _with(groups: _Groups, node: _Group, start: int, end: int) -> _Groups:
    return (*groups[: node.number], (start, end), *groups[node.number + 1 :])


def search(pattern: str, text: str, count: Callable[[], None]) -> Optional[list[Optional[str]]]:
    """Find the first match of ``pattern`` in ``text``: what matched, and each group; None without a match.

    ``count`` is called again and again as the search goes on, and may raise what ends it. Raises BadPattern
    for what is no expression, or takes too long.
    """
    if len(pattern) > _PATTERN or len(text) > _TEXT:
        raise BadPattern("it is too long")
    parser = _PatternParser(pattern)
    tree = parser.whole()
    matcher = _LongestMatch(text, count)
    nothing: _Groups = (None,) * (parser.groups + 1)
    for start in range(len(text) + 1):
        matcher.node(tree, start, nothing, matcher.end)
        if matcher.best is not None:
            end, groups = matcher.best
            spans = ((start, end), *groups[1:])
            return [None if span is None else text[span[0] : span[1]] for span in spans]
    return None
