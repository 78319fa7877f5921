"""A link of the guest's own to this host, which routes: for guests that Xen's vif-route or vif-nat connect.

There is no bridge. The host answers ARP for whatever lies behind it, and knows the way to the guest by a
route for its one address; a DHCP server is heard only if it runs on this host, or is relayed to.
Source: xen tools/hotplug/Linux/vif-route.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Optional

from pypxeboot.errors import PxeBootError, Refused, UsageError
from pypxeboot.guest import Guest
from pypxeboot.links import devices, iproute
from pypxeboot.links.link import AttachRequest, FoundLink, Link

# The second has the real servers where systemd-resolved stands in front of them.
_RESOLV_CONF = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_FORWARDS = Path("/proc/sys/net/ipv4/ip_forward")


class Routed(Link):
    """A veth pair whose outer end has the host's own address on the interface ``where``."""

    mode = "routed"

    @classmethod
    def network_name(cls, guest: Guest) -> str:
        """Return the name of the host's uplink, which is that of its default route if the guest names none.

        Raises UsageError if there is no default route either.
        """
        return guest.interface or guest.bridge or uplink()

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        shown = json.loads(
            iproute.run(["ip", "-json", "-4", "addr", "show", "dev", self.where, "scope", "global"])
        )
        addresses = [item["local"] for entry in shown if entry for item in entry["addr_info"]]
        if not addresses:
            raise UsageError(
                f"{self.where} has no IPv4 address, so this host cannot be the router of guests there",
                hint="name the uplink by --interface, or the bridge of the guest by --bridge and no --link",
            )
        self._own = addresses[0]
        self._reached: Optional[str] = None

    def _connect(self, pid: int, deadline: float) -> None:
        self._make_pair(pid)
        iproute.run(["ip", "addr", "add", f"{self._own}/32", "dev", self._outer])
        try:
            Path(f"/proc/sys/net/ipv4/conf/{self._outer}/proxy_arp").write_text("1")
        except OSError as why:
            raise PxeBootError(f"cannot answer ARP for others on {self._outer}: {why.strerror}") from None
        devices.set_up(self._outer)
        if _FORWARDS.read_text().strip() != "1":
            self._request.log(
                "this host forwards no packets (net.ipv4.ip_forward): the guest reaches the host alone"
            )

    def _await_forwarding(self, deadline: float) -> None:
        """Wait until what the host sends arrives."""
        self._await_carrier(deadline)

    def reach(self, address: str, deadline: float) -> None:
        """Route the address to the guest's end, in place of any before it.

        Raises Refused for one that another guest has, or that this host needs for itself: it comes from the
        network, and whoever has the route to a resolver or gateway is heard in its place.
        """
        if ip_address(address).version != 4 or address == self._reached:
            return
        reason = self._find_use(address)
        if reason is not None:
            raise Refused(
                f"{address} cannot be the guest's address: {reason}", hint="see what gave it that one"
            )
        self._await_mac(lambda: self._find_route(address), deadline)
        if self._reached is not None:
            iproute.run(["ip", "route", "del", f"{self._reached}/32", "dev", self._outer])
        route = ["route", "replace", f"{address}/32", "dev", self._outer, "src", self._own]
        iproute.run(["ip", *route])
        self._reached = address

    def _find_use(self, address: str) -> Optional[str]:
        """Return in words what this host itself has to do with an address, None if nothing."""
        interfaces = json.loads(iproute.run(["ip", "-json", "-4", "addr", "show"]) or "[]")
        if any(item.get("local") == address for entry in interfaces for item in entry.get("addr_info", ())):
            return "it is this host's own"
        if address in _resolvers():
            return "it is that of a name server of this host"
        for route in json.loads(iproute.run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]"):
            hops = {route.get("gateway"), *(hop.get("gateway") for hop in route.get("nexthops", ()))}
            if address in hops:
                return "it is that of a gateway of this host"
            if route.get("type", "unicast") != "unicast" or route.get("dev") == self._outer:
                continue
            network = ip_network("0.0.0.0/0" if route["dst"] == "default" else route["dst"])
            near = route.get("dev") == self.where and hops == {
                None
            }  # where proxy ARP stands in for the guest
            if 0 < network.prefixlen < 32 and ip_address(address) in network and not near:
                return f"this host routes {network} elsewhere"
        return None

    def _find_route(self, address: str) -> Optional[str]:
        """Return in words where another route for this one address leads: a guest that is up has one."""
        found = json.loads(iproute.run(["ip", "-json", "route", "show", "exact", f"{address}/32"]) or "[]")
        devices = [str(route.get("dev")) for route in found if route.get("dev") != self._outer]
        return f"{devices[0]}, to which {address} is routed" if devices else None


def uplink() -> str:
    """Return the name of the interface of the default route. Raises UsageError if there is none."""
    found = json.loads(iproute.run(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    devices = [str(route["dev"]) for route in found if "dev" in route]
    if not devices:
        raise UsageError("this host has no default route", hint="name the uplink by --interface")
    return devices[0]


def _resolvers() -> set[str]:
    """Return the addresses of this host's name servers."""
    found: set[str] = set()
    for path in _RESOLV_CONF:
        with suppress(OSError):
            found.update(re.findall(r"^\s*nameserver\s+(\S+)", path.read_text("ascii", "replace"), re.M))
    return found
