"""No link: DHCP by raw frames on an interface of the host, and downloads from the host's own address."""

from __future__ import annotations

from pypxeboot.links.link import Attached, Link


class HostLink(Link):
    """The host's own interface, as it is."""

    mode = "host"

    def _connect(self, pid: int, deadline: float) -> None:
        pass

    def join(self, pid: int, deadline: float) -> Attached:
        """Return the host's interface: the client process stays in the host's network namespace."""
        return Attached(self.mode, self.where, self.mtu, self.where)
