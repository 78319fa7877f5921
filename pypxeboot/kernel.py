"""What is this file, and who can boot it: read from its first bytes, unpacking nothing.

x86 boot protocol: Documentation/arch/x86/boot.rst; arm64, riscv: their boot-image-header; ELF notes:
xen/include/public/elfnote.h; EFI zboot: drivers/firmware/efi/libstub/zboot-header.S.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

from pypxeboot import text
from pypxeboot.errors import Refused
from pypxeboot.wire import Reader, Truncated

HEAD = 64 * 1024  # bytes from the front that identify() wants; whole files are welcome

_NOTES = 64 * 1024  # of one note segment; that of Linux has some hundred bytes
_SEGMENTS = 128  # program or section headers; Linux has five or six, vmlinux about 50 sections
_RELEASE = 128

ReadAt = Callable[[int, int], bytes]


@dataclass(frozen=True)
class KernelInfo:
    """A kernel. ``boots`` names who can boot it, as far as the header proves: qemu, xen-pv, xen-pvh.

    For a bzImage, ``protocol`` is that of the boot protocol (0x20f for 2.15), ``setup_sects`` as it counts,
    ``payload`` the compression of the kernel in it, ``release`` what it calls itself.
    """

    format: str
    boots: tuple[str, ...]
    arch: Optional[str] = None
    protocol: Optional[int] = None
    setup_sects: Optional[int] = None
    cmdline_size: Optional[int] = None
    payload: Optional[str] = None
    release: str = ""


def identify(head: bytes, size: int, read_at: Optional[ReadAt] = None) -> KernelInfo:
    """What the file of ``size`` bytes beginning with ``head`` is; Refused if it is no kernel.

    ``read_at(offset, count)`` gives bytes further back, where the notes of a large ELF file are.
    """
    if not size or not head:
        raise Refused("not a kernel: the file is empty")
    for look in (_bzimage, _image, _zboot, _elf, _arm_zimage, _multiboot, _gzip):
        info = look(head, size, read_at)
        if info:
            return info
    raise Refused(f"not a kernel: it looks like {describe(head)}")


def describe(head: bytes) -> str:
    """What a file that is no kernel seems to be, in words."""
    for magic, offset, words in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return words
    # A far jump to itself at 0x7c00, as 0000:7cxx (PXELINUX, GRUB) or 07c0:00xx (iPXE, gPXE).
    if head[:1] == b"\xea" and (head[2:5] == b"\x7c\0\0" or head[2:5] == b"\0\xc0\x07"):
        return "a PXE network boot program, which needs firmware"
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "an HTML page"
    if start.startswith((b"#!ipxe", b"#!gpxe")):
        return "an iPXE script"
    if start.startswith(b"#!"):
        return "a script"
    if not any(byte < 9 or 13 < byte < 32 for byte in head[:512]):
        return "text"
    if head[510:512] == b"\x55\xaa":
        return "a boot sector or a disk image"
    if not any(head):
        return "nothing but zeros"
    return f"nothing known (it begins with {head[:8].hex(' ')})"


_MAGICS = (
    (b"070701", 0, "a cpio archive (an initrd?)"),
    (b"070702", 0, "a cpio archive (an initrd?)"),
    (b"\xfd7zXZ\0", 0, "a file compressed with xz (an initrd?)"),
    (b"\x28\xb5\x2f\xfd", 0, "a file compressed with zstd (an initrd?)"),
    (b"BZh", 0, "a file compressed with bzip2 (an initrd?)"),
    (b"\x02\x21\x4c\x18", 0, "a file compressed with lz4 (an initrd?)"),
    (b"\x04\x22\x4d\x18", 0, "a file compressed with lz4 (an initrd?)"),
    (b"\x89LZO\0", 0, "a file compressed with lzop (an initrd?)"),
    (b"hsqs", 0, "a squashfs image"),
    (b"CD001", 0x8001, "an ISO image"),
    (b"%PDF", 0, "a PDF document"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"!<arch>\n", 0, "a Debian package or an archive"),
    (b"\xed\xab\xee\xdb", 0, "an RPM package"),
    (b"ustar", 257, "a tar archive"),
    (b"MZ", 0, "an EFI program, which needs firmware"),
    (b"\xfe\x4c\x01\x23", 4, "a COM32 module"),
    (b"\xb8\xff\x4c\xcd\x21", 0, "a COM32 module"),
)


# ---- x86

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


def _bzimage(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    if head[0x202:0x206] != b"HdrS":
        return None
    setup_sects = _number("<B", head, 0x1F1) or 4  # "for backwards compatibility"
    protocol = _number("<H", head, 0x206)
    release = _release(head)
    for word, name in ((b"MEMDISK", "memdisk"), (b"wimboot", "wimboot")):
        if release.startswith(word) or word in head[:0x200]:
            raise Refused(f"not a kernel: it looks like {name}, which needs firmware")
    start = (setup_sects + 1) * 512
    payload = None
    if protocol >= 0x208:
        at = start + _number("<I", head, 0x248)
        payload = _payload(_bytes_at(head, read_at, at, 6))
    return KernelInfo(
        format="bzImage",
        boots=("qemu",),
        # Protocol 2.12: XLF_KERNEL_64 says that there is a 64-bit entry.
        arch="x86_64" if protocol >= 0x20C and _number("<H", head, 0x236) & 1 else "i386",
        protocol=protocol,
        setup_sects=setup_sects,
        cmdline_size=_number("<I", head, 0x238) or 255 if protocol >= 0x206 else 255,
        payload=payload,
        release=text.printable(release, _RELEASE),
    )


def _release(head: bytes) -> bytes:
    """The string that the setup header points to: ``6.1.0-25-amd64 (...) #1 SMP``."""
    pointer = _number("<H", head, 0x20E)
    if not pointer:
        return b""
    return head[pointer + 0x200 :][:_RELEASE].partition(b"\0")[0]


def _payload(start: bytes) -> Optional[str]:
    for magic, name in _PAYLOADS:
        if start.startswith(magic):
            return name
    return None


def _multiboot(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    """A multiboot kernel that is no ELF file."""
    return KernelInfo("multiboot", ("qemu",), "i386") if _has_multiboot(head) else None


def _has_multiboot(head: bytes) -> bool:
    # Multiboot 0.6.96, 3.1.1: within 8192 bytes, aligned to 4; magic, flags and checksum add up to zero.
    for at in range(0, min(len(head), 8192) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<III", head, at)
        if magic == 0x1BADB002 and (magic + flags + checksum) % (1 << 32) == 0:
            return True
    return False


# ---- other architectures


def _image(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    """The flat Image of arm64 and riscv; with an EFI stub it begins with MZ as well."""
    if head[0x38:0x3C] == b"ARM\x64":
        return KernelInfo("arm64 Image", ("qemu",), "arm64")
    if head[0x38:0x3C] == b"RSC\x05" and head[0x30:0x35] == b"RISCV":
        return KernelInfo("riscv Image", ("qemu",), "riscv64")
    return None


def _zboot(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    """A compressed Image in an EFI program. QEMU unpacks that of arm64 (hw/arm/boot.c)."""
    if head[:2] != b"MZ" or head[4:8] != b"zimg":
        return None
    pe = _number("<I", head, 0x3C)
    arch = {0xAA64: "arm64", 0x5064: "riscv64", 0x6264: "loongarch64"}.get(_number("<H", head, pe + 4))
    payload = head[0x18:0x20].partition(b"\0")[0]
    return KernelInfo(
        "EFI zboot", ("qemu",) if arch == "arm64" else (), arch, payload=text.printable(payload, 8)
    )


def _arm_zimage(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    if head[0x24:0x28] in (b"\x18\x28\x6f\x01", b"\x01\x6f\x28\x18"):
        return KernelInfo("zImage", ("qemu",), "arm")
    return None


def _gzip(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    """A whole file in gzip: Xen and QEMU for arm64 unpack it, but what is in it is not known."""
    return KernelInfo("gzip", ()) if head[:3] == b"\x1f\x8b\x08" else None


# ---- ELF

_MACHINES = {3: "i386", 62: "x86_64", 183: "arm64", 243: "riscv64", 40: "arm", 21: "ppc64", 22: "s390x"}
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _SHT_NOTE = 1, 2, 3, 4, 7
_XEN_VERSION, _XEN_GUEST_OS, _XEN_LOADER, _XEN_PHYS32_ENTRY = 5, 6, 8, 18


class _Segment(NamedTuple):
    kind: int
    offset: int
    size: int


def _elf(head: bytes, size: int, read_at: Optional[ReadAt]) -> Optional[KernelInfo]:
    if head[:4] != b"\x7fELF":
        return None
    if len(head) < 64 or head[4] not in (1, 2) or head[5] not in (1, 2):
        raise Refused("not a kernel: it looks like an ELF file, but its header is broken")
    order = "<" if head[5] == 1 else ">"
    kind, machine = struct.unpack_from(order + "HH", head, 16)
    if kind not in (2, 3):
        raise Refused("not a kernel: it looks like an ELF file that cannot be started (an object file?)")
    segments, sections = _elf_tables(head, size, read_at, order)
    arch = _MACHINES.get(machine)
    if arch in ("i386", "x86_64") and any(part.kind in (_PT_DYNAMIC, _PT_INTERP) for part in segments):
        raise Refused("not a kernel: it looks like a program, a library or a COM32 module")
    notes: dict[int, bytes] = {}
    for part in segments + sections:
        if part.kind in (_PT_NOTE, _SHT_NOTE) and part.size <= _NOTES:
            notes = {**_xen_notes(_bytes_at(head, read_at, part.offset, part.size), order), **notes}
    return KernelInfo("ELF", _elf_boots(head, arch, notes), arch)


def _elf_tables(
    head: bytes, size: int, read_at: Optional[ReadAt], order: str
) -> tuple[list[_Segment], list[_Segment]]:
    """The program headers and section headers. Refused if the file ends before what it must have."""
    wide = head[4] == 2
    phoff, shoff = struct.unpack_from(order + ("QQ" if wide else "II"), head, 32 if wide else 28)
    phentsize, phnum, shentsize, shnum = struct.unpack_from(order + "HHHH", head, 54 if wide else 42)
    # Fields of a program header: type, offset, file size; of a section header the same, elsewhere.
    ph = ((0, "I"), (8, "Q"), (32, "Q")) if wide else ((0, "I"), (4, "I"), (16, "I"))
    sh = ((4, "I"), (24, "Q"), (32, "Q")) if wide else ((4, "I"), (16, "I"), (20, "I"))
    if not phnum or phnum > _SEGMENTS or phentsize < (56 if wide else 32):
        raise Refused("not a kernel: it looks like an ELF file with broken program headers")
    if phoff + phnum * phentsize > size:
        raise Refused("not a kernel: it looks like an ELF file that is cut short")
    table = _bytes_at(head, read_at, phoff, phnum * phentsize)
    segments = _table(table, phentsize, ph, order)
    if any(part.kind == _PT_LOAD and part.offset + part.size > size for part in segments):
        raise Refused("not a kernel: it looks like an ELF file that is cut short")
    sections: list[_Segment] = []
    if shnum <= _SEGMENTS and shentsize >= (64 if wide else 40):
        sections = _table(_bytes_at(head, read_at, shoff, shnum * shentsize), shentsize, sh, order)
    return segments, sections


def _table(data: bytes, step: int, fields: tuple[tuple[int, str], ...], order: str) -> list[_Segment]:
    rows = []
    for at in range(0, len(data) - step + 1, step):
        rows.append(_Segment(*(_number(order + code, data, at + where) for where, code in fields)))
    return rows


def _xen_notes(data: bytes, order: str) -> dict[int, bytes]:
    """Number and value of the notes named Xen; a broken one ends the list."""
    reader = Reader(data)
    notes: dict[int, bytes] = {}
    try:
        while reader.remaining >= 12:
            name_size, size, number = struct.unpack(order + "III", reader.take(12))
            name = reader.take(name_size)
            reader.take(min(-name_size % 4, reader.remaining))
            value = reader.take(size)
            reader.take(min(-size % 4, reader.remaining))
            if name.rstrip(b"\0") == b"Xen":
                notes.setdefault(number, value)
    except Truncated:
        pass
    return notes


def _elf_boots(head: bytes, arch: Optional[str], notes: dict[int, bytes]) -> tuple[str, ...]:
    """Who boots it, by libxl's rules (libelf-dominfo.c) and QEMU's (hw/i386/x86-common.c)."""
    if arch not in ("i386", "x86_64"):
        return ("qemu",) if arch else ()
    boots = []
    linux = notes.get(_XEN_GUEST_OS, b"").startswith(b"linux")
    generic = notes.get(_XEN_LOADER, b"").startswith(b"generic")
    if (linux or generic) and notes.get(_XEN_VERSION, b"").startswith(b"xen-3.0"):
        boots.append("xen-pv")
    if _XEN_PHYS32_ENTRY in notes:
        boots += ["xen-pvh", "qemu"]
    elif arch == "i386" and _has_multiboot(head):
        boots.append("qemu")
    return tuple(boots)


# ---- bytes


def _number(code: str, data: bytes, at: int) -> int:
    """The number at ``at``, 0 if it is not there."""
    if at + struct.calcsize(code) > len(data):
        return 0
    return int(struct.unpack_from(code, data, at)[0])


def _bytes_at(head: bytes, read_at: Optional[ReadAt], offset: int, count: int) -> bytes:
    """Bytes of the file, as many as there are; none if they are not at hand."""
    if offset + count <= len(head) or read_at is None:
        return head[offset : offset + count]
    return read_at(offset, count)
