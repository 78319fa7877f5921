"""A macvlan on a plain NIC, as libvirt's "direct" interfaces are: another host on the NIC's wire.

A macvlan and the host itself do not hear each other: a DHCP server on this host does not see the guest.
Source: Linux drivers/net/macvlan.c.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.links import iproute
from pypxeboot.links.link import AttachRequest, FoundLink, Link


class Macvlan(Link):
    """A macvlan in bridge mode, made on the host and moved into the client's namespace."""

    mode = "macvlan"

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        if self._device.get("link_type", "ether") != "ether":
            raise UsageError(
                f"{self.where} is no Ethernet ({self._device['link_type']}), and leads to no guest's network",
                hint="name the guest's bridge or NIC by --bridge or --interface",
            )
        master = self._device.get("master")
        if master is not None:
            raise UsageError(
                f"{self.where} is a port of {master}, and cannot have guests of its own",
                hint=f"connect the guest to {master} (--bridge {master})",
            )

    def _connect(self, pid: int, deadline: float) -> None:
        self._await_mac(lambda: self._make_macvlan(pid), deadline)

    def _make_macvlan(self, pid: int) -> Optional[str]:
        """Make the macvlan; return who has its MAC if it is taken: no two macvlans of a NIC have one MAC."""
        mac, outer = self._request.guest.mac, self._outer
        made = f"link add link {self.where} name {outer} address {mac} netns {pid} type macvlan mode bridge\n"
        iproute.run(["ip", "-batch", "-"], script=made)
        try:
            iproute.run_in_namespace(
                pid, f"link set dev {outer} name {iproute.INNER}\nlink set {iproute.INNER} up\n"
            )
        except PxeBootError as why:
            iproute.run_in_namespace(pid, f"link del dev {iproute.INNER}\n")
            if "in use" not in why.message:
                raise
            return f"another macvlan of {self.where}"
        self._undo.append(lambda: iproute.run_in_namespace(pid, f"link del dev {iproute.INNER}\n"))
        return None
