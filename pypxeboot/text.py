"""Text from strangers, made safe to print and to use."""

from __future__ import annotations

import re
from typing import Union

# Bytes of the network become text by this codec and back by the same: every byte string survives
# the round trip, and what was UTF-8 is readable.
ENCODING = "utf-8"
ENCODING_ERRORS = "surrogateescape"

# RFC 1123 2.1 host names; underscores are out there in real networks, so they pass.
_DNAME = re.compile(
    r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
)


def decode(data: bytes) -> str:
    """Bytes of the network as text; :func:`encode` gives the same bytes back."""
    return data.decode(ENCODING, ENCODING_ERRORS)


def encode(text: str) -> bytes:
    """The bytes that :func:`decode` made ``text`` of."""
    return text.encode(ENCODING, ENCODING_ERRORS)


def printable(value: Union[str, bytes], limit: int = 200) -> str:
    """``value`` in at most ``limit`` characters, none of which can steer a terminal or forge a log line.

    Controls, escapes, bidirectional overrides and undecodable bytes come out as ``\\x1b``, ``\\u202e``...
    """
    text = decode(value) if isinstance(value, bytes) else value
    cut = text[:limit]
    out = "".join(ch if ch.isprintable() else _escaped(ch) for ch in cut)
    return out[:limit] + "..." if len(text) > limit or len(out) > limit else out


def _escaped(ch: str) -> str:
    number = ord(ch)
    if 0xDC80 <= number <= 0xDCFF:  # a byte that was no UTF-8
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def is_dname(name: str) -> bool:
    """Whether ``name`` can be a host or domain name (letters, digits, ``-``, ``_``, dots)."""
    return _DNAME.fullmatch(name) is not None


def size_text(number: float) -> str:
    """``8.4 MiB`` for a number of bytes."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


SPACE = "".join(map(chr, range(0x21))) + "\x7f"
