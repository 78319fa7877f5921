"""Unified kernel images: what is in them, whose numbers are a stranger's, and which command line boots."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pypxeboot.errors import Refused
from pypxeboot.guest import Target
from pypxeboot.kernel import extract, identify, uki
from pypxeboot.wire import FileView
from tests.support.ground.kernels import XEN_PVH, dummy, xen_elf
from tests.support.samples.packed_kernels import PACK, image
from tests.support.samples.uki import of_systemd, unified

KERNEL, INITRD, WORDS = dummy("inside"), b"070701" + bytes(7000), b"root=/dev/vda\n quiet\0"
PARTS = [(".osrel", b"ID=lab\n"), (".cmdline", WORDS), (".initrd", INITRD), (".linux", KERNEL)]


def read(data: bytes) -> uki.UnifiedImage:
    found = uki.read(FileView(data[: identify.HEAD], len(data), lambda at, count: data[at : at + count]))
    assert found is not None
    return found


def handed(data: bytes, target: Target) -> bytes:
    """What boots in ``target``, which is not the file as it is."""

    def read_at(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    info = identify.identify(data[: identify.HEAD], len(data), read_at)
    assert info.format == "UKI"
    found = extract.bootable(info, read_at, target, "k")
    assert target.takes(found.info) and found.pieces is not None
    return b"".join(found.pieces)


def test_sections_are_found_whole() -> None:
    data = unified([(".ucode", b"u" * 10), *PARTS])
    found = read(data)
    assert found.initrds == (".ucode", ".initrd")
    assert found.cmdline == "root=/dev/vda  quiet"
    taken = {name: data[at : at + size] for name, (at, size) in found.sections.items()}
    assert taken == {".linux": KERNEL, ".initrd": INITRD, ".ucode": b"u" * 10}
    assert found.content == "kernel (2.0 KiB), ucode (10 B), initrd (6.8 KiB) and a command line"


def test_systemds_own_stub(tmp_path: Path) -> None:
    data = of_systemd(tmp_path, PARTS)
    found = read(data)
    assert (found.initrds, found.cmdline, found.arch) == ((".initrd",), "root=/dev/vda  quiet", "x86_64")
    at, size = found.sections[".initrd"]
    assert data[at : at + size] == INITRD
    assert handed(data, Target("qemu", "x86_64")) == KERNEL


def test_a_kernel_inside_is_unpacked_for_who_cannot() -> None:
    inner = xen_elf(XEN_PVH)
    data = unified([(".linux", image(PACK["gzip"](inner)))])
    assert handed(data, Target("firecracker", "x86_64")) == inner


def test_the_first_profile_boots() -> None:
    """systemd-stub: sections before any .profile hold for all, and those of the first profile are its own."""
    profiles = [(".profile", b"ID=main\n"), (".cmdline", b"first"), (".profile", b"ID=other\n")]
    data = unified([(".linux", KERNEL), (".initrd", INITRD), *profiles, (".cmdline", b"second")])
    assert read(data).cmdline == "first"
    assert read(data).initrds == (".initrd",)


@pytest.mark.parametrize(
    ("configured", "own", "appended", "boots"),
    [
        ("", "root=a", "", "root=a"),
        ("BOOT_IMAGE=linux.efi", "root=a", "", "root=a"),
        ("BOOT_IMAGE=linux.efi initrd=i1", "root=a", "", "root=a"),
        ("BOOT_IMAGE=linux.efi root=b", "root=a", "", "BOOT_IMAGE=linux.efi root=b"),
        ("BOOT_IMAGE=linux.efi console=hvc0", "root=a", "console=hvc0", "root=a console=hvc0"),
        ("root=b console=hvc0", "root=a", "console=hvc0", "root=b console=hvc0"),
        ("BOOT_IMAGE=linux.efi", "", "", "BOOT_IMAGE=linux.efi"),
    ],
)
def test_command_line(configured: str, own: str, appended: str, boots: str) -> None:
    assert uki.command_line(configured, own, appended) == boots


def test_a_program_without_a_kernel_is_none() -> None:
    with pytest.raises(Refused, match="an EFI program, which needs firmware"):
        identify.identify(unified([(".data", b"x")]), 4096)


def test_numbers_of_a_stranger() -> None:
    data = bytearray(unified(PARTS))
    cut = bytes(data[:2048])
    with pytest.raises(Refused, match="cut short"):
        uki.read(FileView(cut, len(cut)))
    struct.pack_into("<H", data, 0x86, 0xFFFF)  # sections: those behind the table are bytes of the first
    assert uki.read(FileView(bytes(data), len(data))) is not None
    struct.pack_into("<I", data, 0x3C, 0xFFFFFFF0)
    assert uki.read(FileView(bytes(data), len(data))) is None
    twice = unified([(".linux", unified(PARTS))])
    info = identify.identify(twice, len(twice))
    with pytest.raises(Refused, match="in another one"):
        extract.bootable(info, lambda at, count: twice[at : at + count], None, "k")
