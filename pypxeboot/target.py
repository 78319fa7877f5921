"""The virtual machine monitor that will boot the kernel, and which kernels it takes as they are.

QEMU: hw/i386/x86-common.c, x86_load_linux(), hw/arm/boot.c, hw/riscv/boot.c. Firecracker:
src/vmm/src/arch/*/mod.rs, load_kernel() (bzImage only after 1.16). Cloud Hypervisor: vmm/src/vm.rs,
load_kernel() (bzImage since 39.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pypxeboot.errors import UsageError

if TYPE_CHECKING:  # every start of the host side would pay for it
    from pypxeboot.kernel.identify import KernelInfo


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


@dataclass(frozen=True)
class Target:
    """What will boot the kernel: a monitor (``vmm``, a key of :data:`NAMES`) with guests of ``arch``."""

    vmm: str
    arch: str

    def check(self) -> None:
        """Check that the monitor has guests of that architecture. Raises UsageError."""
        if self.arch not in _TAKEN[self.vmm]:
            known = ", ".join(_TAKEN[self.vmm])
            raise UsageError(f"{NAMES[self.vmm]} has no guests of {self.arch}", hint=f"it has {known}")

    @property
    def formats(self) -> tuple[str, ...]:
        """The kernel formats (of ``KernelInfo.format``) that it boots as they are."""
        return _TAKEN[self.vmm].get(self.arch, ())

    def takes(self, info: KernelInfo) -> bool:
        """Whether it boots the kernel as it is, without unpacking."""
        if info.format not in self.formats:
            return False
        # A processor of 64 bits runs kernels of 32; the other two monitors begin in 64 bits, though.
        small = ("i386",) if self.vmm == "qemu" and self.arch == "x86_64" else ()
        if info.arch not in (None, self.arch, *small):
            return False
        if info.format != "ELF" or self.arch not in ("x86_64", "i386") or self.vmm == "firecracker":
            return True
        return ("qemu" if self.vmm == "qemu" else "xen-pvh") in info.boots
