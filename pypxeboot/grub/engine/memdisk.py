"""The disk that is built into a GRUB program, ``(memdisk)``: an archive of tar, or a FAT file system.

``grub-mkstandalone`` makes the one, Debian's and Ubuntu's signed programs have the other. Both are read as
GRUB reads them (fs/tar.c, fs/fat.c), as far as such images go; what is damaged ends where it is.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.text import decode

DEVICE = "memdisk"
_BLOCK = 512
_FILES, _DEPTH = 2000, 16
_FAT_ENTRY = 32
_SECTORS = (512, 1024, 2048, 4096)
_DIRECTORY, _VOLUME, _LONG_NAME = 0x10, 0x08, 0x0F
_LAST_NAME = 0x40
_LONGEST_NAME = 255  # of FAT
_DIGITS = re.compile(b"[0-7]+")


@dataclass
class Memdisk:
    """The files by path, without a slash in front; in FAT (``folds``) case does not count."""

    files: dict[str, bytes] = field(default_factory=dict)
    folds: bool = False
    _sorted: list[str] = field(default_factory=list, repr=False)  # the paths, as they were sorted last

    def get(self, path: str) -> Optional[bytes]:
        """Return a file; None if there is none of that name."""
        return self.files.get(self._key(path))

    def is_directory(self, path: str) -> bool:
        """Whether something is below ``path``."""
        key = self._key(path)
        if len(self._sorted) != len(self.files):
            self._sorted = sorted(self.files)
        at = bisect_left(self._sorted, f"{key}/")
        return not key or any(name.startswith(f"{key}/") for name in self._sorted[at : at + 1])

    def add(self, path: str, data: bytes) -> None:
        """Add a file, up to the number that there may be."""
        if len(self.files) < _FILES:
            self.files[self._key(path)] = data

    def _key(self, path: str) -> str:
        key = "/".join(part for part in path.split("/") if part not in ("", "."))
        return key.casefold() if self.folds else key


def read(image: bytes) -> Memdisk:
    """Return what is on an image; nothing where it is neither of the two."""
    if image[257:262] == b"ustar":
        return _read_tar(image)
    if image[510:512] == b"\x55\xaa":
        return _read_fat(image)
    return Memdisk()


def _read_tar(image: bytes) -> Memdisk:
    found, at, long_name = Memdisk(), 0, ""
    while at + _BLOCK <= len(image) and image[at]:
        header = image[at : at + _BLOCK]
        size = _octal(header[124:136])
        data = image[at + _BLOCK : at + _BLOCK + size]
        kind = header[156:157]
        if kind == b"L":  # GNU's long name, of the member behind it
            long_name = decode(data.partition(b"\0")[0])
        else:
            name, before = decode(header[:100].partition(b"\0")[0]), header[345:500].partition(b"\0")[0]
            if before and header[257:263] == b"ustar\0":
                name = f"{decode(before)}/{name}"
            if kind in (b"0", b"\0"):
                found.add(long_name or name, data)
            long_name = ""
        at += _BLOCK + -(-size // _BLOCK) * _BLOCK
    return found


def _octal(field: bytes) -> int:
    """Return a number, of the digits that a field begins with (read_number() in fs/cpio_common.c)."""
    digits = _DIGITS.match(field.strip(b"\0 "))
    return int(digits[0], 8) if digits else 0


class _Fat:
    """A file system of FAT with 12, 16 or 32 bits."""

    def __init__(self, image: bytes) -> None:
        sector, self._per_cluster, reserved, tables, roots, sectors = struct.unpack_from("<HBHBHH", image, 11)
        (size,) = struct.unpack_from("<H", image, 22)
        (sectors,) = (sectors,) if sectors else struct.unpack_from("<I", image, 32)
        wide = size == 0
        if wide:
            (size,) = struct.unpack_from("<I", image, 36)
        if sector not in _SECTORS or not self._per_cluster:
            raise ValueError("no FAT")
        self._image, self._cluster = image, sector * self._per_cluster
        self._table = reserved * sector
        self._root = self._table + tables * size * sector
        self._root_size = roots * _FAT_ENTRY
        self._data = self._root + -(-self._root_size // sector) * sector
        clusters = (sectors - self._data // sector) // self._per_cluster
        self._bits = 32 if wide else 16 if clusters >= 4085 else 12
        self._first = struct.unpack_from("<I", image, 44)[0] if wide else 0
        self._budget = len(image) // self._cluster * 2 + 2  # clusters that are read, those of loops included

    def root(self) -> bytes:
        """Return the root directory."""
        if self._bits == 32:
            return self.chain(self._first)
        return self._image[self._root : self._root + self._root_size]

    def chain(self, cluster: int) -> bytes:
        """Return what stands in the chain that begins with ``cluster``."""
        pieces = []
        while 2 <= cluster < (0x0FFFFFF8 if self._bits == 32 else (1 << self._bits) - 8) and self._budget:
            self._budget -= 1
            at = self._data + (cluster - 2) * self._cluster
            pieces.append(self._image[at : at + self._cluster])
            cluster = self._next(cluster)
        return b"".join(pieces)

    def _next(self, cluster: int) -> int:
        at = self._table + cluster * self._bits // 8
        entry = int.from_bytes(self._image[at : at + (4 if self._bits == 32 else 2)], "little")
        if self._bits == 12:
            return entry >> 4 if cluster & 1 else entry & 0xFFF
        return entry & 0x0FFFFFFF


def _read_fat(image: bytes) -> Memdisk:
    found = Memdisk(folds=True)
    try:
        file_system = _Fat(image)
        _read_directory(file_system, file_system.root(), "", found, 0)
    except (struct.error, ValueError):
        pass
    return found


def _read_directory(file_system: _Fat, directory: bytes, path: str, found: Memdisk, depth: int) -> None:
    for name, attributes, cluster, size in _members(directory):
        if attributes & _DIRECTORY:
            if depth < _DEPTH:
                _read_directory(file_system, file_system.chain(cluster), f"{path}{name}/", found, depth + 1)
        else:
            found.add(f"{path}{name}", file_system.chain(cluster)[:size])


def _members(directory: bytes) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, attributes, first cluster and size of each member."""
    long_name = ""
    for at in range(0, len(directory) - _FAT_ENTRY + 1, _FAT_ENTRY):
        entry = directory[at : at + _FAT_ENTRY]
        if not entry[0]:
            return
        attributes = entry[11]
        if attributes == _LONG_NAME and entry[0] != 0xE5:
            piece = (entry[1:11] + entry[14:26] + entry[28:32]).decode("utf-16-le", "replace")
            before = "" if entry[0] & _LAST_NAME else long_name
            long_name = (piece.partition("\0")[0] + before)[:_LONGEST_NAME]
            continue
        base, extension = decode(entry[:8]).rstrip(), decode(entry[8:11]).rstrip()
        name, long_name = long_name or (f"{base}.{extension}" if extension else base), ""
        if entry[0] == 0xE5 or attributes & _VOLUME or name in (".", ".."):
            continue
        high, low, size = struct.unpack("<H4xHI", entry[20:32])
        yield name, attributes, high << 16 | low, size
