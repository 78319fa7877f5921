"""Text from the network and from files: how bytes become text, and how text becomes safe to print."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Union

# The codec between bytes of the network and text: every byte string survives the round trip, and what was
# UTF-8 is readable.
ENCODING = "utf-8"
ENCODING_ERRORS = "surrogateescape"

# RFC 1123 2.1 host names; underscores are out there in real networks, so they pass.
_DNAME = re.compile(
    r"(?=.{1,253}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?"
)


# What editors and web pages leave in a line, where nobody sees it.
_STRANGE = (
    ("\ufeff", "it begins with a byte order mark: save the file without one"),
    ("\u00a0", "a no-break space (U+00A0) stands where a blank should"),
    ("\udcc2", "a no-break space (U+00A0) stands where a blank should"),
    ("\u200b", "it has a blank of no width (U+200B)"),
)


def strange_character(line: str) -> str:
    """Say which character of a line is not what it looks like, and nothing if there is none."""
    return next((why for mark, why in _STRANGE if mark in line), "")


def decode(data: bytes) -> str:
    """Decode bytes of the network; :func:`encode` gives the same bytes back, whatever they are."""
    return data.decode(ENCODING, ENCODING_ERRORS)


def encode(text: str) -> bytes:
    """Encode text to the bytes that :func:`decode` made it of."""
    return text.encode(ENCODING, ENCODING_ERRORS)


def printable(value: Union[str, bytes], limit: int = 200) -> str:
    r"""Return ``value`` in at most ``limit`` characters that cannot steer a terminal or forge a log line.

    Control characters, bidirectional overrides and undecodable bytes come out as ``\x1b``, ``\u202e``; at the
    end ``...`` stands for what is cut off.
    """
    text = decode(value) if isinstance(value, bytes) else value
    if len(text) <= limit and text.isprintable():  # as most are
        return text
    cut = text[:limit]
    if cut.isprintable():
        return cut + "..."
    out = "".join(ch if ch.isprintable() else _escape(ch) for ch in cut)
    return out[:limit] + "..." if len(text) > limit or len(out) > limit else out


def _escape(ch: str) -> str:
    number = ord(ch)
    if 0xDC80 <= number <= 0xDCFF:  # stands for a byte that was not UTF-8
        number -= 0xDC00
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


@lru_cache(maxsize=64)  # the files of ten thousand labels are on one server
def is_dname(name: str) -> bool:
    """Whether ``name`` can be a host or domain name (letters, digits, ``-``, ``_``, dots)."""
    return _DNAME.fullmatch(name) is not None


def size_text(number: float) -> str:
    """Return a number of bytes as text: ``8.4 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} GiB"


SPACE = "".join(map(chr, range(0x21))) + "\x7f"
"""The characters that SYSLINUX takes for white space."""
