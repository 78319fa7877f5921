"""Kernels to serve: the probe that really boots (tests/kernel), and a file that only looks like one."""

from __future__ import annotations

import re
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ground import tools

SOURCE = Path(__file__).resolve().parents[1] / "kernel"
_MARK = b"@@PROBE-TAG@@"
_TAG_SIZE = 64
_FLAGS = "-m32 -march=i386 -Os -ffreestanding -nostdlib -fno-pic -fno-stack-protector -fno-unwind-tables"

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


def _run(name: str, *args: str) -> None:
    done = subprocess.run([tools.need(name), *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def tagged(image: bytes, tag: str) -> bytes:
    """The probe kernel that will say ``tag``."""
    at = image.index(_MARK)
    assert len(tag.encode()) < _TAG_SIZE
    return image[:at] + tag.encode().ljust(_TAG_SIZE, b"\0") + image[at + _TAG_SIZE :]


def dummy(tag: str) -> bytes:
    """A file with the header of a bzImage and ``tag`` in it: enough for everything but a real boot."""
    image = bytearray(2048)
    image[0x1F1] = 1  # setup_sects
    struct.pack_into("<L", image, 0x1F4, 64)  # syssize, in paragraphs: the last 1024 bytes
    struct.pack_into("<H2s4sH", image, 0x1FE, 0xAA55, b"\xeb\x66", b"HdrS", 0x020B)
    image[0x211] = 1  # loadflags: LOADED_HIGH
    struct.pack_into("<LL", image, 0x22C, 0x7FFFFFFF, 0x100000)  # initrd_addr_max, kernel_alignment
    struct.pack_into("<L", image, 0x238, 2047)  # cmdline_size
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
    match = re.search(
        r"PROBE tag=(.*)\nPROBE cmdline=(.*)\nPROBE ramdisk size=(\w+) fnv=(\w+) data=(\w*)\nPROBE end", said
    )
    assert match, said
    return Said(match[1], match[2], int(match[3], 16), int(match[4], 16), bytes.fromhex(match[5]))
