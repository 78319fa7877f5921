"""What a PXE client says of itself by DHCPv6 (RFC 5970, and as firmware of UEFI does it)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.dhcp.identity import arch_code, undi_version, vendor_class
from pypxeboot.dhcp.message6 import Option
from pypxeboot.guest import uuid_octets
from pypxeboot.lease import DhcpOption

_INTEL = 343  # the enterprise number under which firmware sends its class
_ETHERNET = 1
_BIOS = 0


def client_duid(mac: bytes, uuid: Optional[str]) -> bytes:
    """Who the client is: by its UUID (DUID-UUID, RFC 6355), else by its MAC (DUID-LL)."""
    if uuid is not None and any(uuid_octets(uuid)):
        return b"\0\4" + uuid_octets(uuid)
    return b"\0\3" + _ETHERNET.to_bytes(2, "big") + mac


def identity(options: Mapping[int, bytes], arch: str) -> dict[int, bytes]:
    """Return what a client that says ``options`` by DHCPv4 says by DHCPv6; ``arch`` is its processor.

    No BIOS has PXE over IPv6, and servers know the numbers of EFI: those are said in its place.
    """
    name, code = (
        options.get(DhcpOption.VENDOR_CLASS, b""),
        int.from_bytes(options.get(DhcpOption.CLIENT_ARCH, b""), "big"),
    )
    interface = options.get(DhcpOption.CLIENT_INTERFACE, b"")
    if code == _BIOS:
        was, code = vendor_class(_BIOS).encode("ascii"), arch_code("efi", arch)
        name = vendor_class(code).encode("ascii") if name in (was, b"") else name
        interface = bytes((1, *undi_version(code)))
    said = {
        Option.VENDOR_CLASS: _INTEL.to_bytes(4, "big") + _with_lengths(name),
        Option.CLIENT_ARCH: code.to_bytes(2, "big"),
        Option.INTERFACE_ID: interface,
    }
    if DhcpOption.USER_CLASS in options:
        said[Option.USER_CLASS] = _with_lengths(options[DhcpOption.USER_CLASS])
    return {int(option): value for option, value in said.items()}


def _with_lengths(text: bytes) -> bytes:
    """Return a class as options 15 and 16 hold it, behind its length."""
    return len(text).to_bytes(2, "big") + text
