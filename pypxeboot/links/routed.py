"""A link of the guest's own to this host, which routes: for guests that Xen's vif-route or vif-nat connect.

There is no bridge. The host answers ARP for whatever lies behind it, and knows the way to the guest by a
route for its one address; a DHCP server is heard only if it runs on this host, or is relayed to.
Source: xen tools/hotplug/Linux/vif-route.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Optional

from pypxeboot.errors import UsageError
from pypxeboot.guest import Guest
from pypxeboot.links import iproute
from pypxeboot.links.link import AttachRequest, FoundLink, Link

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

    def _connect(self, pid: int, deadline: float) -> None:
        self._make_pair(pid, f"addr add {self._own}/32 dev {self._outer}\n")
        Path(f"/proc/sys/net/ipv4/conf/{self._outer}/proxy_arp").write_text("1")
        iproute.run(["ip", "link", "set", "dev", self._outer, "up"])
        if _FORWARDS.read_text().strip() != "1":
            self._request.log(
                "this host forwards no packets (net.ipv4.ip_forward): the guest reaches the host alone"
            )

    def reach(self, address: str, deadline: float) -> None:
        """Route the address to the guest's end, unless another guest has it. Raises Refused."""
        if ip_address(address).version != 4:
            return
        self._await_mac(lambda: self._find_route(address), deadline)
        route = ["route", "replace", f"{address}/32", "dev", self._outer, "src", self._own]
        iproute.run(["ip", *route])

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
