"""ELF files as kernels, and the notes that tell Xen how it can boot one.

ELF notes: xen/include/public/elfnote.h; who boots what: xen/common/libelf/libelf-dominfo.c (also libxl's) and
QEMU's hw/i386/x86-common.c.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple, Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import Refused
from pypxeboot.wire import FileView, Reader, Truncated

_NOTES = 64 * 1024  # of one note segment; that of Linux has some hundred bytes
_TABLE = 128  # program or section headers; Linux has five or six, vmlinux about 50 sections
_MACHINES = {3: "i386", 62: "x86_64", 183: "arm64", 243: "riscv64", 40: "arm", 21: "ppc64", 22: "s390x"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _SHT_NOTE = 1, 2, 3, 4, 7
_XEN_VERSION, _XEN_GUEST_OS, _XEN_LOADER, _XEN_PAE_MODE, _XEN_PHYS32_ENTRY = 5, 6, 8, 9, 18


class _Part(NamedTuple):
    """A segment or a section; ``name`` is the offset of a section's name in the table of names."""

    kind: int
    offset: int
    size: int
    name: int


@dataclass(frozen=True)
class ElfKernel:
    """What an ELF file says of itself as a kernel.

    ``arch`` is None for a processor that has no guests here. ``notes`` are those named Xen, by their number;
    ``guest_info`` is the text that NetBSD had in their place.
    """

    arch: Optional[str]
    notes: dict[int, bytes] = field(default_factory=dict)
    guest_info: bytes = b""

    @property
    def pv(self) -> bool:
        """Whether it boots as a PV guest."""
        if self.arch not in ("i386", "x86_64"):
            return False
        system, loader, version, pae = (
            self.notes.get(number, b"")
            for number in (_XEN_GUEST_OS, _XEN_LOADER, _XEN_VERSION, _XEN_PAE_MODE)
        )
        if not self.notes:
            info = dict(pair.partition(b"=")[::2] for pair in self.guest_info.strip(b"\0").split(b","))
            words = (b"GUEST_OS", b"LOADER", b"XEN_VER", b"PAE")
            system, loader, version, pae = (info.get(word, b"") for word in words)
        # No Xen since 4.3 has guests of 32 bits without PAE ("guest type xen-3.0-x86_32 not supported").
        if self.arch == "i386" and not pae.startswith((b"yes", b"bimodal")):
            return False
        known = system.startswith(b"linux") or loader.startswith(b"generic")
        return known and version.startswith(b"xen-3.0")

    @property
    def pvh(self) -> bool:
        """Whether it has the entry of PVH, which QEMU and other monitors use as well."""
        return self.arch in ("i386", "x86_64") and _XEN_PHYS32_ENTRY in self.notes


def read(file: FileView) -> ElfKernel:
    """Read an ELF file as a kernel. Raises Refused for one that cannot be a kernel."""
    head = file.head
    if len(head) < 64 or head[4] not in (1, 2) or head[5] not in (1, 2):
        raise Refused("not a kernel: it looks like an ELF file, but its header is broken")
    order = "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", head, 16)
    if kind not in (2, 3):
        raise Refused("not a kernel: it looks like an ELF file that cannot be started (an object file?)")
    segments = _segments(file, order)
    arch = _MACHINES.get(machine)
    if arch in ("i386", "x86_64") and any(part.kind in (_PT_DYNAMIC, _PT_INTERP) for part in segments):
        raise Refused("not a kernel: it looks like a program, a library or a COM32 module")
    # As libelf: sections count where no segment has a note, and NetBSD's text where there is no note at all.
    notes = _notes(file, (part for part in segments if part.kind == _PT_NOTE and part.offset), order)
    if notes:
        return ElfKernel(arch, notes)
    sections = _sections(file, order)
    notes = _notes(file, (part for part in sections if part.kind == _SHT_NOTE), order)
    return ElfKernel(arch, notes, b"" if notes else _guest_info(file, sections, order))


def _segments(file: FileView, order: str) -> list[_Part]:
    """Read the program headers. Raises Refused if they are broken, or if the file is cut short."""
    wide = file.head[4] == 2
    start = file.number(order + "Q", 32) if wide else file.number(order + "I", 28)
    step, count = struct.unpack_from(order + "HH", file.head, 54 if wide else 42)
    # Fields of a program header: type, offset, file size.
    fields = ((0, "I"), (8, "Q"), (32, "Q")) if wide else ((0, "I"), (4, "I"), (16, "I"))
    if not count or count > _TABLE or step < (56 if wide else 32):
        raise Refused("not a kernel: it looks like an ELF file with broken program headers")
    if start + count * step > file.size:
        raise Refused("not a kernel: it looks like an ELF file that is cut short")
    segments = _table(file.at(start, count * step), step, (*fields, (0, "I")), order)
    if any(part.kind == _PT_LOAD and part.offset + part.size > file.size for part in segments):
        raise Refused("not a kernel: it looks like an ELF file that is cut short")
    return segments


def _sections(file: FileView, order: str) -> list[_Part]:
    """Read the section headers; none where there are too many for a kernel."""
    wide = file.head[4] == 2
    start = file.number(order + "Q", 40) if wide else file.number(order + "I", 32)
    step, count = struct.unpack_from(order + "HH", file.head, 58 if wide else 46)
    fields = ((4, "I"), (24, "Q"), (32, "Q")) if wide else ((4, "I"), (16, "I"), (20, "I"))
    if not count or count > _TABLE or step < (64 if wide else 40):
        return []
    return _table(file.at(start, count * step), step, (*fields, (0, "I")), order)


def _table(data: bytes, step: int, fields: tuple[tuple[int, str], ...], order: str) -> list[_Part]:
    table = FileView(data, len(data))
    rows = range(0, len(data) - step + 1, step)
    return [_Part(*(table.number(order + code, at + where) for where, code in fields)) for at in rows]


def _notes(file: FileView, parts: Iterator[_Part], order: str) -> dict[int, bytes]:
    notes: dict[int, bytes] = {}
    for part in parts:
        if part.size <= _NOTES:
            notes = {**_xen_notes(file.at(part.offset, part.size), order), **notes}
    return notes


def _xen_notes(data: bytes, order: str) -> dict[int, bytes]:
    """Return number and value of the notes named Xen; a broken note ends the list."""
    reader = Reader(data)
    notes: dict[int, bytes] = {}
    try:
        while reader.remaining >= 12:
            name_size, size, number = struct.unpack(order + "III", reader.take(12))
            name = reader.take(name_size)
            reader.take(min(-name_size % 4, reader.remaining))
            value = reader.take(size)
            reader.take(min(-size % 4, reader.remaining))
            if name.rstrip(b"\0") == b"Xen":
                notes.setdefault(number, value)
    except Truncated:
        pass
    return notes


def _guest_info(file: FileView, sections: list[_Part], order: str) -> bytes:
    """Return the section ``__xen_guest``, which kernels had before there were notes: KEY=VALUE,..."""
    at = struct.unpack_from(order + "H", file.head, 62 if file.head[4] == 2 else 50)[0]
    if at >= len(sections):
        return b""
    wanted, names = b"__xen_guest\0", sections[at]
    for part in sections:
        if file.at(names.offset + part.name, len(wanted)) == wanted:
            return file.at(part.offset, min(part.size, _NOTES))
    return b""
