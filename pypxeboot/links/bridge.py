"""A port of a Linux bridge, with its VLANs and its spanning tree."""

from __future__ import annotations

import time
from typing import Optional

from pypxeboot.errors import UsageError
from pypxeboot.links import devices
from pypxeboot.links.devices import NetDevice
from pypxeboot.links.link import CARRIER_SECONDS, HEARD_SECONDS, AttachRequest, FoundLink, Link

# A port of one of these kinds goes with its guest. A veth may be a container's, or lead to another bridge:
# what was last heard there counts.
_GUEST_PORT_KINDS = ("tun", "tap", "macvtap")


class LinuxBridge(Link):
    """A veth pair whose outer end is a port of a Linux bridge."""

    mode = "veth"
    goes_onto = "a bridge"

    @classmethod
    def find(cls, where: str, device: Optional[NetDevice]) -> Optional[FoundLink]:
        """Find a Linux bridge of that name."""
        return super().find(where, device) if device is not None and device.kind == "bridge" else None

    def __init__(self, found: FoundLink, request: AttachRequest) -> None:
        super().__init__(found, request)
        assert found.device is not None
        self._bridge = found.device

    def await_guest_gone(self, deadline: float) -> None:
        """Wait until no port of the bridge has the guest's MAC. Raises Refused."""
        self._await_mac(self._find_mac, deadline)

    def _connect(self, pid: int, deadline: float) -> None:
        self._make_pair(pid)
        devices.put_into_bridge(self._outer, self._bridge, self._alias)
        if self._request.guest.vlan is not None:
            self._set_vlan(self._request.guest.vlan)
        devices.set_up(self._outer)

    def _set_vlan(self, vlan: int) -> None:
        if not self._bridge.filters_vlans:
            raise UsageError(
                f"bridge {self.where} does not filter VLANs, so --vlan {vlan} has no meaning there",
                hint=f"name the bridge of that VLAN, or set vlan_filtering on {self.where}",
            )
        devices.set_port_vlan(self._outer, vlan, self._bridge)

    @property
    def _alias(self) -> str:
        """Return the alias of the port, by which another run for this guest knows it.

        It is there before the port forwards and the guest's MAC is learned.
        """
        return f"pypxeboot:{self._request.guest.mac}"

    def _find_mac(self) -> Optional[str]:
        """Return in words the port of the bridge where the guest's MAC is alive, None if it is not."""
        for port in devices.ports(self._bridge):
            if port.alias == self._alias:
                return f"port {port.name} of bridge {self.where}"
        for number, seconds in devices.learned(self._bridge, self._request.guest.mac):
            found = devices.find_by_index(number)
            if found is not None and (_is_guest_port(found) or seconds < HEARD_SECONDS):
                return f"port {found.name} of bridge {self.where}"
        return None

    def _await_forwarding(self, deadline: float) -> None:
        """Wait until the new port forwards, or the deadline.

        It does once the kernel has seen its carrier; with STP it listens and learns first, for twice the
        forward delay, 30 s by default.
        """
        # No port of a bridge that is down ever forwards, and whoever looks sees why.
        if not self._bridge.is_up:
            return
        if not self._bridge.runs_stp:
            deadline = min(deadline, time.monotonic() + CARRIER_SECONDS)
        else:
            self._request.log(f"bridge {self.where} runs STP: its new port forwards in up to 30 s")
        self._poll(self._is_forwarding, deadline)

    def _is_forwarding(self) -> bool:
        port = devices.find(self._outer)
        return port is None or port.port_forwards in (True, None)


def _is_guest_port(port: NetDevice) -> bool:
    return port.kind in _GUEST_PORT_KINDS or port.name.startswith("vif")
