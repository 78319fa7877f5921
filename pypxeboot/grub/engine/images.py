"""What is loaded to be booted: a kernel with its initrds or modules, or the way to the guest's own disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.entry import Module
from pypxeboot.kernel.cpio import ALIGN
from pypxeboot.text import encode
from pypxeboot.url import Location

RamdiskPart = Union[int, bytes]


@dataclass(frozen=True)
class GrubInitrd:
    """A file of the initrd: where it is, its handle and size; ``path`` is where it is unpacked to."""

    location: Location
    handle: Optional[int]
    size: int = 0
    path: Optional[bytes] = None


@dataclass
class Kernel:
    """A kernel that is loaded; ``kind`` is linux, linux16, multiboot, multiboot2 or image (UKI).

    ``handle`` is None in a list, for which nothing is downloaded.
    """

    kind: str
    location: Location
    handle: Optional[int]
    cmdline: str
    initrds: Sequence[GrubInitrd] = ()
    modules: list[tuple[Module, Optional[int]]] = field(default_factory=list)

    @property
    def handles(self) -> Iterator[int]:
        """All files of it."""
        found = [self.handle, *(file.handle for file in self.initrds), *(one[1] for one in self.modules)]
        return (handle for handle in found if handle is not None)


@dataclass(frozen=True)
class Program:
    """A program in place of a kernel: ``location`` is on a server; None: it is on the guest's disk."""

    location: Optional[Location]


@dataclass
class LoadedImages:
    """What is loaded now. ``takes`` is the kind of kernel that initrds or modules may be added to."""

    loaded: Union[Kernel, Program, None] = None
    takes: str = ""


def size_of_initrds(files: Sequence[GrubInitrd]) -> int:
    """Return the size of all initrds together, in bytes."""
    return sum(file.size for file in files)


def ramdisk(files: Sequence[GrubInitrd]) -> tuple[RamdiskPart, ...]:
    """Return the parts of the ramdisk that GRUB makes of ``files`` (loader/linux.c).

    Files begin at multiples of 4 bytes; files with a path are wrapped in an archive, which has its end before
    the next file without one.
    """
    parts: list[RamdiskPart] = []
    directories: list[bytes] = []
    size, wraps = 0, False
    for file in files:
        if size % ALIGN:
            parts.append(bytes(-size % ALIGN))
        if file.path is not None:
            parts += _directories(file.path, directories)
            parts.append(_header(file.path, 0o100777, file.size))
            wraps = True
        elif wraps:
            parts.append(_TRAILER)
            directories.clear()
            wraps = False
        if file.handle is not None:
            parts.append(file.handle)
        size = file.size
    if wraps:
        parts += [bytes(-size % ALIGN), _TRAILER]
    return tuple(part for part in parts if part != b"")


def _header(name: bytes, mode: int, size: int) -> bytes:
    """Return the header of a member. GRUB counts no NUL at the end of the name, and has none there."""
    # ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
    fields = (0, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name), 0)
    text = b"070701" + b"".join(b"%08x" % value for value in fields) + name
    return text + bytes(-len(text) % ALIGN)


_TRAILER = _header(b"TRAILER!!!", 0, 0)


def _directories(path: bytes, known: list[bytes]) -> Iterator[bytes]:
    """Yield the headers of the directories above ``path`` that GRUB writes.

    Its search for those that are there already takes another name, no longer than this one, for the same
    (``insert_dir``), and never finds the same: so the archive has some twice, and lacks others.
    """
    at, start = 0, 0
    while True:
        while path[start : start + 1] == b"/":
            start += 1
        end = path.find(b"/", start)
        if end < 0:
            return
        name = path[start:end]
        found = next(
            (n for n in range(at, len(known)) if known[n] != name and len(known[n]) <= len(name)), None
        )
        if found is None:
            known.insert(0, name)
            found = 0
            yield _header(path[:end], 0o40777, 0)
        at, start = found + 1, end


def linux_cmdline(words: Sequence[str], room: int) -> str:
    """Return the command line of ``linux``: its words, quoted again; what does not fit is left out.

    ``room`` is how many bytes the kernel takes, the NUL counted in (lib/cmdline.c).
    """
    found = []
    prefix = "BOOT_IMAGE="
    room -= len(prefix)
    for quoted in map(_quoted, words):
        room -= len(encode(quoted)) + 1
        if room < 0:
            break
        found.append(quoted)
    return prefix + " ".join(found)


def joined(words: Sequence[str]) -> str:
    """Return the command line of a multiboot kernel or module: its words, quoted again."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    escaped = "".join(f"\\{char}" if char in "\\'\"" else char for char in word)
    return f'"{escaped}"' if " " in word else escaped
