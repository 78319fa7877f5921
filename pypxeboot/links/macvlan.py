"""A macvlan on a plain NIC, as libvirt's "direct" interfaces are: another host on the NIC's wire.

Who speaks through a macvlan and the host itself do not hear each other: a DHCP server on this host does not
see it. Source: Linux drivers/net/macvlan.c.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.links import iproute
from pypxeboot.links.link import AttachRequest, FoundLink, Link


class Macvlan(Link):
    """By a macvlan in bridge mode, which is made on this side and moved."""

    mode = "macvlan"

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        master = self._device.get("master")
        if master is not None:
            raise UsageError(
                f"{self.where} is a port of {master}, and cannot have guests of its own",
                hint=f"connect the guest to {master} (--bridge {master})",
            )

    def _connect(self, pid: int, deadline: float) -> None:
        self._await_mac(lambda: self._taken(pid), deadline)

    def _taken(self, pid: int) -> Optional[str]:
        """Try it; where the MAC is alive if it cannot be: one NIC has no two macvlans with one MAC."""
        mac, outer = self._request.guest.mac, self._outer
        made = f"link add link {self.where} name {outer} address {mac} netns {pid} type macvlan mode bridge\n"
        iproute.run(["ip", "-batch", "-"], script=made)
        try:
            iproute.in_namespace(
                pid, f"link set dev {outer} name {iproute.INNER}\nlink set {iproute.INNER} up\n"
            )
        except PxeBootError as why:
            iproute.in_namespace(pid, f"link del dev {iproute.INNER}\n")
            if "in use" not in why.message:
                raise
            return f"another macvlan of {self.where}"
        self._undo.append(lambda: iproute.in_namespace(pid, f"link del dev {iproute.INNER}\n"))
        return None
