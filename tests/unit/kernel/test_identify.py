from __future__ import annotations

import random
import struct
from typing import Optional, Union

import pytest

from pypxeboot.errors import Refused
from pypxeboot.kernel import identify as kernel
from tests.support.samples.kernels import bzimage


def note(number: int, value: bytes, name: bytes = b"Xen\0") -> bytes:
    padded = value + bytes(-len(value) % 4)
    return struct.pack("<III", len(name), len(value), number) + name + padded


PV = note(6, b"linux\0") + note(5, b"xen-3.0\0") + note(8, b"generic\0")
PVH = note(18, struct.pack("<Q", 0x1000000))


def elf(notes: bytes, *, machine: int = 62, kind: int = 2, sections: bool = False) -> bytearray:
    """A 64-bit ELF file with its notes in a segment, or in a section."""
    at = 64 + 2 * 56 + 64
    size = at + len(notes)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0x1000000, 64, 64 + 112, 0, 64, 56, 2, 64, 1, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096)
    first = struct.pack("<IIQQQQQQ", 0 if sections else 4, 4, at, 0, 0, len(notes), len(notes), 4)
    section = struct.pack("<IIQQQQIIQQ", 0, 7 if sections else 0, 0, 0, at, len(notes), 0, 0, 4, 0)
    return bytearray(header + load + first + section + notes)


def identify(data: Union[bytes, bytearray], size: Optional[int] = None) -> kernel.KernelInfo:
    return kernel.identify(bytes(data), len(data) if size is None else size)


def refused(data: Union[bytes, bytearray], size: Optional[int] = None) -> str:
    with pytest.raises(Refused) as caught:
        identify(data, size)
    assert caught.value.message.startswith("not a kernel: ") and caught.value.message.isprintable()
    return caught.value.message


# ---- kernels


def test_bzimage() -> None:
    data = bzimage(8192)
    struct.pack_into("<II", data, 0x248, 64, 7104)
    data[1024 + 64 : 1024 + 70] = b"\xfd7zXZ\0"
    info = identify(data)
    assert info == kernel.KernelInfo(
        "bzImage", ("qemu",), "x86_64", 0x20F, 1, 2047, "xz", "6.1.0 #1", (1088, 7104), "it was not unpacked"
    )


def test_bzimage_stub_without_a_kernel_behind_it() -> None:
    info = identify(bzimage(1680, setup_sects=0))
    assert (info.format, info.boots, info.setup_sects, info.payload) == ("bzImage", ("qemu",), 4, None)


def test_old_bzimage_is_of_32_bits() -> None:
    info = identify(bzimage(protocol=0x204))
    assert (info.arch, info.cmdline_size, info.payload) == ("i386", 255, None)


def test_bzimage_with_efi_stub_is_no_efi_program() -> None:
    data = bzimage()
    data[:2] = b"MZ"
    assert identify(data).format == "bzImage"


def test_38_bzimage_header_that_points_beyond() -> None:
    data = bzimage(600, setup_sects=255)
    struct.pack_into("<H", data, 0x20E, 0xFFFF)
    struct.pack_into("<I", data, 0x248, 0xFFFFFFFF)
    info = identify(data)
    assert (info.setup_sects, info.payload, info.release) == (255, None, "")


def test_38_bzimage_cut_within_its_header() -> None:
    data = bytes(bzimage())
    for size in range(0x206, 0x260):
        assert identify(data[:size]).format == "bzImage"
    refused(data[:0x205])


def test_release_cannot_steer_a_terminal() -> None:
    assert identify(bzimage(release="\x1b[2J6.1")).release == "\\x1b[2J6.1"


@pytest.mark.parametrize("name", ["MEMDISK 6.04 2021", "wimboot v2.7.4"])
def test_bzimage_that_needs_firmware(name: str) -> None:
    assert "needs firmware" in refused(bzimage(release=name))


@pytest.mark.parametrize("sections", [False, True])
@pytest.mark.parametrize(
    ("notes", "boots"),
    [
        (b"", ()),
        (PV, ("xen-pv",)),
        (PVH, ("xen-pvh", "qemu")),
        (PV + PVH, ("xen-pv", "xen-pvh", "qemu")),
        (note(3, b"x", b"GNU\0") + PVH, ("xen-pvh", "qemu")),
        (note(18, b"x" * 8, b"GNU\0"), ()),
        (note(5, b"xen-3.0\0"), ()),
        (note(6, b"netbsd\0") + note(5, b"xen-3.0\0"), ()),
        (note(6, b"linux\0") + note(5, b"xen-2.0\0"), ()),
    ],
)
def test_elf_by_its_notes(notes: bytes, boots: tuple[str, ...], sections: bool) -> None:
    info = identify(elf(notes, sections=sections))
    assert (info.format, info.arch, info.boots) == ("ELF", "x86_64", boots)


def test_notes_far_back_are_read_where_they_are() -> None:
    data = bytes(elf(PVH))
    asked: list[tuple[int, int]] = []

    def read_at(offset: int, count: int) -> bytes:
        asked.append((offset, count))
        return data[offset : offset + count]

    assert kernel.identify(data[:200], len(data)).boots == ()
    assert kernel.identify(data[:200], len(data), read_at).boots == ("xen-pvh", "qemu")
    assert asked and all(count <= 64 * 1024 for _, count in asked)


def test_elf_with_multiboot_header() -> None:
    header = (
        b"\x7fELF\x01\x01\x01"
        + bytes(9)
        + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    )
    program = struct.pack("<IIIIIIII", 1, 0, 0, 0, 96, 96, 5, 4096)
    magic = struct.pack("<III", 0x1BADB002, 3, (-0x1BADB002 - 3) % (1 << 32))
    info = identify(header + program + magic + bytes(8))
    assert (info.format, info.arch, info.boots) == ("ELF", "i386", ("qemu",))
    assert identify(bytes(64) + magic).format == "multiboot"


@pytest.mark.parametrize(
    ("at", "code", "value", "says"),
    [
        (32, "<Q", 1 << 40, "cut short"),  # e_phoff
        (32, "<Q", (1 << 64) - 1, "cut short"),
        (56, "<H", 0, "program headers"),  # e_phnum
        (56, "<H", 0xFFFF, "program headers"),
        (54, "<H", 1, "program headers"),  # e_phentsize
        (16, "<H", 1, "object file"),  # e_type
        (4, "<B", 9, "header is broken"),  # class
        (5, "<B", 9, "header is broken"),  # byte order
        (64 + 32, "<Q", 1 << 62, "cut short"),  # size of the segment that is loaded
        (64, "<I", 3, "a program"),  # PT_INTERP
    ],
)
def test_38_broken_elf(at: int, code: str, value: int, says: str) -> None:
    data = elf(PV + PVH)
    struct.pack_into(code, data, at, value)
    assert says in refused(data)


@pytest.mark.parametrize("size", [0, 8])
def test_38_note_with_sizes_beyond_the_end(size: int) -> None:
    data = elf(PVH + note(5, b"xen-3.0\0"))
    struct.pack_into("<I", data, len(data) - 24 + size // 2, 0xFFFFFFFF)
    assert identify(data).boots == ("xen-pvh", "qemu")


def test_38_segment_of_notes_that_is_too_large_is_left_alone() -> None:
    data = elf(PVH)
    struct.pack_into("<Q", data, 64 + 56 + 32, 0xFFFFFFFF)
    assert identify(data, 1 << 33).boots == ()


def test_38_cut_anywhere() -> None:
    data = bytes(elf(PV + PVH))
    for size in range(4, len(data)):
        refused(data[:size])


def test_38_any_byte_wrong() -> None:
    """No byte string makes it raise anything but Refused."""
    rng = random.Random(38)
    for original in (bzimage(1024), elf(PV + PVH), elf(PVH, sections=True), elf(b"", machine=183)):
        for _ in range(3000):
            data = bytearray(original)
            for _ in range(rng.randint(1, 6)):
                data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
            try:
                kernel.identify(
                    bytes(data[: rng.randrange(1, len(data))]), rng.choice((1, len(data), 1 << 40))
                )
            except Refused as error:
                assert error.message.isprintable()


def test_other_architectures() -> None:
    image = bytearray(128)
    image[0x38:0x3C] = b"ARM\x64"
    assert (identify(image).format, identify(image).arch) == ("arm64 Image", "arm64")
    image[:2] = b"MZ"
    assert identify(image).boots == ("xen-pvh", "qemu")
    riscv = bytearray(128)
    riscv[0x30:0x3C] = b"RISCV\0\0\0RSC\x05"
    assert identify(riscv).arch == "riscv64"
    zboot = bytearray(256)
    zboot[:8] = b"MZ\0\0zimg"
    zboot[0x18:0x1C] = b"gzip"
    struct.pack_into("<I", zboot, 0x3C, 0x80)
    zboot[0x80:0x86] = b"PE\0\0\x64\xaa"
    assert identify(zboot) == kernel.KernelInfo("EFI zboot", ("qemu",), "arm64", payload="gzip")
    arm = bytearray(64)
    arm[0x24:0x28] = b"\x18\x28\x6f\x01"
    assert identify(arm).format == "zImage"
    assert identify(elf(b"", machine=183)).boots == ("qemu",)


def test_38_gzip_is_passed_on_unread() -> None:
    info = identify(b"\x1f\x8b\x08" + bytes(100))
    assert (info.format, info.boots, info.unread) == ("gzip", (), "it was not unpacked")


# ---- the rest


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html>\n<html>", "HTML"),
        (b"\xef\xbb\xbf\r\n <HTML><body>404", "HTML"),
        (b"#!ipxe\nboot\n", "iPXE script"),
        (b"#!ipxe", "iPXE script"),
        (b"#!gpxe\n", "iPXE script"),
        (b"#!/bin/sh\n", "a script"),
        (b"DEFAULT linux\nLABEL linux\n", "text"),
        (b"070701" + b"0" * 104, "cpio"),
        (b"\xfd7zXZ\0" + bytes(20), "xz"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"MZ" + bytes(510), "EFI program"),
        (b"\xea\x24\x7c\0\0\x90\x90", "network boot program"),  # pxelinux.0 6.03
        (b"\xea\x05\0\xc0\x07\x8c\xc8", "network boot program"),  # undionly.kpxe
        (b"\x33\xc0" + bytes(508) + b"\x55\xaa", "boot sector"),
        (bytes(1000), "zeros"),
        (b"\x1b[2J\x9b\x00\x01\x02", "begins with 1b 5b 32"),
        (b"hsqs" + bytes(99), "squashfs"),
    ],
)
def test_what_is_no_kernel_is_named(data: bytes, says: str) -> None:
    assert says in refused(data)
