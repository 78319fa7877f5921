"""Tells what kind of kernel a file is, and who can boot it: QEMU, or Xen as a PV or PVH guest.

x86 boot protocol: Documentation/arch/x86/boot.rst; arm64, riscv: their boot-image-header; EFI zboot:
drivers/firmware/efi/libstub/zboot-header.S; what Xen takes: tools/libs/guest/xg_dom_bzimageloader.c.
"""

from __future__ import annotations

import struct
from typing import Optional

from pypxeboot import text
from pypxeboot.bootsource import PAGE, PAGE_HINT, describe_content
from pypxeboot.dataclass import dataclass, field, replace
from pypxeboot.errors import Refused
from pypxeboot.kernel import elf, uki
from pypxeboot.kernel.unpack import Broken, Unknown, UnpackedFile
from pypxeboot.wire import FileView, ReadAt

HEAD = 64 * 1024  # bytes from the front that identify() wants; whole files are welcome

_RELEASE = 128
_NO_END = 1 << 62  # for the size of what is unpacked, which nobody knows before its end


@dataclass(frozen=True)
class KernelInfo:
    """What is known of a kernel: its ``format``, and in ``boots`` who can boot it.

    That is qemu, xen-pv, xen-pv32 (as a PV guest of 32 bits) and xen-pvh.

    ``payload`` is the compression of the kernel in it, ``packed`` where that is (start and size in bytes).
    For a bzImage, ``protocol`` is the version of the boot protocol (0x20f for 2.15), ``setup_sects`` a number
    of sectors, ``release`` what it calls itself, and ``cmdline_size`` the longest command line in bytes.
    ``multiboot``: a multiboot loader starts it, with modules of their own command lines. ``image`` has the
    sections of a unified kernel image: what boots is the kernel in it.
    ``unread`` says why it is not known whether Xen can boot it, if it is not; ``broken`` what is wrong with
    the payload.
    """

    format: str
    boots: tuple[str, ...]
    arch: Optional[str] = None
    protocol: Optional[int] = None
    setup_sects: Optional[int] = None
    cmdline_size: Optional[int] = None
    payload: Optional[str] = None
    release: str = ""
    packed: tuple[int, int] = field(default=(0, 0), repr=False)
    unread: str = ""
    broken: str = ""
    multiboot: bool = False
    image: Optional[uki.UnifiedImage] = field(default=None, repr=False)


def identify(head: bytes, size: int, read_at: Optional[ReadAt] = None) -> KernelInfo:
    """Tell what kernel the file of ``size`` bytes that begins with ``head`` is. Raises Refused for others.

    ``read_at(offset, count)`` gives bytes further back, where the notes of a large ELF file are. Nothing is
    unpacked: whether Xen boots a compressed kernel, :func:`identify_payload` tells.
    """
    if not size or not head:
        raise Refused("not a kernel: the file is empty")
    file = FileView(head, size, read_at)
    for look in (_bzimage, _image, _zboot, _unified, _elf, _arm_zimage, _multiboot, _gzip):
        info = look(file)
        if info:
            return info
    what = describe_content(head)
    raise Refused(f"not a kernel: it looks like {what}", hint=PAGE_HINT if what == PAGE else None)


def identify_payload(info: KernelInfo, read_at: ReadAt) -> KernelInfo:
    """Return ``info`` with what is known once the payload has been unpacked, as Xen does it.

    That takes 0.4 s for 8 MB of xz, 0.1 s for gzip, lz4 and zstd, and 130 MiB at most.
    """
    if not info.unread:
        return info
    try:
        if info.payload is None or info.payload == "none":
            raise Broken("it is compressed in no way that Xen knows")
        inside = UnpackedFile(info.payload, read_at, *info.packed)
        head = inside.read_at(0, HEAD)
        if info.format == "gzip":
            return _inside_gzip(info, identify(head, _NO_END, inside.read_at))
        if head[:4] != b"\x7fELF":
            raise Broken("what is compressed in it is not an ELF file")
        kernel = elf.read(FileView(head, _NO_END, inside.read_at))
    except Unknown as why:
        return replace(info, unread=text.printable(str(why), 200))
    except (Broken, Refused) as why:
        return replace(info, unread="", broken=text.printable(str(why), 200))
    return replace(info, boots=(*_xen(kernel), *info.boots), unread="")


def _inside_gzip(info: KernelInfo, inner: KernelInfo) -> KernelInfo:
    """Return ``info``, a file in gzip, with what its payload is: Xen unpacks any, QEMU that of arm64."""
    boots = tuple(who for who in inner.boots if who != "qemu" or inner.arch == "arm64")
    return replace(info, boots=boots, arch=inner.arch, unread=inner.unread)


def missing_bytes(info: KernelInfo, size: int) -> int:
    """Return how many bytes a bzImage of ``size`` bytes lacks of the payload that its header tells of."""
    start, length = info.packed
    return max(0, start + length - size) if info.format == "bzImage" else 0


def check_processor(info: KernelInfo, name: str, processor: str) -> None:
    """Raise Refused if kernel ``name`` is surely not for ``processor``; where that is empty, any will do.

    A guest of x86_64 runs kernels of i386, too.
    """
    if not processor or info.arch is None or info.arch == processor:
        return
    if (processor, info.arch) == ("x86_64", "i386"):
        return
    raise Refused(
        f"kernel {name} is for {info.arch}, and the guest is {processor}",
        hint=f"serve one for {processor}, or say --arch {info.arch}; --no-kernel-check hands it over anyway",
    )


def check_xen(info: KernelInfo, name: str, wanted: tuple[str, ...]) -> None:
    """Check that kernel ``name`` boots as one of ``wanted`` (xen-pv, xen-pv32, xen-pvh; empty: as anything).

    Raises Refused if it surely does not; what is not known passes.
    """
    if not wanted or info.unread or any(who in info.boots for who in wanted):
        return
    other = next((who for who in ("xen-pv", "xen-pvh", "xen-pv32") if who in info.boots), None)
    if info.broken:
        why, hint = info.broken, "look at the file on the server"
    elif other == "xen-pv32" and "xen-pvh" not in wanted:
        why = "it has 32 bits, and this Xen runs no PV guests of 32 bits (xl info: xen_caps)"
        hint = 'serve a kernel of 64 bits, or make the guest type="pvh" with pvshim=1'
    elif other is not None:
        kind = other[4:].removesuffix("32")
        why = f"it boots as {kind.upper()} only"
        hint = f'make the guest {kind.upper()} (type="{kind}"), or serve another kernel'
        if kind == "pv":
            hint += " (or it has pvshim=1, which runs PV kernels in PVH guests)"
        else:
            hint += "; a guest with pvshim=1 wants PV kernels"
    else:
        why = "it says nothing of Xen (no ELF notes)"
        hint = "serve a kernel that was built with CONFIG_XEN_PV or CONFIG_PVH"
    kinds = " or ".join(who[4:].upper() for who in wanted if who != "xen-pv32")
    raise Refused(
        f"kernel {name} cannot boot as {kinds}: {why}",
        hint=f"{hint}; --no-kernel-check hands it over all the same",
    )


# ---- x86

_NOT_YET = "it was not unpacked"
_PAYLOADS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x5d\0", "lzma"),
    (b"\x89LZO", "lzo"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"\x7fELF", "none"),
)


def _bzimage(file: FileView) -> Optional[KernelInfo]:
    head = file.head
    if head[0x202:0x206] != b"HdrS":
        return None
    setup_sects = file.number("<B", 0x1F1) or 4  # "for backwards compatibility"
    protocol = file.number("<H", 0x206)
    release = _release(file)
    for word, name in ((b"MEMDISK", "memdisk"), (b"wimboot", "wimboot")):
        if release.startswith(word) or word in head[:0x200]:
            raise Refused(f"not a kernel: it looks like {name}, which needs firmware")
    payload, packed = None, (0, 0)
    if protocol >= 0x208:  # Xen takes no older ones
        packed = (setup_sects + 1) * 512 + file.number("<I", 0x248), file.number("<I", 0x24C)
        payload = _payload(file.at(packed[0], min(packed[1], 6)))
    return KernelInfo(
        format="bzImage",
        boots=("qemu",),
        # Protocol 2.12: XLF_KERNEL_64 says that there is a 64-bit entry.
        arch="x86_64" if protocol >= 0x20C and file.number("<H", 0x236) & 1 else "i386",
        protocol=protocol,
        setup_sects=setup_sects,
        cmdline_size=file.number("<I", 0x238) or 255 if protocol >= 0x206 else 255,
        payload=payload,
        release=text.printable(release, _RELEASE),
        packed=packed,
        unread=_NOT_YET,
    )


def _release(file: FileView) -> bytes:
    """Return the string that the setup header points to: ``6.1.0-25-amd64 (...) #1 SMP``."""
    pointer = file.number("<H", 0x20E)
    return file.head[pointer + 0x200 :][:_RELEASE].partition(b"\0")[0] if pointer else b""


def _payload(start: bytes) -> Optional[str]:
    for magic, name in _PAYLOADS:
        if start.startswith(magic):
            return name
    return None


def _multiboot(file: FileView) -> Optional[KernelInfo]:
    """Recognise a multiboot kernel that is not an ELF file."""
    if not _has_multiboot(file.head):
        return None
    return KernelInfo("multiboot", ("qemu",), "i386", multiboot=True)


def _has_multiboot(head: bytes) -> bool:
    # Multiboot 0.6.96, 3.1.1: within 8192 bytes, aligned to 4; magic, flags and checksum add up to zero.
    for at in range(0, min(len(head), 8192) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<III", head, at)
        if magic == 0x1BADB002 and (magic + flags + checksum) % (1 << 32) == 0:
            return True
    return False


# ---- other architectures

# libxl has one type of guest there, which it calls PVH (tools/libs/guest/xg_dom_armzimageloader.c).
_XEN_ON_ARM = ("xen-pvh", "qemu")


def _image(file: FileView) -> Optional[KernelInfo]:
    """Recognise the flat Image of arm64 and riscv; with an EFI stub it begins with MZ as well."""
    head = file.head
    if head[0x38:0x3C] == b"ARM\x64":
        return KernelInfo("arm64 Image", _XEN_ON_ARM, "arm64")
    if head[0x38:0x3C] == b"RSC\x05" and head[0x30:0x35] == b"RISCV":
        return KernelInfo("riscv Image", ("qemu",), "riscv64")
    return None


def _zboot(file: FileView) -> Optional[KernelInfo]:
    """Recognise a compressed Image in an EFI program; QEMU unpacks that of arm64 (hw/arm/boot.c)."""
    head = file.head
    if head[:2] != b"MZ" or head[4:8] != b"zimg":
        return None
    machine = file.number("<H", file.number("<I", 0x3C) + 4)
    arch = {0xAA64: "arm64", 0x5064: "riscv64", 0x6264: "loongarch64"}.get(machine)
    payload = head[0x18:0x20].partition(b"\0")[0]
    return KernelInfo(
        "EFI zboot",
        ("qemu",) if arch == "arm64" else (),
        arch,
        payload=text.printable(payload, 8),
        packed=(file.number("<I", 8), file.number("<I", 12)),
    )


def _unified(file: FileView) -> Optional[KernelInfo]:
    image = uki.read(file)
    return None if image is None else KernelInfo("UKI", (), image.arch, image=image)


def _arm_zimage(file: FileView) -> Optional[KernelInfo]:
    if file.head[0x24:0x28] in (b"\x18\x28\x6f\x01", b"\x01\x6f\x28\x18"):
        return KernelInfo("zImage", _XEN_ON_ARM, "arm")
    return None


def _gzip(file: FileView) -> Optional[KernelInfo]:
    """Recognise a whole file in gzip: Xen and QEMU for arm64 unpack it, but what is in it is not known."""
    if file.head[:3] != b"\x1f\x8b\x08":
        return None
    return KernelInfo("gzip", (), payload="gzip", packed=(0, file.size), unread=_NOT_YET)


# ---- ELF


def _elf(file: FileView) -> Optional[KernelInfo]:
    if file.head[:4] != b"\x7fELF":
        return None
    kernel = elf.read(file)
    multiboot = kernel.arch == "i386" and _has_multiboot(file.head)
    if kernel.arch in ("i386", "x86_64"):
        by_qemu = kernel.pvh or multiboot
    else:
        by_qemu = kernel.arch is not None
    boots = (*_xen(kernel), *(("qemu",) if by_qemu else ()))
    return KernelInfo("ELF", boots, kernel.arch, multiboot=multiboot)


def _xen(kernel: elf.ElfKernel) -> tuple[str, ...]:
    pv = "xen-pv32" if kernel.arch == "i386" else "xen-pv"
    return tuple(who for who, can in ((pv, kernel.pv), ("xen-pvh", kernel.pvh)) if can)
