"""What is built into a GRUB program: its prefix, and perhaps a configuration and a disk (util/mkimage.c).

The program is a kernel with modules behind it, and these are some of those "modules". That of a BIOS is
compressed as a whole.
"""

from __future__ import annotations

import lzma
import re
import struct
from collections.abc import Iterator
from itertools import islice
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.grub.engine import memdisk
from pypxeboot.grub.engine.memdisk import Memdisk
from pypxeboot.text import decode

# Signed programs with all modules have 4 MB.
LIMIT = 16 << 20
# What a BIOS loads ends below the video memory (util/mkimage.c, "core image is too big").
_PACKED, _UNPACKED = 0x78000, 8 << 20
_WORK = 4 * _UNPACKED  # bytes that are unpacked in all until the right start is found
_PIECE = 64 << 10
_MAGIC = b"mimg"
_MEMDISK, _CONFIG, _PREFIX = 1, 2, 3  # OBJ_TYPE_...
_CONFIG_LIMIT = 64 << 10
_MODULES = 2000
_LOOKS = 64  # places that look like the start of something; a program has one or two
# The start of the decompressor of a BIOS: a far jump within 0:8200 (boot/i386/pc/startup_raw.S).
_BIOS_START = re.compile(rb"\xea.\x82\x00\x00", re.DOTALL)
_LZMA = [{"id": lzma.FILTER_LZMA1, "lc": 3, "lp": 0, "pb": 2, "dict_size": 1 << 16}]
_ALIGNED = 512


@dataclass(frozen=True)
class BuiltIn:
    """What a program has in itself: ``prefix``, perhaps with a device in front, and the files of ``memdisk``.

    ``config`` runs before the configuration is looked for.
    """

    prefix: str
    config: str = ""
    memdisk: Optional[Memdisk] = None


def built_in(data: bytes) -> Optional[BuiltIn]:
    """Return what is built into a program; None where there is no prefix, as in what is none."""
    for image in (data, *_unpacked(data)):
        found: dict[int, bytes] = {}
        for kind, start, end in _modules(image):
            if kind not in found:
                found[kind] = image[start:end]
        prefix, config = (decode(found.get(kind, b"").partition(b"\0")[0]) for kind in (_PREFIX, _CONFIG))
        if prefix:
            disk = memdisk.read(found[_MEMDISK]) if _MEMDISK in found else None
            return BuiltIn(prefix, config[:_CONFIG_LIMIT], disk)
    return None


def _modules(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield type, start and end of what stands behind the kernel, for 64 bits and for 32."""
    for match in islice(re.finditer(_MAGIC, data), _LOOKS):
        start = match.start()
        for form in ("<IIQQ", "<III"):
            if start + struct.calcsize(form) > len(data):
                continue
            offset, size = struct.unpack_from(form, data, start)[-2:]
            if struct.calcsize(form) <= offset < size <= len(data):
                yield from _headers(data, start + offset, min(start + size, len(data)))


def _headers(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    for _ in range(_MODULES):
        if at + 8 > end:
            return
        kind, size = struct.unpack_from("<II", data, at)
        if size < 8:
            return
        yield kind, at + 8, min(at + size, end)
        at += size


def _unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what is compressed in a program for a BIOS: its last bytes, as many as it says."""
    left = _WORK
    for match in islice(_BIOS_START.finditer(data[: 64 << 10]), _LOOKS):
        if match.start() + 16 > len(data):
            continue
        size, unpacked = struct.unpack_from("<II", data, match.start() + 8)
        if not 0 < size < min(len(data), _PACKED) or not size < unpacked <= _UNPACKED:
            continue
        for start in range(len(data) - size, max(len(data) - size - _ALIGNED, match.start()), -1):
            if data[start]:  # the first byte of LZMA is 0
                continue
            found = _decompressed(data[start : start + _PACKED], min(unpacked, left))
            if _MAGIC in found:
                yield found
                return
            left -= len(found) + _PIECE  # one that is no LZMA costs, too
            if left <= 0:
                return


def _decompressed(data: bytes, size: int) -> bytes:
    """Return at most ``size`` bytes of what is compressed; those in front of damage where it is damaged."""
    reader = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_LZMA)
    found = bytearray()
    try:
        while len(found) < size:
            piece = reader.decompress(data, min(_PIECE, size - len(found)))
            if not piece:
                break
            found += piece
            data = b""
    except lzma.LZMAError:
        pass
    return bytes(found)
