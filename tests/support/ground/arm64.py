"""A kernel of arm64 to serve, in the forms that there are, and what it says when it runs."""

from __future__ import annotations

import gzip
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ground import kernels, tools

_TAG_SIZE = 64
_HEADER = 40
_PREFIX = "aarch64-linux-gnu-"


def build(directory: Path) -> bytes:
    """Assemble the probe kernel in ``directory`` and give the Image."""
    steps = (
        ("as", "-o", "probe.o", str(kernels.SOURCE / "arm64.S")),
        ("ld", "-Ttext=0", "-o", "probe.elf", "probe.o"),
        ("objcopy", "-O", "binary", "probe.elf", "Image"),
    )
    for name, *words in steps:
        program = tools.need(_PREFIX + name)
        done = subprocess.run([program, *words], cwd=directory, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    return (directory / "Image").read_bytes()


def zboot(image: bytes) -> bytes:
    """``image`` in an EFI program that would unpack itself (zboot-header.S)."""
    packed = gzip.compress(image, mtime=0)
    header = bytearray(0x1000)
    struct.pack_into("<2sxx4sIIxxxxxxxx8s", header, 0, b"MZ", b"zimg", len(header), len(packed), b"gzip")
    struct.pack_into("<I", header, 0x3C, 0x40)
    struct.pack_into("<4sH", header, 0x40, b"PE\0\0", 0xAA64)
    return bytes(header) + packed


@dataclass(frozen=True)
class Said:
    """What the kernel said it was handed."""

    tag: str
    cmdline: str
    ramdisk: int  # its size


def run(argv: Sequence[str], directory: Path, timeout: float = 120) -> Said:
    """Run QEMU (``argv``: its command line so far) until the kernel ends it."""
    serial = directory / "serial.bin"
    done = subprocess.run(
        [*argv, "-display", "none", "-no-reboot", "-serial", f"file:{serial}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    data = serial.read_bytes() if serial.exists() else b""
    assert done.returncode == 0 and len(data) > _TAG_SIZE + _HEADER, f"QEMU: {done.stderr}\n{data[:200]!r}"
    found = properties(data[_TAG_SIZE:])
    start, end = (int.from_bytes(found.get(f"linux,initrd-{name}", b""), "big") for name in ("start", "end"))
    tag = data[:_TAG_SIZE].rstrip(b"\0").decode()
    return Said(tag, found.get("bootargs", b"").rstrip(b"\0").decode(), end - start)


def properties(data: bytes) -> dict[str, bytes]:
    """The properties of /chosen in a device tree: header, structure and strings one behind the other."""
    magic, *_, strings_size, struct_size = struct.unpack_from(">10I", data)
    assert magic == 0xD00DFEED
    block = data[_HEADER : _HEADER + struct_size]
    strings = data[_HEADER + struct_size :][:strings_size]
    found, path, at = {}, [], 0
    while True:
        (token,) = struct.unpack_from(">I", block, at)
        at += 4
        if token == 1:  # a node begins
            name = block[at : block.index(b"\0", at)]
            path.append(name)
            at += (len(name) + 4) & ~3
        elif token == 2:
            path.pop()
        elif token == 3:  # a property
            size, where = struct.unpack_from(">II", block, at)
            if path == [b"", b"chosen"]:
                name = strings[where : strings.index(b"\0", where)]
                found[name.decode()] = block[at + 8 : at + 8 + size]
            at += 8 + ((size + 3) & ~3)
        elif token == 9:
            return found
