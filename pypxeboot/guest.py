"""The guest that is to be booted, what will boot it, and the notations of MACs, UUIDs, interfaces and vifs.

Which kernels a monitor takes as they are: QEMU: hw/i386/x86-common.c, x86_load_linux(), hw/arm/boot.c,
hw/riscv/boot.c. Firecracker: src/vmm/src/arch/*/mod.rs, load_kernel() (bzImage only after 1.16). Cloud
Hypervisor: vmm/src/vm.rs, load_kernel() (bzImage since 39.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import UsageError

if TYPE_CHECKING:  # every start of the host side would pay for it
    from pypxeboot.kernel.identify import KernelInfo

# What separates the six octets in the notations that people paste: 00:16:3e:.., 00-16-.., 0016.3e01.0203.
_MAC_NOISE = re.compile(r"[:.\-]")
# IFNAMSIZ less its NUL; ':' would be an alias, and '/' the kernel refuses.
_INTERFACE = re.compile(r"[^\s/:,]{1,15}")
# With the VLANs of a port behind it, as Xen's vif-openvswitch has them: br0.TAG:TRUNK:TRUNK.
_VLANS = re.compile(r"(\.[0-9]{1,4})?(:[0-9]{1,4})*$")

ARCH_ALIASES = {"amd64": "x86_64", "i686": "i386", "x86": "i386", "aarch64": "arm64", "ppc64le": "ppc64"}
"""Other names of architectures, and what they are called here."""

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
MONITORS = {"qemu": "QEMU", "firecracker": "Firecracker", "cloud-hypervisor": "Cloud Hypervisor"}
"""The virtual machine monitors, and what they call themselves."""


@dataclass(frozen=True)
class Guest:
    """The guest that boots: who it is for DHCP and the loaders, and where it is connected.

    ``memory`` is in MiB, None where nobody has told it. ``bridge`` is that of its network card, ``interface``
    (--interface) a bridge or a network card of the host in its place; ``vlan`` is the tag of its port.
    ``smbios`` maps SYSAPPEND names (``SYSVENDOR``, ``MBSERIAL``...) to what the guest's SMBIOS will say.
    """

    mac: str  # 52:54:00:ab:cd:ef
    uuid: Optional[str] = None  # lower case
    arch: str = "x86_64"  # as given: see processor
    hypervisor: str = "kvm"  # or xen
    bridge: Optional[str] = None
    interface: Optional[str] = None
    vlan: Optional[int] = None
    memory: Optional[int] = None
    board: Optional[str] = None  # SOC-BOARD, U-Boot's names of them
    smbios: Mapping[str, str] = field(default_factory=dict)

    @property
    def processor(self) -> str:
        """The architecture by the one name that it has here, whichever was given."""
        return ARCH_ALIASES.get(self.arch, self.arch)

    @property
    def mac_bytes(self) -> bytes:
        """The MAC address as six bytes."""
        return bytes.fromhex(self.mac.replace(":", ""))


@dataclass(frozen=True)
class Target:
    """What will boot the kernel: a monitor (``vmm``, a key of :data:`MONITORS`) with guests of ``arch``."""

    vmm: str
    arch: str

    def check(self) -> None:
        """Check that the monitor has guests of that architecture. Raises UsageError."""
        if self.arch not in _TAKEN[self.vmm]:
            known = ", ".join(_TAKEN[self.vmm])
            raise UsageError(f"{MONITORS[self.vmm]} has no guests of {self.arch}", hint=f"it has {known}")

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


def parse_mac(text: str) -> str:
    """Return a MAC address, in any usual notation, as ``00:16:3e:01:02:03``.

    Raises UsageError for what is not one, or cannot be a guest's (multicast, all zero).
    """
    digits = _MAC_NOISE.sub("", text.strip()).lower()
    if ":" in text or "-" in text:  # one or two digits an octet: 0:16:3e:1:2:3
        parts = re.split(r"[:\-]", text.strip())
        digits = "".join(part.zfill(2) for part in parts).lower() if len(parts) == 6 else ""
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        raise UsageError(f"{text!r} is not a MAC address", hint="write it as 00:16:3e:01:02:03")
    octets = bytes.fromhex(digits)
    if octets[0] & 1 or not any(octets):
        raise UsageError(
            f"{text!r} cannot be the MAC address of a guest",
            hint="the first octet must be even, and not all octets zero",
        )
    return octets.hex(":")


def parse_uuid(text: str) -> str:
    """Return a UUID as lower-case text. Raises UsageError for what is not one."""
    digits = re.sub("urn:|uuid:|[{}-]", "", text).lower()
    if not re.fullmatch("[0-9a-f]{32}", digits):
        raise UsageError(f"{text!r} is not a UUID")
    return _uuid_text(bytes.fromhex(digits))


def uuid_octets(uuid: str, *, in_wire_order: bool = False) -> bytes:
    """Return the bytes of a UUID; in wire order the first three groups are little-endian, as in SMBIOS."""
    octets = bytes.fromhex(uuid.replace("-", ""))
    return octets[3::-1] + octets[5:3:-1] + octets[7:5:-1] + octets[8:] if in_wire_order else octets


def _uuid_text(octets: bytes) -> str:
    digits = octets.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def check_interface(name: str) -> str:
    """Return ``name`` if Linux could have an interface of that name. Raises UsageError if not."""
    if not _INTERFACE.fullmatch(name) or name in (".", ".."):
        raise UsageError(f"{name!r} cannot be the name of a network interface")
    return name


def check_bridge(name: str) -> str:
    """Return ``name`` if a bridge could have it, with or without the VLANs of a port. Raises UsageError."""
    check_interface(_VLANS.sub("", name) or name)
    return name


def is_routed(vif: Mapping[str, str]) -> bool:
    """Whether Xen's own scripts route this vif, and connect it to no bridge."""
    return vif.get("script", "").rpartition("/")[2] in ("vif-route", "vif-nat")


def parse_vif(text: str) -> dict[str, str]:
    """Parse a Xen vif string (``mac=00:16:3e:..,bridge=xenbr0,``) into a dict of its keys.

    libxl skips blanks before a key and lets an empty piece pass (xl_parse.c, parse_nic_config); so does this.
    Raises UsageError for a key without a value.
    """
    values: dict[str, str] = {}
    for piece in text.split(","):
        key, sign, value = piece.strip().partition("=")
        if key and sign:
            values[key.strip().lower()] = value.strip()
        elif key and key != "trusted":
            raise UsageError(f"{key!r} in the vif string has no value", hint="write mac=MAC,bridge=BRIDGE")
    return values


def soc_and_board(name: Optional[str]) -> tuple[str, str]:
    """Split ``SOC-BOARD`` into its two parts; a name without a dash is a SoC, None is neither."""
    soc, _, board = (name or "").partition("-")
    return soc, board


def wire_uuid(uuid: str) -> str:
    """Return ``uuid`` as PXELINUX prints it: bytes in wire order."""
    return _uuid_text(uuid_octets(uuid, in_wire_order=True))
