"""Neighbor Discovery as a host needs it to boot: routers, what they advertise, and the address made of that.

RFC 4861 (messages), 4862 (addresses), 4191 (routes and preferences), 8106 (name servers).
"""

from __future__ import annotations

from ipaddress import IPv6Address, IPv6Network
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.dhcp.message import INFINITE, BadMessage, search_list
from pypxeboot.dhcp.message6 import servers
from pypxeboot.lease import Lease, is_host
from pypxeboot.wire import Reader, Truncated

ROUTER_SOLICIT, ROUTER_ADVERT = 133, 134
ROUTERS = "ff02::2"
HOP_LIMIT = 255  # what has any other came through a router: it is forged

_MAX_ITEMS = 32  # prefixes, and routes, of one router that count: more than any has
_MIN_MTU = 1280
_LINK_LOCAL = IPv6Network("fe80::/64")
_PREFERENCE = {0b01: 1, 0b11: -1}  # high and low (RFC 4191 2.1)


@dataclass(frozen=True)
class Prefix:
    """A prefix: hosts of it are ``on_link``; one may make oneself an address of it (``autonomous``)."""

    network: IPv6Network
    on_link: bool
    autonomous: bool
    seconds: Optional[int]


@dataclass(frozen=True)
class Advertisement:
    """What a router says.

    ``managed``: DHCP gives addresses; ``other``: it gives the rest. ``is_default``: the router leads
    everywhere. Higher ``preference`` comes first.
    """

    router: IPv6Address
    managed: bool
    other: bool
    is_default: bool
    preference: int
    prefixes: tuple[Prefix, ...] = ()
    routes: tuple[IPv6Network, ...] = ()
    dns: tuple[IPv6Address, ...] = ()
    search: tuple[str, ...] = ()
    mtu: Optional[int] = None

    def own_address(self, mac: bytes) -> Optional[tuple[IPv6Address, Prefix]]:
        """Return the address that a host makes itself of the first prefix that lets it."""
        for prefix in self.prefixes:
            if prefix.autonomous and prefix.network.prefixlen == 64 and prefix.seconds != 0:
                return interface_address(prefix.network, mac), prefix
        return None


def interface_address(network: IPv6Network, mac: bytes) -> IPv6Address:
    """Make the address of ``mac`` in ``network``: its octets, ff:fe in the middle (RFC 4291, appendix A)."""
    identifier = bytes((mac[0] ^ 2,)) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return IPv6Address(network.network_address.packed[:8] + identifier)


def on_link(mac: bytes) -> Lease:
    """Get what a host has on its own link without asking anybody; no other address is of use before that."""
    return Lease(interface_address(_LINK_LOCAL, mac), _LINK_LOCAL.prefixlen)


def solicitation(mac: bytes) -> bytes:
    """Return the ICMPv6 message that asks routers to say what they are; the kernel fills in its checksum."""
    return bytes((ROUTER_SOLICIT, 0)) + bytes(6) + bytes((1, 1)) + mac


def decode(message: bytes, source: IPv6Address, hop_limit: int) -> Advertisement:
    """Return the advertisement in an ICMPv6 message. Raises BadMessage (RFC 4861 6.1.2)."""
    if not source.is_link_local or hop_limit != HOP_LIMIT:
        raise BadMessage(f"router advertisement from {source}, hop limit {hop_limit}")
    reader = Reader(message)
    try:
        kind, code = reader.take(2)
        reader.take(3)  # checksum (the kernel's business), hop limit to use
        flags, lifetime = reader.number(1), reader.number(2)
        reader.take(8)  # reachable and retransmission time
        if (kind, code) != (ROUTER_ADVERT, 0):
            raise BadMessage("no router advertisement")
        return _advertisement(_options(reader), source, flags, lifetime)
    except Truncated as why:
        raise BadMessage(f"router advertisement cut short: {why}") from None


def _options(reader: Reader) -> dict[int, list[bytes]]:
    found: dict[int, list[bytes]] = {}
    while reader.remaining:
        kind, length = reader.number(1), reader.number(1)
        if not length:
            raise BadMessage("router advertisement with an option of no length")
        found.setdefault(kind, []).append(reader.take(length * 8 - 2))
    return found


def _advertisement(
    options: dict[int, list[bytes]], source: IPv6Address, flags: int, lifetime: int
) -> Advertisement:
    prefixes = [_prefix(Reader(value)) for value in options.get(3, ())[:_MAX_ITEMS]]
    routes = [_route(value) for value in options.get(24, ())[:_MAX_ITEMS]]
    sizes = [int.from_bytes(value[2:], "big") for value in options.get(5, ())]
    return Advertisement(
        router=source,
        managed=bool(flags & 0x80),
        other=bool(flags & 0x40),
        is_default=lifetime > 0,
        preference=_PREFERENCE.get(flags >> 3 & 3, 0),
        prefixes=tuple(prefix for prefix in prefixes if prefix is not None),
        routes=tuple(route for route in routes if route is not None),
        dns=tuple(server for value in _data_in_force(options.get(25, [])) for server in servers(value)),
        search=tuple(name for value in _data_in_force(options.get(31, [])) for name in _names(value)),
        mtu=next((size for size in sizes if _MIN_MTU <= size < 1 << 16), None),
    )


def _data_in_force(values: list[bytes]) -> list[bytes]:
    """Return the data of options with a lifetime (behind two reserved octets) that is not over."""
    return [value[6:] for value in values if value[2:6] != bytes(4)]


def _names(value: bytes) -> tuple[str, ...]:
    # Zeros fill the option up; one of them ends the last name.
    return search_list(value.rstrip(b"\0") + b"\0") if value.strip(b"\0") else ()


def _prefix(reader: Reader) -> Optional[Prefix]:
    length, flags, valid, preferred = (reader.number(width) for width in (1, 1, 4, 4))
    reader.take(4)
    address = IPv6Address(reader.take(16))
    if length > 128 or not is_host(address) or address.is_link_local or preferred > valid:
        return None
    network = IPv6Network((address, length), strict=False)
    return Prefix(network, bool(flags & 0x80), bool(flags & 0x40), None if valid == INFINITE else valid)


def _route(value: bytes) -> Optional[IPv6Network]:
    """RFC 4191 2.3: the octets of the prefix that are not there are zero."""
    length, lifetime, octets = value[0], value[2:6], value[6:]
    if length > min(128, len(octets) * 8) or lifetime == bytes(4):
        return None
    return IPv6Network((octets.ljust(16, b"\0")[:16], length), strict=False)
