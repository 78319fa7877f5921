"""Which kernels a virtual machine monitor gets as they are served, and which it gets unpacked."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from typing import Optional

import pytest

from pypxeboot.errors import Refused, UsageError
from pypxeboot.guest import Target
from pypxeboot.kernel import extract, identify
from pypxeboot.wire import ReadAt
from tests.support.ground import arm64
from tests.support.ground.kernels import XEN_PV, XEN_PVH, dummy, xen_elf
from tests.support.samples.kernels import bzimage

IMAGE = bytes(0x38) + b"ARM\x64" + bytes(4096)
RISCV = bytes(0x30) + b"RISCV\0\0\0RSC\x05" + bytes(4096)


def big(data: bytes = b"", *, wide: bool = True) -> bytes:
    """A bzImage with ``data`` as what is compressed in it."""
    image = bzimage(1024 + 64 + len(data))
    struct.pack_into("<H", image, 0x236, 1 if wide else 0)
    struct.pack_into("<II", image, 0x248, 64, len(data))
    image[1024 + 64 :] = data
    return bytes(image)


def served(data: bytes) -> tuple[identify.KernelInfo, ReadAt]:
    def read_at(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    return identify.identify(data[: identify.HEAD], len(data), read_at), read_at


def handed(target: Target, data: bytes) -> Optional[bytes]:
    """What ``target`` gets: None for the file as it is."""
    info, read_at = served(data)
    if target.takes(info):
        return None
    found = extract.identify_for(info, read_at, target, "tftp://s/k")
    assert target.takes(found)
    return b"".join(extract.pieces(info, read_at))


def refused(target: Target, data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        handed(target, data)
    assert "kernel tftp://s/k" in caught.value.message and caught.value.message.isprintable()
    return caught.value


PVH = xen_elf(XEN_PVH)
PLAIN = xen_elf(XEN_PV)


@pytest.mark.parametrize(
    ("name", "arch", "data"),
    [
        ("qemu", "x86_64", big()),
        ("qemu", "x86_64", big(wide=False)),
        ("qemu", "i386", big(wide=False)),
        ("qemu", "x86_64", PVH),
        ("qemu", "arm64", IMAGE),
        ("qemu", "arm64", gzip.compress(IMAGE)),
        ("qemu", "riscv64", RISCV),
        ("firecracker", "x86_64", PVH),
        ("firecracker", "x86_64", PLAIN),
        ("firecracker", "arm64", IMAGE),
        ("cloud-hypervisor", "x86_64", big()),
        ("cloud-hypervisor", "x86_64", PVH),
        ("cloud-hypervisor", "arm64", IMAGE),
        ("cloud-hypervisor", "riscv64", RISCV),
    ],
)
def test_taken_as_served(name: str, arch: str, data: bytes) -> None:
    assert handed(Target(name, arch), data) is None


@pytest.mark.parametrize(
    ("name", "arch", "data", "unpacked"),
    [
        *(
            ("firecracker", "x86_64", big(pack(PLAIN)), PLAIN)
            for pack in (gzip.compress, bz2.compress, lzma.compress)
        ),
        ("firecracker", "x86_64", dummy("x"), xen_elf()),
        ("firecracker", "x86_64", gzip.compress(PLAIN), PLAIN),
        ("firecracker", "arm64", gzip.compress(IMAGE), IMAGE),
        ("firecracker", "arm64", arm64.zboot(IMAGE), IMAGE),
        ("cloud-hypervisor", "arm64", arm64.zboot(IMAGE), IMAGE),
        ("cloud-hypervisor", "x86_64", gzip.compress(PVH), PVH),
        ("qemu", "arm64", arm64.zboot(IMAGE), IMAGE),
        ("qemu", "x86_64", gzip.compress(PVH), PVH),
        ("qemu", "riscv64", gzip.compress(RISCV), RISCV),
    ],
)
def test_unpacked(name: str, arch: str, data: bytes, unpacked: bytes) -> None:
    assert handed(Target(name, arch), data) == unpacked


@pytest.mark.parametrize(
    ("name", "arch", "data", "why"),
    [
        ("qemu", "arm64", big(gzip.compress(PVH)), "is one of x86_64, and the guest is one of arm64"),
        ("qemu", "x86_64", IMAGE, "is one of arm64, and the guest is one of x86_64"),
        ("qemu", "i386", big(gzip.compress(PVH)), "is one of x86_64, and the guest is one of i386"),
        ("qemu", "x86_64", PLAIN, "no PVH note"),
        ("cloud-hypervisor", "x86_64", PLAIN, "no PVH note"),
        ("firecracker", "x86_64", big(b"\x89LZO" + bytes(60)), "lzo"),
        ("firecracker", "x86_64", big(gzip.compress(PLAIN)[:-20]), "cut short"),
        ("firecracker", "x86_64", big(gzip.compress(b"something else")), "not a kernel"),
        ("firecracker", "x86_64", gzip.compress(big(gzip.compress(PLAIN))), "takes ELF"),
        ("firecracker", "x86_64", big(), "takes ELF"),
        ("cloud-hypervisor", "x86_64", big(wide=False), "takes bzImage or ELF"),
        ("qemu", "riscv64", IMAGE, "is one of arm64"),
    ],
)
def test_refused(name: str, arch: str, data: bytes, why: str) -> None:
    error = refused(Target(name, arch), data)
    assert why in error.message and error.hint


def test_architectures_that_a_monitor_has_not() -> None:
    with pytest.raises(UsageError, match="Firecracker has no guests of riscv64"):
        Target("firecracker", "riscv64").check()
    Target("qemu", "riscv64").check()


@pytest.mark.slow
def test_a_bomb_is_refused() -> None:
    """Its first bytes are a kernel; its end would fill the disk."""
    packer = bz2.BZ2Compressor()
    whole = packer.compress(PLAIN) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(200))
    data = big(whole + packer.flush())
    assert len(data) < 1 << 20
    with pytest.raises(Refused, match="more than 192 MiB"):
        handed(Target("firecracker", "x86_64"), data)
