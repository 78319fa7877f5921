"""Kernels packed in every way."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from typing import Callable

import lz4.block
import zstandard

from pypxeboot.kernel import identify

BOTH = ("xen-pv", "xen-pvh")
MIB = 1 << 20


def lz4_legacy(data: bytes) -> bytes:
    """As the kernel's build has it, with the size of it all behind the last block."""
    blocks = [
        lz4.block.compress(data[at : at + 8 * MIB], store_size=False) for at in range(0, len(data), 8 * MIB)
    ]
    return (
        b"\x02\x21\x4c\x18"
        + b"".join(struct.pack("<I", len(b)) + b for b in blocks)
        + struct.pack("<I", 1 << 30)
    )


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda data: lzma.compress(data, lzma.FORMAT_XZ),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "lz4": lz4_legacy,
}


def image(payload: bytes, *, protocol: int = 0x20F, setup_sects: int = 1, offset: int = 64) -> bytes:
    """A bzImage with ``payload`` as its compressed kernel."""
    start = (setup_sects + 1) * 512
    data = bytearray(start + offset)
    data[0x1F1] = setup_sects
    struct.pack_into("<H2s4sH", data, 0x1FE, 0xAA55, b"\xeb\x66", b"HdrS", protocol)
    struct.pack_into("<LL", data, 0x248, offset, len(payload))
    return bytes(data) + payload


def inspected(data: bytes) -> identify.KernelInfo:
    def read_at(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    return identify.identify_payload(identify.identify(data[: identify.HEAD], len(data), read_at), read_at)
