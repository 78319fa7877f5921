"""What a reply of DHCPv6 and the advertisements of routers come to: one :class:`Lease` of IPv6."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address
from typing import Optional, TypeVar

from pypxeboot.dhcp import message6
from pypxeboot.dhcp.message import BadMessage, search_list
from pypxeboot.dhcp.message6 import Denied, Message6, Option
from pypxeboot.dhcp.neighbor import Advertisement
from pypxeboot.errors import ConfigError
from pypxeboot.lease import Address, Lease, Network, default_route
from pypxeboot.url import is_absolute, parse

T = TypeVar("T")

_MAX_ROUTES = 16
# Without any word of a router: DHCPv6 tells no prefix, and hosts have taken it for this before RFC 5942.
_USUAL_PREFIX = 64


def lease_of(
    message: Optional[Message6],
    source: Optional[IPv6Address],
    iaid: bytes,
    mac: bytes,
    routers: Sequence[Advertisement],
) -> tuple[Lease, tuple[str, ...]]:
    """Return the lease, and remarks about what was odd.

    ``message`` (from ``source``) is what DHCP said, if anything; ``routers`` come the best first. The address
    is the one given, else the one of ``mac`` in a prefix of the routers. Raises Denied, BadMessage.
    """
    remarks: list[str] = []
    address, seconds = _address(message, iaid, mac, routers)
    options = {} if message is None else {code: values[0] for code, values in message.options.items()}
    bootfile = "" if message is None else _boot_file(message, remarks)
    dns = [*message6.servers(options.get(Option.DNS_SERVERS))]
    search = [*search_list(options.get(Option.SEARCH_LIST))]
    for router in routers:
        dns += router.dns
        search += router.search
    defaults = tuple(router.router for router in routers if router.is_default)
    lease = Lease(
        address=address,
        prefix_length=_prefix_length(address, routers),
        routers=defaults,
        routes=_routes(address, routers),
        dns=_unique(dns),
        domain=search[0] if search else "",
        search=_unique(search),
        server_id=source,
        next_server=_server_of(bootfile),
        bootfile=bootfile,
        mtu=min((router.mtu for router in routers if router.mtu is not None), default=None),
        seconds=seconds,
        options6=options,
        parameters=message6.boot_file_parameters(options.get(Option.BOOT_FILE_PARAMETERS)),
    )
    return lease, tuple(remarks)


def _unique(items: Iterable[T]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(items))


def _address(
    message: Optional[Message6], iaid: bytes, mac: bytes, routers: Sequence[Advertisement]
) -> tuple[IPv6Address, Optional[int]]:
    if message is not None and Option.IA_NA in message.options:
        return message6.address_of(message, iaid)
    for router in routers:
        found = router.own_address(mac)
        if found is not None:
            address, prefix = found
            return address, prefix.seconds
    raise Denied("DHCPv6 gives none, and routers advertise no prefix to make one of")


def _prefix_length(address: IPv6Address, routers: Sequence[Advertisement]) -> int:
    """Return the length of the prefix on the link: what a router says (RFC 5942), else the address alone."""
    if not routers:
        return _USUAL_PREFIX
    prefixes = (prefix for router in routers for prefix in router.prefixes if prefix.on_link)
    return next((prefix.network.prefixlen for prefix in prefixes if address in prefix.network), 128)


def _routes(
    address: IPv6Address, routers: Sequence[Advertisement]
) -> tuple[tuple[Network, Optional[Address]], ...]:
    routes: dict[Network, Optional[Address]] = {}
    for router in routers:
        for prefix in router.prefixes:
            if prefix.on_link and address not in prefix.network:
                routes.setdefault(prefix.network, None)
        for network in router.routes:
            routes.setdefault(network, router.router)
        if router.is_default:
            for everywhere, gateway in default_route(router.router):
                routes.setdefault(everywhere, gateway)
    return tuple(routes.items())[:_MAX_ROUTES]


def _boot_file(message: Message6, remarks: list[str]) -> str:
    try:
        return message6.boot_file_url(message)
    except BadMessage as why:
        remarks.append(f"{why}; it is not used")
        return ""


def _server_of(url: str) -> Optional[str]:
    """Return the host in the boot file's URL: where names without a server are looked for."""
    if not is_absolute(url):
        return None
    try:
        return parse(url).host
    except ConfigError:  # told when it is used
        return None
