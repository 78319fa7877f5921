"""The guest that is to be booted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional
from uuid import UUID

from pypxeboot.errors import UsageError

# What separates the six octets in the notations that people paste: 00:16:3e:.., 00-16-.., 0016.3e01.0203.
_MAC_NOISE = re.compile(r"[:.\-]")
# IFNAMSIZ less its NUL; ':' would be an alias, and '/' the kernel refuses.
_INTERFACE = re.compile(r"[^\s/:,]{1,15}")
# With the VLANs of a port behind it, as Xen's vif-openvswitch has them: br0.TAG:TRUNK:TRUNK.
_VLANS = re.compile(r"(\.[0-9]{1,4})?(:[0-9]{1,4})*$")

ARCH_ALIASES = {"amd64": "x86_64", "i686": "i386", "x86": "i386", "aarch64": "arm64", "ppc64le": "ppc64"}
"""Architectures by other names that they have."""


@dataclass(frozen=True)
class Guest:
    """Who boots: ``mac`` as ``52:54:00:ab:cd:ef``, ``uuid`` as text in lower case.

    ``board`` is ``SOC-BOARD`` in U-Boot's words, where one is given. ``smbios``
    maps
    SYSAPPEND names (``SYSVENDOR``, ``MBSERIAL``...) to what the guest's SMBIOS will say.
    """

    mac: str
    uuid: Optional[str] = None
    arch: str = "x86_64"
    hypervisor: str = "kvm"
    bridge: Optional[str] = None
    interface: Optional[str] = None
    vlan: Optional[int] = None
    board: Optional[str] = None
    smbios: Mapping[str, str] = field(default_factory=dict)

    @property
    def processor(self) -> str:
        """:attr:`arch` by the name that this project has for it."""
        return ARCH_ALIASES.get(self.arch, self.arch)

    @property
    def mac_bytes(self) -> bytes:
        """The six octets."""
        return bytes.fromhex(self.mac.replace(":", ""))


def parse_mac(text: str) -> str:
    """A MAC address in any usual notation as ``00:16:3e:01:02:03``; UsageError if it is none of a guest."""
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
    """A UUID as lower-case text; UsageError if it is none."""
    try:
        return str(UUID(text))
    except ValueError:
        raise UsageError(f"{text!r} is not a UUID") from None


def check_interface(name: str) -> str:
    """``name`` if Linux could have an interface of that name, else UsageError."""
    if not _INTERFACE.fullmatch(name) or name in (".", ".."):
        raise UsageError(f"{name!r} cannot be the name of a network interface")
    return name


def check_bridge(name: str) -> str:
    """``name`` if a bridge could have it, with the VLANs of a port behind it or not, else UsageError."""
    check_interface(_VLANS.sub("", name) or name)
    return name


def is_routed(vif: Mapping[str, str]) -> bool:
    """Whether the scripts that come with Xen connect this vif to no bridge."""
    return vif.get("script", "").rpartition("/")[2] in ("vif-route", "vif-nat")


def parse_vif(text: str) -> dict[str, str]:
    """A Xen vif string (``mac=00:16:3e:..,bridge=xenbr0,``) as a dict of its keys.

    libxl skips blanks before a key and lets an empty piece pass (xl_parse.c, parse_nic_config); so does this.
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
    """``SOC-BOARD`` in its two parts; what has no dash is a SoC."""
    soc, _, board = (name or "").partition("-")
    return soc, board


def wire_uuid(uuid: str) -> str:
    """``uuid`` as PXELINUX prints it: bytes in wire order, the first three groups little-endian."""
    return str(UUID(bytes=UUID(uuid).bytes_le))
