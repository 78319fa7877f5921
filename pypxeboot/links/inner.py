"""The guest's end of the link, inside the network namespace of the client process: its address and VLANs."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from struct import Struct
from typing import Optional

from pypxeboot.lease import Address, Network
from pypxeboot.links import devices, netlink
from pypxeboot.links.netlink import KernelRefused, Netlink, attribute, number

INNER = "eth0"
"""The name of the guest's end."""

MIN_MTU = {4: 576, 6: 1280}  # RFC 791, RFC 8200 5: what every host must take

_ADDRESS = Struct("=BBBBI")  # struct ifaddrmsg: family, length of the prefix, flags, scope, interface
_ROUTE = Struct("=BBBBBBBBI")  # struct rtmsg: family, lengths, TOS, table, protocol, scope, type, flags
_LOCAL, _PREFIX = 2, 1  # IFA_LOCAL, IFA_ADDRESS
_DESTINATION, _DEVICE, _GATEWAY = 1, 4, 5  # RTA_DST, RTA_OIF, RTA_GATEWAY
_NO_DAD = 2  # IFA_F_NODAD
_GLOBAL, _ON_LINK = 0, 253  # RT_SCOPE_UNIVERSE, RT_SCOPE_LINK
_MAIN, _BOOT, _UNICAST, _ONLINK = 254, 3, 1, 4  # RT_TABLE_MAIN, RTPROT_BOOT, RTN_UNICAST, RTNH_F_ONLINK
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def name_of(vlan: int) -> str:
    """Return the name of the guest's end of the link; of its VLAN, if that is not 0."""
    return f"{INNER}.{vlan}" if vlan else INNER


def set_up(pid: int) -> None:
    """Set the guest's end up, and the loopback beside it. Raises PxeBootError."""
    for name in ("lo", INNER):
        devices.set_up(name, pid)


def add_vlan(pid: int, tag: int) -> None:
    """Make an interface for a VLAN on the guest's end. Raises PxeBootError."""
    devices.add_vlan(name_of(tag), tag, INNER, pid)
    devices.set_up(name_of(tag), pid)


def remove_vlan(pid: int, tag: int) -> None:
    """Remove the interface for a VLAN from the guest's end. Raises PxeBootError."""
    devices.remove(name_of(tag), pid)


def configure(
    pid: int,
    name: str,
    address: Address,
    prefix_length: int,
    routes: Sequence[tuple[Network, Optional[Address]]],
    mtu: int,
) -> None:
    """Set address, routes and MTU of interface ``name`` in the network namespace of process ``pid``.

    A route is a network and its gateway, None for a network on the link. They replace all others of that
    family; but the link-local address of IPv6 stays, for DHCP and routers answer to that.
    Raises PxeBootError.
    """
    index = devices.index_of(name, pid)
    devices.set_mtu(name, mtu, pid)
    with Netlink(pid) as kernel:
        _remove_addresses(kernel, index, address)
        # Nobody asks here whether an address of IPv6 is in use: the guest's own kernel will.
        flags = _NO_DAD if address.version == 6 else 0
        added = _ADDRESS.pack(_FAMILIES[address.version], prefix_length, flags, _GLOBAL, index)
        added += attribute(_LOCAL, address.packed) + attribute(_PREFIX, address.packed)
        what = f"cannot set the address {address}/{prefix_length}"
        kernel.change(what, netlink.NEW_ADDRESS, added, netlink.CREATE | netlink.EXCLUSIVE)
        _add_routes(kernel, index, routes, ip_network((address, prefix_length), strict=False), address)


def _remove_addresses(kernel: Netlink, index: int, new: Address) -> None:
    """Remove the addresses of the family of ``new``, and with them the routes."""
    family = _FAMILIES[new.version]
    what = "cannot remove the addresses that are there"
    for told in kernel.list(what, netlink.GET_ADDRESS, _ADDRESS.pack(family, 0, 0, 0, 0)):
        of_family, _, _, scope, where = _ADDRESS.unpack_from(told)
        stays = new.version == 6 and not new.is_link_local and scope != _GLOBAL
        if (of_family, where) != (family, index) or stays:
            continue
        try:
            kernel.change(what, netlink.DELETE_ADDRESS, told)
        except KernelRefused as why:
            if why.number != errno.EADDRNOTAVAIL:  # it has gone with another of its network
                raise


def _add_routes(
    kernel: Netlink,
    index: int,
    routes: Iterable[tuple[Network, Optional[Address]]],
    subnet: Network,
    own: Address,
) -> None:
    for network, gateway in sorted(routes, key=lambda route: route[1] is not None):
        if gateway == own:
            continue
        scope, flags, way = _ON_LINK if network.version == 4 else _GLOBAL, 0, b""
        if gateway is not None:
            # A gateway outside the subnet is how /32 leases are routed (RFC 3442).
            near = gateway in subnet or (gateway.version == 6 and gateway.is_link_local)
            scope, flags, way = _GLOBAL, 0 if near else _ONLINK, attribute(_GATEWAY, gateway.packed)
        length = network.prefixlen
        lengths = (length, 0, 0)
        route = _ROUTE.pack(_FAMILIES[network.version], *lengths, _MAIN, _BOOT, scope, _UNICAST, flags)
        if length:
            route += attribute(_DESTINATION, network.network_address.packed)
        what = f"cannot set the route to {network}" + (f" by {gateway}" if gateway is not None else "")
        added = route + way + number(_DEVICE, index)
        kernel.change(what, netlink.NEW_ROUTE, added, netlink.CREATE | netlink.REPLACE)
