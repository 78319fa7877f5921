"""Unpacks the payload of a kernel file as it is read: only as far as is asked, and without keeping it.

Compressed data may unpack to anything, so all of it is bounded: the whole output, the output of one step, and
the memory of the decompressor.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import IO, Any, Callable, Protocol, cast

from pypxeboot.wire import ReadAt

MOST = 192 << 20  # in all, going back included; a vmlinux of Debian has 66 MB, with its notes at 24
_WINDOW = 27  # log2; the kernel's own scripts go as far as xz's and zstd's 128 MiB
_MEMORY = (1 << _WINDOW) + (16 << 20)
_PIECE = 1 << 20  # unpacked at a time
_INPUT = 1 << 16
_LZ4_BLOCK = 8 << 20  # every block of lz4's legacy format but the last unpacks to this


class Broken(Exception):
    """The data are damaged: nobody can unpack them. The text says why."""


class Unknown(Exception):
    """The data cannot be unpacked here, though perhaps elsewhere. The text says why."""


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class UnpackedFile:
    """A file that is what the ``size`` bytes at ``start`` of another one unpack to.

    ``kind`` is the compression (a key of :data:`_PIECES`). To go forwards with :meth:`read_at` is cheap; to
    go back unpacks everything anew.
    """

    def __init__(self, kind: str, read_at: ReadAt, start: int, size: int) -> None:
        if kind not in _PIECES:
            raise Unknown(f"nothing here unpacks {kind}")
        self._kind, self._file, self._range = kind, read_at, (start, start + size)
        self._left = MOST
        self._begin()

    def _begin(self) -> None:
        self._pieces = _PIECES[self._kind](self._input())
        self._piece, self._at = b"", 0  # the piece at hand, and where it stands

    def _input(self) -> Iterator[bytes]:
        start, end = self._range
        for at in range(start, end, _INPUT):
            data = self._file(at, min(_INPUT, end - at))
            if not data:
                return
            yield data

    def read_at(self, offset: int, count: int) -> bytes:
        """Return ``count`` bytes at ``offset``, fewer at the end of the data. Raises Broken, Unknown."""
        if offset < self._at:
            self._begin()
        found = bytearray()
        while len(found) < count:
            skip = offset + len(found) - self._at
            found += self._piece[skip : skip + count - len(found)] if skip < len(self._piece) else b""
            if len(found) < count and not self._advance():
                break
        return bytes(found)

    def _advance(self) -> bool:
        try:
            piece = next(self._pieces, b"")
        except (Broken, Unknown):
            raise
        except MemoryError:
            raise Unknown("there is not enough memory to unpack it") from None
        except Exception as why:  # every library has exceptions of its own for data that are not its format
            raise Broken(f"it cannot be unpacked ({self._kind}: {why})") from None
        self._left -= len(piece)
        if self._left < 0:
            raise Unknown(f"it unpacks to more than {MOST >> 20} MiB")
        if piece:
            self._at += len(self._piece)
            self._piece = piece
        return bool(piece)


# ---- one kind each: pieces of input in, pieces of bounded size out


def _decompress(source: Iterator[bytes], decompressor: _Decompressor) -> Iterator[bytes]:
    """Drive a decompressor of bz2 or lzma, which have the same interface."""
    while not decompressor.eof:
        data = next(source, b"") if decompressor.needs_input else b""
        if not data and decompressor.needs_input:
            raise Broken("it is cut short")
        piece = decompressor.decompress(data, _PIECE)
        if piece:
            yield piece


def _gzip(source: Iterator[bytes]) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(31)
    data = b""
    while not decompressor.eof:
        data = data or next(source, b"")
        if not data:
            raise Broken("it is cut short")
        piece = decompressor.decompress(data, _PIECE)
        data = decompressor.unconsumed_tail
        if piece:
            yield piece


def _bzip2(source: Iterator[bytes]) -> Iterator[bytes]:
    import bz2

    return _decompress(source, bz2.BZ2Decompressor())


def _xz(source: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    return _lzma(source, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY))


def _lzma_alone(source: Iterator[bytes]) -> Iterator[bytes]:
    import lzma

    return _lzma(source, lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=_MEMORY))


def _lzma(source: Iterator[bytes], decompressor: _Decompressor) -> Iterator[bytes]:
    import lzma

    try:
        yield from _decompress(source, decompressor)
    except lzma.LZMAError as why:
        if "memory" in str(why).lower():
            raise Unknown(f"more than {_MEMORY >> 20} MiB of memory are needed to unpack it") from None
        raise


def _zstd(source: Iterator[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise Unknown("the Python package zstandard is missing") from None
    # Not its decompressobj(), which gives all that a piece of input unpacks to at once.
    file = cast("IO[bytes]", _InputFile(source))  # of which it only ever reads
    reader = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW).stream_reader(file)
    return iter(lambda: reader.read(_PIECE), b"")


class _InputFile:
    """A file object that reads from an iterator of bytes."""

    def __init__(self, source: Iterator[bytes]) -> None:
        self._source, self._rest = source, b""

    def read(self, size: int = -1) -> bytes:
        self._rest = self._rest or next(self._source, b"")
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.read(size - len(data))
            if not piece:
                break
            data += piece
        return bytes(data)


def _lz4(source: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack lz4's legacy format: the magic, then blocks, each with its size before it."""
    try:
        from lz4 import block
    except ImportError:
        raise Unknown("the Python package lz4 is missing") from None
    return _lz4_blocks(_InputFile(source), block.decompress)


def _lz4_blocks(file: _InputFile, decompress: Callable[..., Any]) -> Iterator[bytes]:
    file.exactly(4)
    while True:
        header = file.exactly(4)
        size = struct.unpack("<I", header)[0] if len(header) == 4 else 0
        # Behind the last block the kernel's build writes how much it all unpacks to: larger than any block.
        if not size or size > _LZ4_BLOCK + _LZ4_BLOCK // 255 + 16:
            return
        data = file.exactly(size)
        if len(data) < size:
            raise Broken("it is cut short")
        yield bytes(decompress(data, uncompressed_size=_LZ4_BLOCK))


_PIECES: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "lzma": _lzma_alone,
    "zstd": _zstd,
    "lz4": _lz4,
}
