"""Kernels by their headers."""

from __future__ import annotations

import struct


def bzimage(
    size: int = 4096, protocol: int = 0x20F, setup_sects: int = 1, release: str = "6.1.0 #1"
) -> bytearray:
    data = bytearray(size)
    data[0x1F1] = setup_sects
    data[0x1FE:0x202] = b"\x55\xaa\xeb\x66"
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x206, protocol)
    struct.pack_into("<H", data, 0x20E, 0x100)
    data[0x300 : 0x300 + len(release)] = release.encode()
    struct.pack_into("<HIIII", data, 0x236, 0x7F, 2047, 0, 0, 0)
    return data
