"""Reads binary formats with every bound checked: network messages, DNS names, files with offsets in them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Optional


class Truncated(ValueError):
    """The data end before the format says that they do."""


class BadName(ValueError):
    """The bytes are not a DNS name in the format of RFC 1035."""


class Reader:
    """Reads ``data`` from front to back; a read past the end raises :class:`Truncated`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def remaining(self) -> int:
        """Number of bytes not yet read."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Read the next ``count`` bytes."""
        if count < 0 or count > self.remaining:
            raise Truncated(f"{count} bytes wanted, {self.remaining} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int) -> int:
        """Read the next unsigned big-endian number of ``width`` bytes."""
        return int.from_bytes(self.take(width), "big")

    def rest(self) -> bytes:
        """Read all bytes that are left."""
        return self.take(self.remaining)


_NAME_STEPS = 128  # labels and pointers of one name: 127 labels are the most that 255 octets hold


def dns_name(data: bytes, at: int = 0) -> tuple[tuple[bytes, ...], int]:
    """Return the labels of the DNS name at offset ``at``, and the offset behind it (RFC 1035, 4.1.4).

    Compression pointers are offsets into ``data``. The root is a name without labels. Raises
    :class:`Truncated` where the name runs past the end, :class:`BadName` where it has none, or a label is of
    a type that RFC 1035 reserves.
    """
    labels: list[bytes] = []
    after: Optional[int] = None  # the offset behind the first pointer
    for _ in range(_NAME_STEPS):
        if at >= len(data):
            raise Truncated("a DNS name runs past the end")
        length, at = data[at], at + 1
        if length >= 0xC0:
            if at >= len(data):
                raise Truncated("a pointer in a DNS name is cut short")
            after = at + 1 if after is None else after
            at = (length & 0x3F) << 8 | data[at]
        elif length >= 0x40:
            raise BadName(f"a label of a DNS name has the type {length >> 6}")
        elif at + length > len(data):
            raise Truncated("a label of a DNS name is cut short")
        elif length:
            labels.append(data[at : at + length])
            at += length
        else:
            return tuple(labels), at if after is None else after
    raise BadName("a DNS name does not end")


ReadAt = Callable[[int, int], bytes]
"""``read_at(offset, count)`` returns bytes of a file, fewer where the file ends."""


class FileView:
    """A file whose first bytes (``head``) are in memory; others are read by ``read_at``, if it is given.

    ``size`` is the size of the whole file in bytes.
    """

    def __init__(self, head: bytes, size: int, read_at: Optional[ReadAt] = None) -> None:
        self.head, self.size, self.read_at = head, size, read_at

    def at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes at ``offset``: fewer at the end of the file, or of what can be read."""
        if offset + count <= len(self.head) or self.read_at is None:
            return self.head[offset : offset + count]
        return self.read_at(offset, count)

    def number(self, code: str, offset: int) -> int:
        """Return the number at ``offset``, whose format ``code`` is one of :mod:`struct`; 0 past the end."""
        data = self.at(offset, struct.calcsize(code))
        return int(struct.unpack(code, data)[0]) if len(data) == struct.calcsize(code) else 0
