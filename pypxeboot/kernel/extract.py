"""The kernel in a kernel file: in a unified image, or packed where a monitor does not unpack it itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from pypxeboot import text
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.errors import Refused
from pypxeboot.guest import MONITORS, Target
from pypxeboot.kernel import identify, uki
from pypxeboot.kernel.identify import KernelInfo
from pypxeboot.kernel.unpack import Broken, Unknown, UnpackedFile
from pypxeboot.wire import ReadAt

# What EFI zboot calls the compressions (drivers/firmware/efi/libstub/Makefile.zboot).
_ZBOOT = {"xzkern": "xz", "zstd22": "zstd"}
_NO_END = 1 << 62  # for the size of what is unpacked, which nobody knows before its end
_PIECE = 1 << 20


@dataclass(frozen=True)
class BootableKernel:
    """What boots of a file, and how it is read; ``pieces`` are its bytes, None if they are the file's own."""

    info: KernelInfo
    read_at: ReadAt
    pieces: Optional[Iterator[bytes]]


def bootable(info: KernelInfo, read_at: ReadAt, target: Optional[Target], name: str) -> BootableKernel:
    """Return what boots of the file called ``name``, in ``target`` if that is known.

    ``info`` is the whole file's. Raises Refused if nothing of it does; ``pieces`` raises it, too.
    """
    found = BootableKernel(info, read_at, None)
    if info.image is not None:
        read_at = uki.section(info.image, uki.KERNEL, read_at)
        size = info.image.sections[uki.KERNEL][1]
        info = identify.identify(read_at(0, identify.HEAD), size, read_at)
        if info.image is not None:
            raise Refused("a unified kernel image in another one")
        found = BootableKernel(info, read_at, section_pieces(read_at))
    if info.format == "gzip":
        packed = _multiboot_inside(info, read_at)
        if packed is not None:
            return packed
    if target is not None and not target.takes(info):
        inner = identify_for(info, read_at, target, name)
        return BootableKernel(inner, read_at, pieces(info, read_at))
    return found


def _multiboot_inside(info: KernelInfo, read_at: ReadAt) -> Optional[BootableKernel]:
    """Return the multiboot kernel in a file in gzip, None if there is none.

    Multiboot loaders unpack them (mboot.c32, GRUB), and nothing that boots one here does.
    """
    try:
        data = _unpack(info, read_at)
        inner = identify.identify(data.read_at(0, identify.HEAD), _NO_END, data.read_at)
    except (Broken, Unknown, Refused):
        return None
    return BootableKernel(inner, data.read_at, pieces(info, read_at)) if inner.multiboot else None


def is_multiboot(info: KernelInfo, read_at: ReadAt) -> bool:
    """Whether a multiboot loader starts the kernel, packed in gzip or not."""
    return info.multiboot or (info.format == "gzip" and _multiboot_inside(info, read_at) is not None)


def section_pieces(read_at: ReadAt) -> Iterator[bytes]:
    """Yield all that ``read_at`` reads, in pieces of at most 1 MiB."""
    at = 0
    while piece := read_at(at, _PIECE):
        yield piece
        at += len(piece)


def identify_for(info: KernelInfo, read_at: ReadAt, target: Target, name: str) -> KernelInfo:
    """Identify the payload of the kernel called ``name``. Raises Refused if ``target`` does not boot it."""
    try:
        data = _unpack(info, read_at)
        inner = identify.identify(data.read_at(0, identify.HEAD), _NO_END, data.read_at)
    except (Broken, Unknown, Refused) as why:
        raise _cannot_boot(info, target, name, text.printable(str(why), 200)) from None
    if not target.takes(inner):
        raise _cannot_boot(inner, target, name, "")
    return replace(inner, cmdline_size=info.cmdline_size, release=info.release or inner.release)


def pieces(info: KernelInfo, read_at: ReadAt) -> Iterator[bytes]:
    """Yield the payload of a kernel in pieces of at most 1 MiB. Raises Refused if it cannot be unpacked."""
    at = 0
    try:
        data = _unpack(info, read_at)
        while piece := data.read_at(at, _PIECE):
            yield piece
            at += len(piece)
    except (Broken, Unknown) as why:
        raise Refused(f"the kernel cannot be unpacked: {text.printable(str(why), 200)}") from None


def _unpack(info: KernelInfo, read_at: ReadAt) -> UnpackedFile:
    if not info.payload or not info.packed[1]:
        raise Broken("nothing is packed in it")
    return UnpackedFile(_ZBOOT.get(info.payload, info.payload), read_at, *info.packed)


def _cannot_boot(info: KernelInfo, target: Target, name: str, why: str) -> Refused:
    if info.arch not in (None, target.arch) and (info.arch != "i386" or target.arch != "x86_64"):
        said = f"kernel {name} is one of {info.arch}, and the guest is one of {target.arch}"
        return Refused(said, hint=f"--arch {info.arch}, or another kernel")
    wanted = " or ".join(target.formats)
    if info.format == "ELF":
        why = "it has no PVH note (CONFIG_PVH), or is of 32 bits"
    return Refused(
        f"kernel {name} ({info.format}) cannot boot in {MONITORS[target.vmm]}, which takes {wanted}"
        + (f": {why}" if why else ""),
        hint="serve another kernel; --no-kernel-check hands it over all the same",
    )
