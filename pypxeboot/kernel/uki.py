"""Unified kernel images (UKI): a kernel, its initrds and its command line, as sections of a program for EFI.

The sections: uapi-group.org, Unified Kernel Image. What is done with them: systemd, src/boot/stub.c. The
table that tells where they are: Microsoft's PE format, and every number in it is a stranger's.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import Refused
from pypxeboot.text import decode, size_text
from pypxeboot.wire import FileView, ReadAt

KERNEL = ".linux"
INITRDS = (".ucode", ".initrd")
"""The sections that make the ramdisk, in their order."""

_SECTIONS = 96  # as many as Windows takes; images have some ten, and one more a profile and device
_CMDLINE = 64 << 10  # bytes; no kernel takes as many
_MACHINES = {0x8664: "x86_64", 0x14C: "i386", 0xAA64: "arm64", 0x1C2: "arm", 0x5064: "riscv64"}
_BLANKS = re.compile(r"[\0-\x1f]")


@dataclass(frozen=True)
class UnifiedImage:
    """Where the sections of an image are, by name: offset and size in bytes; ``cmdline`` is its own."""

    arch: Optional[str]
    sections: Mapping[str, tuple[int, int]]
    cmdline: str

    @property
    def initrds(self) -> tuple[str, ...]:
        """The names of the sections that make the ramdisk, in their order."""
        return tuple(name for name in INITRDS if name in self.sections)

    @property
    def content(self) -> str:
        """What is in it, in words."""
        ramdisks = [f"{name[1:]} ({size_text(self.sections[name][1])})" for name in self.initrds]
        own = ["a command line"] if self.cmdline else []
        parts = [f"kernel ({size_text(self.sections[KERNEL][1])})", *ramdisks, *own]
        return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def read(file: FileView) -> Optional[UnifiedImage]:
    """Return the sections of the image in ``file``, None if it is none. Raises Refused if it is cut short.

    Of an image with several profiles it is the first, as systemd-stub boots it.
    """
    if file.head[:2] != b"MZ":
        return None
    coff = file.number("<I", 0x3C)
    if file.at(coff, 4) != b"PE\0\0":
        return None
    machine, count = file.number("<H", coff + 4), file.number("<H", coff + 6)
    table = coff + 24 + file.number("<H", coff + 20)
    found: dict[str, tuple[int, int]] = {}
    profiles = 0
    for number in range(min(count, _SECTIONS)):
        header = file.at(table + 40 * number, 40)
        if len(header) < 40:
            break
        name = header[:8].rstrip(b"\0").decode("latin-1")
        in_memory, _address, in_file, offset = struct.unpack_from("<IIII", header, 8)
        profiles += name == ".profile"
        if profiles > 1:  # what follows are the sections of the others
            break
        found[name] = offset, min(in_memory, in_file) if in_memory else in_file
    if not found.get(KERNEL, (0, 0))[1]:
        return None
    sections = {name: found[name] for name in (KERNEL, *INITRDS, ".cmdline") if found.get(name, (0, 0))[1]}
    for name, (offset, size) in sections.items():
        if offset + size > file.size:
            raise Refused(f"a unified kernel image (UKI) that is cut short: {name} ends beyond the file")
    offset, size = sections.pop(".cmdline", (0, 0))
    own = decode(file.at(offset, min(size, _CMDLINE)).partition(b"\0")[0])
    return UnifiedImage(_MACHINES.get(machine), sections, _BLANKS.sub(" ", own).strip())


def section(image: UnifiedImage, name: str, read_at: ReadAt) -> ReadAt:
    """Return how the section ``name`` is read, as if it were a file of its own."""
    start, size = image.sections[name]

    def read_section(offset: int, count: int) -> bytes:
        return read_at(start + offset, min(count, size - offset)) if offset < size else b""

    return read_section


def command_line(configured: str, own: str, appended: str) -> str:
    """Return the command line that boots: what an image is called with, or its ``own`` if that is nothing.

    So systemd-stub has it without Secure Boot. What loaders add (BOOT_IMAGE, initrd) is not what somebody
    wrote, and the words of ``--append``, at the end of ``configured``, go behind either.
    """
    words = configured
    if appended and configured.endswith(appended):
        words = configured[: -len(appended)]
    written = [word for word in words.split() if not word.startswith(("BOOT_IMAGE=", "initrd="))]
    return configured if written or not own else " ".join(filter(None, (own, appended)))
