"""Lines, words and numbers as SYSLINUX reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, repeat

from pypxeboot.text import decode

# fgets() with MAX_LINE 4096: "the rest is read as a new line".
LINE_LIMIT = 4095
# Words end at any of SPACE, my_isspace(); between them is skipped what isspace() of its library knows: the
# byte A0, Latin-1's no-break space, too, which cannot begin a character of UTF-8.
_BLANKS = "\b\t\n\v\f\r \udca0"
_WORD = r"([^\x00-\x20\x7f]*)"
_SPLIT = re.compile(f"[{_BLANKS}]*{_WORD}[{_BLANKS}]*(.*)", re.DOTALL)
_COMMAND = re.compile(rf"{_WORD}[\x00-\x20\x7f]*(.*)", re.DOTALL)
_LINE_END = re.compile(rb"[\0\r]")
_NUMBER = re.compile(r"[\x09-\x0d ]*([+-]?[0-9]{1,18})")
_UNSIGNED = re.compile(r"[\x09-\x0d ]*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")


ConfigLine = tuple[int, str, bytes]
"""A line as it is read: its number from 1 as editors count, its text, what stands behind a NUL or CR."""


def numbered_lines(data: bytes) -> Iterator[ConfigLine]:
    """Split a file into lines as fgets() and C strings do: cut at NUL, CR, LF, and at 4095 bytes."""
    plain = data.replace(b"\r\n", b"\n")  # nothing is lost behind such a CR
    if b"\r" in plain or b"\0" in plain:
        return _odd_lines(data)
    texts = decode(plain).split("\n")
    if not texts[-1]:
        texts.pop()
    if len(max(texts, key=len, default="")) > LINE_LIMIT // 4:  # a character has at most four bytes
        return _odd_lines(data)
    return zip(count(1), texts, repeat(b""))


def _odd_lines(data: bytes) -> Iterator[ConfigLine]:
    """Split a file that has long lines in it, NULs, or CRs in the middle of a line."""
    at, number = 0, 1
    while at < len(data):
        end = data.find(b"\n", at, at + LINE_LIMIT)
        end = min(at + LINE_LIMIT, len(data)) if end < 0 else end + 1
        is_ended = data[end - 1] == 10
        piece, lost = data[at : end - 1] if is_ended else data[at:end], b""
        if b"\r" in piece or b"\0" in piece:
            piece, lost = _LINE_END.split(piece, maxsplit=1)
        yield number, decode(piece), lost.strip()
        number += is_ended
        at = end


def lines(data: bytes) -> Iterator[str]:
    """Split a file into the texts of its :func:`numbered_lines`."""
    return (text for _, text, _ in numbered_lines(data))


def split(text: str) -> tuple[str, str]:
    """Split off the first word of ``text``: the word, and what follows the blanks after it, verbatim."""
    return _SPLIT.match(text).groups()  # type: ignore[union-attr, return-value]


def split_command(text: str) -> tuple[str, str]:
    """Split off the first word of a command line: the word, and what follows the blanks after it.

    What begins with a blank begins with an empty word: nothing skips that blank (ldlinux.c, find_command).
    """
    return _COMMAND.match(text).groups()  # type: ignore[union-attr, return-value]


def parse_number(text: str) -> int:
    """Read ``text`` as atoi() does: 0 if it is not a number."""
    match = _NUMBER.match(text)
    return int(match[1]) if match else 0


def parse_unsigned(text: str) -> int:
    """Read ``text`` as strtoul() does with base 0: hexadecimal with ``0x``, octal with ``0``; 32 bits.

    A negative number is what those bits make of it.
    """
    match = _UNSIGNED.match(text)
    if match is None:
        return 0
    digits = match[2].lower()
    if digits.startswith("0x"):
        value = int(digits, 16)
    elif digits.startswith("0"):
        value = int(re.match(r"[0-7]+", digits)[0], 8)  # type: ignore[index]
    else:
        value = int(digits[:20])
    return (-value if match[1] == "-" else value) & 0xFFFFFFFF


def parse_tenths(text: str) -> int:
    """Read a time in tenths of a second, 0 for ever."""
    return max(0, parse_number(text))


def joined(text: str, words: str) -> str:
    """Join ``text`` and ``words`` with one blank between, if there are words."""
    return f"{text} {words}" if words else text
