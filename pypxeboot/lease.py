"""What DHCP gave (or the administrator, where there is no DHCP)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Optional


@dataclass(frozen=True)
class Lease:
    """An address and what came with it.

    ``options`` holds the raw value of every option, split ones joined (RFC 3396). ``next_server`` is the
    server that boots the guest: an address in dotted form, or a name, or None. ``routes`` are those of option
    121 where given (RFC 3442: then option 3 does not count), else the default route by the first router.
    ``seconds`` is None for an infinite lease, or where there was no DHCP.
    """

    address: IPv4Address
    prefix_length: int
    routers: tuple[IPv4Address, ...] = ()
    routes: tuple[tuple[IPv4Network, Optional[IPv4Address]], ...] = ()
    dns: tuple[IPv4Address, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    server_id: Optional[IPv4Address] = None
    next_server: Optional[str] = None
    bootfile: str = ""
    mtu: Optional[int] = None
    seconds: Optional[int] = None
    options: Mapping[int, bytes] = field(default_factory=dict)
    htype: int = 1

    @property
    def netmask(self) -> IPv4Address:
        """The mask in dotted form."""
        return IPv4Network((0, self.prefix_length)).netmask


def without_dhcp(
    address: IPv4Address, prefix_length: int, gateway: Optional[IPv4Address], dns: tuple[IPv4Address, ...]
) -> Lease:
    """The lease of a site without DHCP, of what the administrator said."""
    return Lease(
        address=address,
        prefix_length=prefix_length,
        routers=(gateway,) if gateway else (),
        routes=((IPv4Network("0.0.0.0/0"), gateway),) if gateway else (),
        dns=dns,
        options={3: gateway.packed} if gateway else {},
    )
