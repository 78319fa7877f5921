"""A macvlan on a plain NIC, as libvirt's "direct" interfaces are: another host on the NIC's wire.

A macvlan and the host itself do not hear each other: a DHCP server on this host does not see the guest.
Source: Linux drivers/net/macvlan.c.
"""

from __future__ import annotations

import errno
from typing import Optional

from pypxeboot.errors import UsageError
from pypxeboot.links import devices, inner
from pypxeboot.links.link import AttachRequest, FoundLink, Link
from pypxeboot.links.netlink import KernelRefused


class Macvlan(Link):
    """A macvlan in bridge mode, made on the host and moved into the client's namespace."""

    mode = "macvlan"

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        if found.device is not None and not found.device.is_ethernet:
            raise UsageError(
                f"{self.where} is no Ethernet, and leads to no guest's network",
                hint="name the guest's bridge or NIC by --bridge or --interface",
            )
        number = 0 if found.device is None else found.device.master
        above = devices.find_by_index(number) if number else None
        if above is not None:
            master = above.name
            raise UsageError(
                f"{self.where} is a port of {master}, and cannot have guests of its own",
                hint=f"connect the guest to {master} (--bridge {master})",
            )

    def _connect(self, pid: int, deadline: float) -> None:
        self._await_mac(lambda: self._make_macvlan(pid), deadline)

    def _make_macvlan(self, pid: int) -> Optional[str]:
        """Make the macvlan; return who has its MAC if it is taken: no two macvlans of a NIC have one MAC."""
        mac, outer = self._request.guest.mac, self._outer
        devices.add_macvlan(outer, mac, self.where, pid)
        try:
            devices.rename(outer, inner.INNER, pid)
            devices.set_up(inner.INNER, pid)
        except KernelRefused as why:
            devices.remove(inner.INNER, pid)
            if why.number != errno.EADDRINUSE:
                raise
            return f"another macvlan of {self.where}"
        self._undo.append(lambda: devices.remove(inner.INNER, pid))
        return None
