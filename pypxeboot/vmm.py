"""Which kernels a virtual machine monitor takes as they are, and which it gets unpacked.

QEMU: hw/i386/x86-common.c, x86_load_linux(), hw/arm/boot.c, hw/riscv/boot.c. Firecracker:
src/vmm/src/arch/*/mod.rs, load_kernel() (bzImage only after 1.16). Cloud Hypervisor: vmm/src/vm.rs,
load_kernel() (bzImage since 39.0).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pypxeboot import kernel, text
from pypxeboot.errors import Refused, UsageError
from pypxeboot.kernel import KernelInfo
from pypxeboot.unpack import Broken, Unknown, Unpacked
from pypxeboot.wire import ReadAt

_X86 = ("bzImage", "ELF", "multiboot")
_TAKEN: dict[str, dict[str, tuple[str, ...]]] = {
    "qemu": {
        "x86_64": _X86,
        "i386": _X86,
        "arm64": ("arm64 Image", "gzip", "ELF"),
        "riscv64": ("riscv Image", "ELF"),
    },
    "firecracker": {"x86_64": ("ELF",), "arm64": ("arm64 Image",)},
    "cloud-hypervisor": {
        "x86_64": ("bzImage", "ELF"),
        "arm64": ("arm64 Image",),
        "riscv64": ("riscv Image",),
    },
}
NAMES = {"qemu": "QEMU", "firecracker": "Firecracker", "cloud-hypervisor": "Cloud Hypervisor"}

# What EFI zboot calls the compressions (drivers/firmware/efi/libstub/Makefile.zboot).
_ZBOOT = {"xzkern": "xz", "zstd22": "zstd"}
_NO_END = 1 << 62  # for the size of what is unpacked, which nobody knows before its end
_PIECE = 1 << 20


@dataclass(frozen=True)
class Target:
    """What is to boot a kernel: ``vmm`` (a key of :data:`NAMES`), and the architecture of the guest."""

    vmm: str
    arch: str

    def check(self) -> None:
        """UsageError if there are no such guests."""
        if self.arch not in _TAKEN[self.vmm]:
            known = ", ".join(_TAKEN[self.vmm])
            raise UsageError(f"{NAMES[self.vmm]} has no guests of {self.arch}", hint=f"it has {known}")

    def takes(self, info: KernelInfo) -> bool:
        """Whether it boots this kernel as it is."""
        if info.format not in _TAKEN[self.vmm].get(self.arch, ()):
            return False
        # A processor of 64 bits runs kernels of 32; the other two monitors begin in 64 bits, though.
        small = ("i386",) if self.vmm == "qemu" and self.arch == "x86_64" else ()
        if info.arch not in (None, self.arch, *small):
            return False
        if info.format != "ELF" or self.arch not in ("x86_64", "i386") or self.vmm == "firecracker":
            return True
        return ("qemu" if self.vmm == "qemu" else "xen-pvh") in info.boots


def inside(info: KernelInfo, read_at: ReadAt, target: Target, name: str) -> KernelInfo:
    """The kernel that is in the one called ``name``. Raises Refused if ``target`` does not boot that."""
    try:
        data = _unpacked(info, read_at)
        inner = kernel.identify(data.read_at(0, kernel.HEAD), _NO_END, data.read_at)
    except (Broken, Unknown, Refused) as why:
        raise _no_kernel(info, target, name, text.printable(str(why), 200)) from None
    if not target.takes(inner):
        raise _no_kernel(inner, target, name, "")
    return replace(inner, cmdline_size=info.cmdline_size, release=info.release or inner.release)


def pieces(info: KernelInfo, read_at: ReadAt) -> Iterator[bytes]:
    """What is in a kernel, in pieces. Raises Refused if it cannot be unpacked."""
    at = 0
    try:
        data = _unpacked(info, read_at)
        while piece := data.read_at(at, _PIECE):
            yield piece
            at += len(piece)
    except (Broken, Unknown) as why:
        raise Refused(f"the kernel cannot be unpacked: {text.printable(str(why), 200)}") from None


def _unpacked(info: KernelInfo, read_at: ReadAt) -> Unpacked:
    if not info.payload or not info.packed[1]:
        raise Broken("nothing is packed in it")
    return Unpacked(_ZBOOT.get(info.payload, info.payload), read_at, *info.packed)


def _no_kernel(info: KernelInfo, target: Target, name: str, why: str) -> Refused:
    if info.arch not in (None, target.arch) and (info.arch != "i386" or target.arch != "x86_64"):
        said = f"kernel {name} is one of {info.arch}, and the guest is one of {target.arch}"
        return Refused(said, hint=f"--arch {info.arch}, or another kernel")
    wanted = " or ".join(_TAKEN[target.vmm][target.arch])
    if info.format == "ELF":
        why = "it has no PVH note (CONFIG_PVH), or is of 32 bits"
    return Refused(
        f"kernel {name} ({info.format}) cannot boot in {NAMES[target.vmm]}, which takes {wanted}"
        + (f": {why}" if why else ""),
        hint="serve another kernel; --no-kernel-check hands it over all the same",
    )
