"""What DHCP gave (or the administrator, where there is no DHCP): of IPv4 or of IPv6."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Optional, Union

Address = Union[IPv4Address, IPv6Address]
Network = Union[IPv4Network, IPv6Network]

_EVERYWHERE: Mapping[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


@dataclass(frozen=True)
class Lease:
    """An address and what came with it; all its addresses are of one family.

    ``options`` holds the raw value of every option of DHCPv4, split ones joined (RFC 3396); those of DHCPv6
    have other numbers and stand in ``options6``. ``next_server`` is the server that boots the guest: an
    address, or a name, or None. ``routes`` are those of option 121 where given (RFC 3442: then option 3 does
    not count), else the default route by the first router. ``seconds`` is None for an infinite lease, or
    where there was no DHCP. ``parameters`` are the words for the boot file (RFC 5970 3.2).
    """

    address: Address
    prefix_length: int
    routers: tuple[Address, ...] = ()
    routes: tuple[tuple[Network, Optional[Address]], ...] = ()
    dns: tuple[Address, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    server_id: Optional[Address] = None
    next_server: Optional[str] = None
    bootfile: str = ""
    mtu: Optional[int] = None
    seconds: Optional[int] = None
    options: Mapping[int, bytes] = field(default_factory=dict)
    htype: int = 1
    options6: Mapping[int, bytes] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()

    @property
    def netmask(self) -> str:
        """The mask in dotted form; IPv6 has none."""
        if self.address.version == 6:
            return ""
        return str(IPv4Network((0, self.prefix_length)).netmask)


def is_host(address: Address) -> bool:
    """Whether ``address`` can be a host's: not 0/8, 127/8, multicast, reserved or broadcast; nor ``::1``."""
    if isinstance(address, IPv4Address):
        return 0 < int(address) >> 24 < 224 and not address.is_loopback
    # In ::/32 are the unspecified address, the loopback's, and what stands for IPv4 (RFC 4291 2.5).
    return int(address) >> 96 != 0 and not address.is_multicast and address.scope_id is None


def default_route(gateway: Address) -> tuple[tuple[Network, Optional[Address]], ...]:
    """The route to everywhere by ``gateway``."""
    return ((_EVERYWHERE[gateway.version], gateway),)


def without_dhcp(
    address: Address, prefix_length: int, gateway: Optional[Address], dns: tuple[Address, ...]
) -> Lease:
    """The lease of a site without DHCP, of what the administrator said."""
    return Lease(
        address=address,
        prefix_length=prefix_length,
        routers=(gateway,) if gateway else (),
        routes=default_route(gateway) if gateway else (),
        dns=dns,
        options={3: gateway.packed} if gateway and gateway.version == 4 else {},
    )
