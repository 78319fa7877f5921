"""Kernels to serve: the probe that really boots (tests/data/kernel), and a file that only looks like one."""

from __future__ import annotations

import gzip
import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ground import tools

SOURCE = tools.DATA / "kernel"
_MARK = b"@@PROBE-TAG@@"
_TAG_SIZE = 64
_PAYLOAD = 1536
_FLAGS = "-m32 -march=i386 -Os -ffreestanding -nostdlib -fno-pic -fno-stack-protector -fno-unwind-tables"

SHOWN = 4096
"""Bytes of a ramdisk that the probe prints; its checksum is over all."""

DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0x501,iosize=0x02")
DEBUG_EXIT_STATUS = 0x15 << 1 | 1
"""QEMU's own exit status when the probe came to its end."""


def build(directory: Path) -> bytes:
    """Compile and link the probe kernel in ``directory`` and give the bzImage."""
    objects = []
    for name in ("head.S", "probe.c"):
        objects.append(str(directory / f"{name}.o"))
        _run("gcc", *_FLAGS.split(), "-Wall", "-Werror", "-c", str(SOURCE / name), "-o", objects[-1])
    elf, image = str(directory / "probe.elf"), directory / "bzImage"
    _run("ld", "-m", "elf_i386", "-T", str(SOURCE / "probe.ld"), "-o", elf, *objects)
    _run("objcopy", "-O", "binary", "-j", ".head", elf, str(directory / "head.bin"))
    _run("objcopy", "-O", "binary", "-j", ".body", elf, str(directory / "body.bin"))
    image.write_bytes((directory / "head.bin").read_bytes() + (directory / "body.bin").read_bytes())
    return image.read_bytes()


def build_disk(directory: Path) -> bytes:
    """A disk whose boot sector says ``PROBE disk``, and reboots by the key r, or powers off by p."""
    parts, image = str(directory / "disk.o"), directory / "disk.bin"
    _run("gcc", "-m32", "-c", str(SOURCE / "disk.S"), "-o", parts)
    _run("ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", parts, "-o", str(image))
    return image.read_bytes().ljust(1 << 20, b"\0")


def _run(name: str, *args: str) -> None:
    done = subprocess.run([tools.need(name), *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def tagged(image: bytes, tag: str) -> bytes:
    """The probe kernel that will say ``tag``."""
    at = image.index(_MARK)
    assert len(tag.encode()) < _TAG_SIZE
    return image[:at] + tag.encode().ljust(_TAG_SIZE, b"\0") + image[at + _TAG_SIZE :]


def xen_note(number: int, value: bytes, name: bytes = b"Xen\0") -> bytes:
    """An ELF note, as xen/include/public/elfnote.h numbers them."""
    return struct.pack("<III", len(name), len(value), number) + name + value + bytes(-len(value) % 4)


XEN_PV = xen_note(6, b"linux\0") + xen_note(5, b"xen-3.0\0") + xen_note(8, b"generic\0")
XEN_PVH = xen_note(18, struct.pack("<Q", 0x1000000))


def xen_elf(notes: bytes = XEN_PV + XEN_PVH, before: int = 0) -> bytes:
    """The least ELF kernel that has ``notes``, with ``before`` zeros in front of them."""
    at = 64 + 2 * 56 + before
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x1000000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, at + len(notes), at + len(notes), 4096)
    found = struct.pack("<IIQQQQQQ", 4, 4, at, 0, 0, len(notes), len(notes), 4)
    return header + load + found + bytes(before) + notes


def multiboot_elf() -> bytes:
    """The least ELF file of 32 bits with a multiboot header, as Xen's and tboot's have one."""
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x100060, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    load = struct.pack("<IIIIIIII", 1, 0, 0x100000, 0x100000, 128, 128, 7, 4096)
    body = header + load
    magic, flags = 0x1BADB002, 0
    return (body.ljust(96, b"\0") + struct.pack("<III", magic, flags, -(magic + flags) & 0xFFFFFFFF)).ljust(
        128, b"\0"
    )


def dummy(tag: str) -> bytes:
    """A file with the header of a bzImage and ``tag`` in it: enough for everything but a real boot.

    The kernel in it (gzip) carries the notes of one for PV and PVH guests.
    """
    image = bytearray(2048)
    payload = gzip.compress(xen_elf(), mtime=0)
    image[_PAYLOAD : _PAYLOAD + len(payload)] = payload
    image[0x1F1] = 1  # setup_sects
    struct.pack_into("<L", image, 0x1F4, 64)  # syssize, in paragraphs: the last 1024 bytes
    struct.pack_into("<H2s4sH", image, 0x1FE, 0xAA55, b"\xeb\x66", b"HdrS", 0x020B)
    image[0x211] = 1  # loadflags: LOADED_HIGH
    struct.pack_into("<LL", image, 0x22C, 0x7FFFFFFF, 0x100000)  # initrd_addr_max, kernel_alignment
    struct.pack_into("<L", image, 0x238, 2047)  # cmdline_size
    struct.pack_into("<LL", image, 0x248, _PAYLOAD - 1024, len(payload))
    image[1024 : 1024 + 8 + len(tag.encode())] = b"dummy: " + tag.encode() + b"\0"
    return bytes(image)


@dataclass(frozen=True)
class Said:
    """What the probe kernel said it was handed."""

    tag: str
    cmdline: str
    size: int
    checksum: int
    data: bytes


def checksum(data: bytes) -> int:
    """FNV-1a in 32 bits, as the probe computes it."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def run_probe(argv: Sequence[str], directory: Path, timeout: float = 60) -> Said:
    """Run QEMU (``argv``: its command line so far) until the probe kernel ends it."""
    serial = directory / "serial.txt"
    done = subprocess.run(
        [*argv, "-display", "none", "-no-reboot", "-serial", f"file:{serial}", *DEBUG_EXIT],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    said = serial.read_text("latin-1") if serial.exists() else ""
    assert done.returncode == DEBUG_EXIT_STATUS, f"QEMU: {done.returncode}: {done.stderr}\n{said}"
    found = reports(said)
    assert found, said
    return found[0]


def reports(text: str) -> list[Said]:
    """What probe kernels said, one after the other."""
    pattern = r"PROBE tag=(.*)\nPROBE cmdline=(.*)\nPROBE ramdisk size=(\w+) fnv=(\w+) data=(\w*)\nPROBE end"
    return [
        Said(tag, cmdline, int(size, 16), int(fnv, 16), bytes.fromhex(data))
        for tag, cmdline, size, fnv, data in re.findall(pattern, text)
    ]
