"""The configuration of a Xen domain as xl reads it: names, strings and lists; nothing is executed.

Source: xen tools/libs/util/libxlu_cfg_l.l, libxlu_cfg_y.y and libxlu_cfg.c; xl.cfg(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional, Union

from pypxeboot.errors import UsageError
from pypxeboot.text import printable

MAX_SIZE = 256 * 1024  # bytes; a configuration of many disks has some thousand

Value = Union[str, list["Value"]]

_DEPTH = 100  # lists in lists; xl itself knows of none that nest
_TOKEN = re.compile(
    r"""(?P<skip>[ \t]+)
      | (?P<end>[\n;]|\#[^\n]*\n)
      | (?P<string>"(?:\\[^\n]|[^"\\\n\0])*"|'(?:\\[^\n]|[^'\\\n\0])*')
      | (?P<sign>\+=|[=,\[\]])
      | (?P<name>[a-z][._0-9a-z]*)
      | (?P<number>[0-9][0-9a-fx]*)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LETTERS.update({quote: quote for quote in "'\"\\"})
# What xlu__cfgl_dequote() reads behind a backslash and an octal digit (decimally), and then drops.
_DIGITS = re.compile(r"[ \t\v\f\r]*[+-]?[0-9]+")

_Token = tuple[str, str, int]  # kind, text, line


def parse(text: str) -> dict[str, Value]:
    """Get the settings of ``text`` by name; the last of one name counts. Raises UsageError with the line.

    What xl refuses is refused: a file of Windows, words of Python without quotes.
    """
    reader = _TokenReader(_tokens(text))
    settings: dict[str, Value] = {}
    while reader.more():
        kind, name, line = reader.take()
        if kind == "end":
            continue
        _kind, sign, _line = reader.take()
        if kind != "name" or _kind != "sign" or sign not in ("=", "+="):
            raise UsageError(f"line {line}: no setting (NAME = VALUE)")
        value = reader.value(0)
        before = settings.get(name)
        if sign == "+=" and before is not None:
            if isinstance(before, str) and isinstance(value, str):
                value = before + value
            elif isinstance(before, list) and isinstance(value, list):
                value = before + value
            else:
                raise UsageError(f"line {line}: += joins two lists, or two strings")
        settings[name] = value
        if reader.more() and reader.take()[0] != "end":
            raise UsageError(f"line {line}: more than one value")
    return settings


def texts(value: Value) -> list[str]:
    """Return the strings of a setting that may be one string or a list of them."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def is_true(value: Optional[Value]) -> bool:
    """Whether a setting is a number other than 0, in C's notation, which is how xl has yes and no."""
    if not isinstance(value, str):
        return False
    try:
        return int(value, 8 if re.fullmatch("0[0-7]+", value) else 0) != 0
    except ValueError:
        return False


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            if at == len(text) - 1:  # the lexer meets the end before it can say so
                break
            windows = text[at] == "\r"
            hint = "xl takes no file with line ends of Windows" if windows else None
            raise UsageError(f"line {line}: this is not understood", hint=hint)
        kind, found = match.lastgroup or "", match.group()
        if kind != "skip":
            tokens.append((kind, _unquoted(found, line) if kind == "string" else found, line))
        line += found.count("\n")
        at = match.end()
    return tokens


def _unquoted(text: str, line: int) -> str:
    """Return what a string in quotes stands for, as xlu__cfgl_dequote() has it.

    Of numbers behind a backslash that takes those in hexadecimal never, and makes nothing of the others.
    """
    found, at, end = [], 1, len(text) - 1
    while at < end:
        match = _ESCAPE.match(text, at)
        if match is None:
            found.append(text[at])
            at += 1
            continue
        at, character = match.end(), match[1]
        digits = _DIGITS.match(text, at, min(at + 3, end)) if character in "01234567" else None
        if character in _LETTERS:
            found.append(_LETTERS[character])
        elif digits is not None and len(digits.group()) > 1:
            at = digits.end()
        else:
            raise UsageError(
                f"line {line}: a string has \\{printable(character)} in it, which xl does not take"
            )
    return "".join(found)


class _TokenReader:
    """The tokens, one after the other."""

    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens, self._at = tokens, 0

    def more(self) -> bool:
        return self._at < len(self._tokens)

    def take(self) -> _Token:
        if not self.more():
            raise UsageError("it ends in the middle of a setting")
        self._at += 1
        return self._tokens[self._at - 1]

    def value(self, depth: int) -> Value:
        kind, text, line = self.take()
        if kind in ("string", "number"):
            return text
        if kind != "sign" or text != "[" or depth >= _DEPTH:
            raise UsageError(f"line {line}: no value (a string in quotes, a number or a list)")
        items: list[Value] = []
        while True:
            kind, text, line = self._in_list()
            if text == "]" and kind == "sign":
                return items
            self._at -= 1
            items.append(self.value(depth + 1))
            kind, text, line = self._in_list()
            if kind == "sign" and text == "]":
                return items
            if kind != "sign" or text != ",":
                raise UsageError(f"line {line}: neither a comma nor the end of a list")

    def _in_list(self) -> _Token:
        """Return the next token; lines may end anywhere in a list."""
        token = self.take()
        while token[0] == "end" and token[1] != ";":
            token = self.take()
        return token
