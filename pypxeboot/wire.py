"""A bounds-checked reader of bytes from the network."""

from __future__ import annotations


class Truncated(ValueError):
    """Fewer bytes are there than the format says."""


class Reader:
    """Reads ``data`` from front to back; every read past the end raises :class:`Truncated`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def remaining(self) -> int:
        """Number of bytes not yet read."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count < 0 or count > self.remaining:
            raise Truncated(f"{count} bytes wanted, {self.remaining} left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int) -> int:
        """The next unsigned big-endian number of ``width`` bytes."""
        return int.from_bytes(self.take(width), "big")

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.remaining)
