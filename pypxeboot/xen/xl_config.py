"""The configuration of a Xen domain as xl reads it: names, strings and lists; nothing is executed.

Source: xen tools/libs/util/libxlu_cfg_l.l, libxlu_cfg_y.y and libxlu_cfg.c; xl.cfg(5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Union

from pypxeboot.errors import UsageError

MAX_SIZE = 256 * 1024  # bytes; a configuration of many disks has some thousand

Value = Union[str, list["Value"]]

_DEPTH = 8  # lists in lists; xl itself knows of none that nest
_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r]+|\#[^\n]*|\\\r?\n)
      | (?P<end>[\n;])
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<sign>\+=|[=,\[\]])
      | (?P<word>[A-Za-z0-9_.][A-Za-z0-9_.+:/-]*)""",
    re.VERBOSE,
)
# A backslash in a string: C's letters, octal and hexadecimal numbers, or the character itself.
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_Token = tuple[str, str, int]  # kind, text, line


def parse(text: str) -> dict[str, Value]:
    """Get the settings of ``text`` by name; the last of one name counts. Raises UsageError with the line."""
    reader = _TokenReader(_tokens(text))
    settings: dict[str, Value] = {}
    while reader.more():
        kind, name, line = reader.take()
        if kind == "end":
            continue
        _kind, sign, _line = reader.take()
        if kind != "word" or sign not in ("=", "+="):
            raise UsageError(f"line {line}: no setting (NAME = VALUE)")
        value = reader.value(0)
        before = settings.get(name)
        if sign == "+=" and before is not None:
            if isinstance(before, str) or isinstance(value, str):
                raise UsageError(f"line {line}: += is for lists")
            value = before + value
        settings[name] = value
        if reader.more() and reader.take()[0] != "end":
            raise UsageError(f"line {line}: more than one value")
    return settings


def texts(value: Value) -> list[str]:
    """Return the strings of a setting that may be one string or a list of them."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise UsageError(f"line {line}: this is not understood")
        kind, found = match.lastgroup or "", match.group()
        if kind != "skip":
            tokens.append((kind, _unquoted(found) if kind == "string" else found, line))
        line += found.count("\n")
        at = match.end()
    return tokens


def _unquoted(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        octal, hexadecimal, other = match.groups()
        if other is not None:
            return _LETTERS.get(other, other)
        return chr(int(octal, 8) & 0xFF if octal else int(hexadecimal, 16))

    return _ESCAPE.sub(character, text[1:-1])


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
        if kind in ("string", "word"):
            return text
        if text != "[" or depth >= _DEPTH:
            raise UsageError(f"line {line}: no value")
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
        while token[0] == "end":
            token = self.take()
        return token
