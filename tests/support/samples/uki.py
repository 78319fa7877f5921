"""Unified kernel images: made here byte by byte, and by objcopy of the stub that systemd has for them."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.ground import tools

STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
_ALIGN = 512


def unified(sections: Sequence[tuple[str, bytes]], *, machine: int = 0x8664, count: int = -1) -> bytes:
    """A program for EFI that has ``sections``, in their order; the stub is a byte of ``.text``."""
    sections = [(".text", b"\xc3"), *sections]
    header = bytearray(b"MZ".ljust(0x80, b"\0"))
    struct.pack_into("<I", header, 0x3C, 0x80)
    count = len(sections) if count < 0 else count
    header += b"PE\0\0" + struct.pack("<HHIIIHH", machine, count, 0, 0, 0, 240, 0x22) + bytes(240)
    at = -(-(len(header) + 40 * len(sections)) // _ALIGN) * _ALIGN
    body = b""
    for name, data in sections:
        padded = data + bytes(-len(data) % _ALIGN)
        header += name.encode().ljust(8, b"\0")
        header += struct.pack("<IIIIIIHHI", len(data), 0x10000 + at, len(padded), at, 0, 0, 0, 0, 0x40000040)
        body, at = body + padded, at + len(padded)
    return bytes(header).ljust(-(-len(header) // _ALIGN) * _ALIGN, b"\0") + body


def of_systemd(directory: Path, sections: Sequence[tuple[str, bytes]]) -> bytes:
    """The image that objcopy makes of systemd's stub and ``sections``, as its manual tells."""
    if not STUB.exists():
        pytest.skip("no stub of systemd (systemd-boot-efi, or systemd-boot-unsigned)")
    words, address = [tools.need("objcopy")], 0x2000000
    for number, (name, data) in enumerate(sections):
        part = directory / f"section{number}"
        part.write_bytes(data)
        words += ["--add-section", f"{name}={part}", "--change-section-vma", f"{name}={address:#x}"]
        address += -(-len(data) // 0x1000) * 0x1000 + 0x1000
    made = directory / "linux.efi"
    subprocess.run([*words, str(STUB), str(made)], check=True, timeout=60)
    return made.read_bytes()
