"""Kernels inside kernel files: what can boot them, and that none costs more than it may."""

from __future__ import annotations

import gzip
import lzma
import random
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Optional

import pytest
import zstandard

from pypxeboot.errors import Refused
from pypxeboot.kernel import identify, unpack
from tests.support.ground import tools
from tests.support.ground.kernels import XEN_PV, XEN_PVH, xen_elf, xen_note
from tests.support.samples.packed_kernels import BOTH, MIB, PACK, image, inspected


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("before", [0, 40 * MIB])
def test_every_compression(kind: str, before: int) -> None:
    info = inspected(image(PACK[kind](xen_elf(before=before))))
    assert (info.format, info.payload, info.boots, info.unread) == ("bzImage", kind, (*BOTH, "qemu"), "")


@pytest.mark.parametrize(
    ("notes", "boots"),
    [
        (XEN_PV, ("xen-pv", "qemu")),
        (XEN_PVH, ("xen-pvh", "qemu")),
        (b"", ("qemu",)),
        (xen_note(18, bytes(8), b"GNU\0"), ("qemu",)),
        (xen_note(6, b"linux\0") + xen_note(5, b"xen-2.0\0"), ("qemu",)),
    ],
)
def test_by_the_notes(notes: bytes, boots: tuple[str, ...]) -> None:
    assert inspected(image(gzip.compress(xen_elf(notes)))).boots == boots


def test_before_it_is_unpacked_nothing_is_said_of_xen() -> None:
    data = image(gzip.compress(xen_elf()))
    info = identify.identify(data, len(data))
    assert info.boots == ("qemu",) and info.unread
    identify.check_xen(info, "k", ("xen-pv",))


def test_a_whole_kernel_in_gzip() -> None:
    assert inspected(gzip.compress(xen_elf())).boots == BOTH
    arm = bytearray(128)
    arm[0x38:0x3C] = b"ARM\x64"
    assert inspected(gzip.compress(bytes(arm))).boots == ("xen-pvh", "qemu")
    info = inspected(gzip.compress(b"#!/bin/sh\n" * 99))
    assert info.boots == () and "a script" in info.broken


def test_sections_count_where_no_segment_has_notes() -> None:
    """Their headers stand at the end, behind the notes: it is unpacked from its start once more."""
    data = bytearray(xen_elf(b"", before=3 * MIB))
    struct.pack_into("<I", data, 64 + 56, 0)
    at = len(data)
    data += XEN_PVH
    struct.pack_into("<Q", data, 40, len(data))
    struct.pack_into("<HH", data, 58, 64, 1)
    data += struct.pack("<IIQQQQIIQQ", 0, 7, 0, 0, at, len(XEN_PVH), 0, 0, 4, 0)
    assert inspected(image(PACK["xz"](bytes(data)))).boots == ("xen-pvh", "qemu")


def test_what_netbsd_said_before_there_were_notes() -> None:
    text = (
        b"GUEST_OS=netbsd,GUEST_VER=4.99,XEN_VER=xen-3.0,LOADER=generic,VIRT_BASE=0xc0000000,BSD_SYMTAB=yes\0"
    )
    names = b"\0__xen_guest\0.shstrtab\0"
    data = bytearray(xen_elf(b""))
    at = len(data)
    data += text + names
    struct.pack_into("<Q", data, 40, len(data))
    struct.pack_into("<HHH", data, 58, 64, 2, 1)
    data += struct.pack("<IIQQQQIIQQ", 1, 1, 0, 0, at, len(text), 0, 0, 4, 0)
    data += struct.pack("<IIQQQQIIQQ", 13, 3, 0, 0, at + len(text), len(names), 0, 0, 4, 0)
    assert inspected(gzip.compress(bytes(data))).boots == ("xen-pv",)
    assert inspected(gzip.compress(bytes(data).replace(b"xen-3.0", b"xen-2.0"))).boots == ()


@pytest.mark.parametrize(
    ("mode", "pv"), [(None, False), (b"no\0", False), (b"yes\0", True), (b"bimodal\0", True)]
)
def test_32_bits_need_pae(mode: Optional[bytes], pv: bool) -> None:
    data = bytearray(xen_elf(XEN_PV + XEN_PVH + (b"" if mode is None else xen_note(9, mode))))
    struct.pack_into("<H", data, 18, 3)  # EM_386
    assert ("xen-pv32" in inspected(bytes(data)).boots) is pv
    assert "xen-pvh" in inspected(bytes(data)).boots and "xen-pv" not in inspected(bytes(data)).boots


def kernel_of_32_bits(*, pvh: bool = False) -> bytes:
    data = bytearray(xen_elf(XEN_PV + xen_note(9, b"yes\0") + (XEN_PVH if pvh else b"")))
    struct.pack_into("<H", data, 18, 3)  # EM_386
    return bytes(data)


def test_32_bits_are_judged_by_what_the_hypervisor_can() -> None:
    info = inspected(kernel_of_32_bits())
    identify.check_xen(info, "k", ("xen-pv", "xen-pv32"))
    with pytest.raises(Refused, match="cannot boot as PV: it has 32 bits, and this Xen runs no") as raised:
        identify.check_xen(info, "k", ("xen-pv",))
    assert "pvshim=1" in str(raised.value.hint)
    with pytest.raises(Refused, match="cannot boot as PVH: it boots as PV only"):
        identify.check_xen(info, "k", ("xen-pvh",))
    identify.check_xen(inspected(kernel_of_32_bits(pvh=True)), "k", ("xen-pvh",))


def test_a_guest_with_pvshim_wants_pv() -> None:
    with pytest.raises(Refused, match="cannot boot as PV: it boots as PVH only") as raised:
        identify.check_xen(inspected(bytes(xen_elf(XEN_PVH))), "k", ("xen-pv", "xen-pv32"))
    assert "pvshim=1 wants PV" in str(raised.value.hint)


# ---- what Xen refuses, and what is not known


@pytest.mark.parametrize(
    ("data", "wanted", "says"),
    [
        (image(gzip.compress(xen_elf(XEN_PVH))), ("xen-pv",), "cannot boot as PV: it boots as PVH only"),
        (image(gzip.compress(xen_elf(XEN_PV))), ("xen-pvh",), "cannot boot as PVH: it boots as PV only"),
        (image(gzip.compress(xen_elf(b""))), BOTH, "cannot boot as PV or PVH: it says nothing of Xen"),
        (image(b"\xff" * 99), ("xen-pv",), "compressed in no way that Xen knows"),
        (image(gzip.compress(xen_elf()), protocol=0x207), ("xen-pv",), "compressed in no way"),
        (image(xen_elf()), ("xen-pv",), "compressed in no way"),
        (image(gzip.compress(xen_elf()), setup_sects=255)[:2000], ("xen-pv",), "compressed in no way"),
        (image(gzip.compress(b"text")), ("xen-pv",), "not an ELF file"),
        (bytes(xen_elf(b"")), ("xen-pv",), "it says nothing of Xen"),
    ],
)
def test_38_kernels_that_xen_cannot_boot(data: bytes, wanted: tuple[str, ...], says: str) -> None:
    with pytest.raises(Refused, match=says) as caught:
        identify.check_xen(inspected(data), "tftp://s/k", wanted)
    assert caught.value.hint and "--no-kernel-check" in caught.value.hint
    identify.check_xen(inspected(data), "tftp://s/k", ())


def test_38_a_type_that_is_not_known_refuses_what_boots_as_neither() -> None:
    for notes in (XEN_PV, XEN_PVH):
        identify.check_xen(inspected(image(gzip.compress(xen_elf(notes)))), "k", BOTH)


@pytest.mark.parametrize("kind", PACK)
def test_38_payload_cut_anywhere(kind: str) -> None:
    """What is cut off before its notes boots nowhere, and is told as what it is."""
    packed = PACK[kind](xen_elf(before=300_000))
    for size in range(6, len(packed) - 1, max(1, len(packed) // 50)):
        info = inspected(image(packed[:size]))
        assert info.broken.isprintable() and (info.broken or info.boots in (("qemu",), (*BOTH, "qemu")))


@pytest.mark.parametrize("kind", PACK)
def test_38_any_byte_wrong(kind: str) -> None:
    rng = random.Random(38)
    packed = PACK[kind](xen_elf(before=2000))
    for _ in range(300):
        data = bytearray(packed)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        info = inspected(image(bytes(data)))
        assert info.broken.isprintable() and info.unread.isprintable()


def test_38_any_byte_of_the_kernel_inside_wrong() -> None:
    rng = random.Random(38)
    for _ in range(2000):
        data = bytearray(xen_elf())
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        inspected(image(gzip.compress(bytes(data), 1)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", PACK)
def test_38_bombs(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes that are said to stand beyond the bound: unpacked as far as that, and then it is not known."""
    monkeypatch.setattr(unpack, "MOST", 24 * MIB)
    head = bytearray(xen_elf())
    struct.pack_into("<Q", head, 64 + 56 + 8, 1 << 40)  # offset of the notes
    packed = PACK[kind](bytes(head) + bytes(64 * MIB))
    tracemalloc.start()
    try:
        info = inspected(image(packed))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "more than 24 MiB" in info.unread and info.boots == ("qemu",)
    assert peak < 32 * MIB  # a block of lz4 has 8
    identify.check_xen(info, "k", ("xen-pv",))


def test_38_one_that_needs_more_memory_than_it_may() -> None:
    """An xz stream that asks for a dictionary of 1.5 GiB, and a zstd frame with a window of 2 GiB."""
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]
    stream = bytearray(lzma.compress(xen_elf(), lzma.FORMAT_XZ, filters=filters))
    block = stream[12:]
    assert block[0] == 2 and block[2:4] == b"\x21\x01"  # header of 12 bytes, one filter: LZMA2
    block[4] = 40  # 4 GiB - 1
    block[8:12] = struct.pack("<I", zlib.crc32(bytes(block[:8])))
    assert "memory" in inspected(image(bytes(stream[:12] + block))).unread
    frame = bytearray(zstandard.ZstdCompressor(write_content_size=False).compress(xen_elf()))
    frame[5] = 31 - 10 << 3
    assert inspected(image(bytes(frame))).broken


def test_without_the_packages_it_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, package in (("zstd", "zstandard"), ("lz4", "lz4")):
        data = image(PACK[kind](xen_elf(b"")))
        monkeypatch.setitem(sys.modules, package, None)
        info = inspected(data)
        assert info.unread == f"the Python package {package} is missing" and info.boots == ("qemu",)
        identify.check_xen(info, "k", BOTH)
    info = inspected(image(b"\x89LZO\0\r\n\x1a\n" + bytes(99)))
    assert info.unread == "nothing here unpacks lzo"


# ---- real ones


def test_debians_installer_is_for_pv_and_pvh(cache: Path) -> None:
    """xz: found without unpacking half of it."""
    paths = sorted(cache.glob("netboot/usr/lib/debian-installer/images/*/amd64/text/**/linux"))
    if not paths:
        tools.missing("debian-installer-*-netboot-amd64 (in the cache)")
    data = paths[0].read_bytes()
    info = inspected(data)
    assert (info.payload, info.boots) == ("xz", (*BOTH, "qemu"))
    start, size = info.packed
    whole = lzma.decompress(data[start : start + size - 4])
    assert inspected(whole).boots == (*BOTH, "qemu")
    asked = 0

    def read_at(offset: int, count: int) -> bytes:
        nonlocal asked
        asked += count
        return data[offset : offset + count]

    identify.identify_payload(identify.identify(data, len(data)), read_at)
    assert asked < size * 0.8


def test_debians_cloud_kernel_is_for_pv_and_pvh(cache: Path) -> None:
    """lz4."""
    paths = sorted(cache.glob("cloud-kernel/boot/vmlinuz-*"))
    if not paths:
        tools.missing("linux-image-*-cloud-amd64 (in the cache)")
    info = inspected(paths[0].read_bytes())
    assert (info.payload, info.boots) == ("lz4", (*BOTH, "qemu"))
