"""The strings that IPAPPEND and SYSAPPEND add to a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import Optional

from pypxeboot.guest import Guest, uuid_octets, wire_uuid
from pypxeboot.lease import DhcpOption, Lease
from pypxeboot.syslinux.config.model import Label, MenuAction

# Bit n of the mask is entry n; ip=, BOOTIF= and SYSUUID= come before these. FSUUID is empty on PXELINUX.
_SMBIOS = (
    *("CPU", "SYSVENDOR", "SYSPRODUCT", "SYSVERSION", "SYSSERIAL", "SYSSKU", "SYSFAMILY", "MBVENDOR"),
    *("MBPRODUCT", "MBVERSION", "MBSERIAL", "MBASSET", "BIOSVENDOR", "BIOSVERSION", "SYSFF"),
)

# Family 6, PAE, NX, long mode, SVM: what PXELINUX finds on QEMU's default processor.
_CPU = {"x86_64": "6PXLS", "i386": "6PX"}

_UNKNOWN = IPv4Address(0)
_BLANKS = re.compile(r"[\x00-\x20\x7f]+")


def strings(guest: Guest, lease: Lease, server: Optional[str]) -> tuple[Optional[str], ...]:
    """List every string in bit order, None where there is nothing to say. ``server`` is the boot server."""
    smbios = {"CPU": _CPU.get(guest.arch, ""), **guest.smbios}
    return (
        _ip(lease, server),
        f"BOOTIF={lease.htype:02x}-" + guest.mac.lower().replace(":", "-"),
        _uuid(guest),
        *(_value(name, smbios.get(name, "")) for name in _SMBIOS),
        None,
    )


def select(mask: int, available: Sequence[Optional[str]]) -> list[str]:
    """Select the strings that ``mask`` asks for, in bit order."""
    return [text for bit, text in enumerate(available) if mask >> bit & 1 and text] if mask else []


def command_line(label: Label, available: Sequence[Optional[str]]) -> str:
    """Give the label's command line with the strings that its SYSAPPEND asks for, empty if it has none."""
    if label.action not in (MenuAction.COMMAND, MenuAction.HELP):
        return ""
    if not label.sysappend:
        return label.command
    return " ".join([label.command, *select(label.sysappend, available)])


def _ip(lease: Lease, server: Optional[str]) -> Optional[str]:
    if not isinstance(lease.address, IPv4Address):  # no PXELINUX boots by IPv6, so there is no form for it
        return None
    parts = (lease.address, _address(server), _gateway(lease), lease.netmask)
    return "ip=" + ":".join(str(part) for part in parts)


def _gateway(lease: Lease) -> IPv4Address:
    """Give the router. Option 3 is "accepted only when exactly 4 bytes": of several routers none is named."""
    option = lease.options.get(DhcpOption.ROUTER)
    if option is not None:
        return IPv4Address(option) if len(option) == 4 else _UNKNOWN
    return IPv4Address(str(lease.routers[0])) if len(lease.routers) == 1 else _UNKNOWN


def _address(server: Optional[str]) -> IPv4Address:
    try:
        return IPv4Address(server or "")
    except ValueError:  # a name, or none: "unknown parts are 0.0.0.0"
        return _UNKNOWN


def _uuid(guest: Guest) -> Optional[str]:
    """Give the UUID in wire order; none where PXELINUX takes byte 6 for a broken version number.

    The filter "< 0x10 or >= 0xf0" is wrong for one random UUID in eight, but what it says is what kernels see
    (core/sysappend.c).
    """
    if guest.uuid is None or not 0x10 <= uuid_octets(guest.uuid, in_wire_order=True)[6] < 0xF0:
        return None
    return f"SYSUUID={wire_uuid(guest.uuid)}"


def _value(name: str, value: str) -> Optional[str]:
    """Make ``NAME=value``: "runs of blanks inside become one _"; nothing that a terminal would act upon."""
    text = _BLANKS.sub(" ", value).strip().replace(" ", "_")
    return f"{name}={text}" if text and text.isprintable() else None
