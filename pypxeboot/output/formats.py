"""The output formats: one row for each, with all that the rest of the project has to know of it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional, Protocol, cast

from pypxeboot.dataclass import dataclass

if TYPE_CHECKING:  # --help reads this table
    from pypxeboot.guest import Guest
    from pypxeboot.output.request import OutputRequest
    from pypxeboot.result import BootResult

# What every guest of the hypervisor has in its SMBIOS, whatever its machine: QEMU with SeaBIOS (chassis
# type 1, "other"), and hvmloader. Cloud Hypervisor: arch/src/x86_64/smbios.rs.
_SMBIOS = {
    "kvm": {"SYSVENDOR": "QEMU", "BIOSVENDOR": "SeaBIOS", "SYSFF": "1"},
    "xen": {"SYSVENDOR": "Xen", "SYSPRODUCT": "HVM domU", "BIOSVENDOR": "Xen", "SYSFF": "1"},
}
_CLOUD_HYPERVISOR_SMBIOS = {
    "SYSVENDOR": "Cloud Hypervisor",
    "SYSPRODUCT": "cloud-hypervisor",
    "BIOSVENDOR": "cloud-hypervisor",
    "BIOSVERSION": "0",
}


class Renderer(Protocol):
    """A module of this package that renders results."""

    def render(self, result: BootResult, request: OutputRequest) -> bytes:
        """Return the result as bytes. Raises HandoverError, and NoBootSource for a disk it cannot boot."""


@dataclass(frozen=True)
class OutputFormat:
    """One format: ``module`` of this package renders it, when it is asked for.

    ``monitor`` is the virtual machine monitor that boots the result, a key of ``target.NAMES``, None where
    anything may. ``smbios`` is what that shows its guest without being told, in the names of SYSAPPEND; None
    for what QEMU and Xen show.
    """

    name: str
    module: str
    monitor: Optional[str] = None
    smbios: Optional[Mapping[str, str]] = None
    for_xen: bool = False  # libxl reads it, and pygrub has the local disk
    tells_any_action: bool = False  # reboot and power off, too
    needs_disk: bool = False  # named by the caller, where the entry says local disk
    details: bool = False  # digests, and who can boot the kernel, are part of the result

    def smbios_of(self, guest: Guest) -> Mapping[str, str]:
        """Return the strings that ``guest`` finds in its SMBIOS, where nobody says other ones."""
        if guest.hypervisor == "xen":
            return self.smbios or _SMBIOS["xen"]
        if guest.processor not in ("x86_64", "i386"):
            return {}  # there it comes with UEFI only
        return _SMBIOS["kvm"] if self.smbios is None else self.smbios

    def render(self, result: BootResult, request: OutputRequest) -> bytes:
        """Return the result in this format. Raises HandoverError; NoBootSource for a disk it cannot boot."""
        renderer = cast(Renderer, importlib.import_module(f"pypxeboot.output.{self.module}"))
        return renderer.render(result, request)


_ROWS = (
    OutputFormat("simple0", "xen", for_xen=True),
    OutputFormat("simple", "xen", for_xen=True),
    OutputFormat("sxp", "xen", for_xen=True),
    OutputFormat("json", "json_report", tells_any_action=True, details=True),
    OutputFormat("shell", "shell", tells_any_action=True),
    OutputFormat("qemu", "qemu", monitor="qemu", needs_disk=True),
    OutputFormat("qemu-microvm", "qemu", monitor="qemu", needs_disk=True, smbios={}),
    OutputFormat("qemu-readconfig", "qemu_readconfig", monitor="qemu"),
    OutputFormat("firecracker", "firecracker", monitor="firecracker", smbios={}),
    OutputFormat(
        "cloud-hypervisor", "cloud_hypervisor", monitor="cloud-hypervisor", smbios=_CLOUD_HYPERVISOR_SMBIOS
    ),
    OutputFormat("libvirt", "libvirt", monitor="qemu"),
)
FORMATS = {row.name: row for row in _ROWS}
"""The formats by name, in the order in which ``--help`` lists them."""
