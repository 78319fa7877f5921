"""The client's interface on the guest's network, as the client asks for it to be changed.

What the kernel is told is made of parsed numbers and addresses: no text of the client's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Interface, ip_address, ip_network
from typing import Optional

from pypxeboot.errors import PxeBootError, Refused
from pypxeboot.lease import Address, Network, is_host
from pypxeboot.links import inner
from pypxeboot.links.link import Attached, Link
from pypxeboot.privsep.messages import ConfigureInterface, Done, Route, SetVlan

_MAX_VLANS = 64  # at a time; each is an interface, which the kernel takes a while to remove
_MAX_ROUTES = 500  # of one lease; option 121 has some 300 in the largest message


class ClientInterface:
    """The interface by which the process ``pid`` is ``attached``, by ``link``; ``deadline`` is the boot's.

    ``configured`` is when it was first given an address, of ``time.monotonic``; ``ipv4`` and ``gateway`` are
    its address of IPv4 and its default route, as they were asked for last.
    """

    def __init__(self, link: Link, attached: Attached, pid: int, deadline: float) -> None:
        self._link, self._attached, self._pid, self._deadline = link, attached, pid, deadline
        self._vlans: set[int] = set()
        self.configured: Optional[float] = None
        self.ipv4: Optional[IPv4Interface] = None
        self.gateway: Optional[Address] = None

    def configure(self, request: ConfigureInterface) -> Done:
        """Give the interface its address. Raises ValueError for a bad request, Refused."""
        address = _parse_address(request.address)
        if not is_host(address) or not 0 < request.prefix_length <= address.max_prefixlen:
            raise ValueError(f"address {address}/{request.prefix_length}")
        if len(request.routes) > _MAX_ROUTES:
            raise ValueError(f"{len(request.routes)} routes")
        if self.configured is None:
            self.configured = time.monotonic()
        routes = [_parse_route(route, address.version) for route in request.routes]
        if address.version == 4:
            self.ipv4 = IPv4Interface(f"{address}/{request.prefix_length}")
            self.gateway = next((gateway for network, gateway in routes if not network.prefixlen), None)
        mtu = request.mtu
        if mtu is None or not inner.MIN_MTU[address.version] <= mtu < self._attached.mtu:
            mtu = self._attached.mtu
        if request.vlan and request.vlan not in self._vlans:
            raise ValueError(f"an address on VLAN {request.vlan}")
        if self._attached.mode == "host":  # the host's own interfaces stay as they are
            return Done()
        name = inner.name_of(request.vlan)

        def set_address() -> None:
            self._link.reach(str(address), self._deadline)
            inner.configure(self._pid, name, address, request.prefix_length, routes, mtu)

        return _change(set_address)

    def set_vlan(self, request: SetVlan) -> Done:
        """Make or remove the interface of a VLAN. Raises ValueError for a bad request."""
        known = request.tag in self._vlans
        if self._attached.mode == "host" or not 0 < request.tag < 4095 or known is not request.remove:
            raise ValueError(f"VLAN {request.tag}")
        if not request.remove and len(self._vlans) >= _MAX_VLANS:
            return Done(f"there are {_MAX_VLANS} VLANs already")
        change = inner.remove_vlan if request.remove else inner.add_vlan
        done = _change(lambda: change(self._pid, request.tag))
        if not done.error:
            self._vlans ^= {request.tag}
        return done


def _change(change: Callable[[], None]) -> Done:
    """Do ``change``; return the answer to the client. Raises Refused."""
    try:
        change()
    except Refused:  # the client cannot do anything about it
        raise
    except PxeBootError as why:
        return Done(why.message)
    return Done()


def _parse_address(text: str) -> Address:
    """Return an address that the client sent. Raises ValueError.

    One with a zone, which Python takes as it comes, would be text of the client in a request of root.
    """
    if "%" in text:
        raise ValueError("an address with a zone")
    return ip_address(text)


def _parse_route(route: Route, version: int) -> tuple[Network, Optional[Address]]:
    """Return network and gateway of a client's route, which must be of IP ``version``. Raises ValueError."""
    if "%" in route.network:
        raise ValueError("a network with a zone")
    network = ip_network(route.network)
    gateway = None if route.gateway is None else _parse_address(route.gateway)
    if {version} != {network.version, version if gateway is None else gateway.version}:
        raise ValueError(f"a route of IPv{network.version}")
    return network, gateway
