"""A port of a Linux bridge, with its VLANs and its spanning tree."""

from __future__ import annotations

import json
import time
from typing import Any, Optional

from pypxeboot.errors import UsageError
from pypxeboot.links import iproute
from pypxeboot.links.link import CARRIER_SECONDS, HEARD_SECONDS, FoundLink, Link

# A port of one of these kinds goes with its guest. A veth may be a container's, or lead to another bridge:
# what was last heard there counts.
_GUEST_PORT_KINDS = ("tun", "tap", "macvtap")


class LinuxBridge(Link):
    """A veth pair whose outer end is a port of a Linux bridge."""

    mode = "veth"
    goes_onto = "a bridge"

    @classmethod
    def find(cls, where: str, device: Optional[dict[str, Any]]) -> Optional[FoundLink]:
        """Find a Linux bridge of that name."""
        return super().find(where, device) if iproute.kind_of(device) == "bridge" else None

    def await_guest_gone(self, deadline: float) -> None:
        """Wait until no port of the bridge has the guest's MAC. Raises Refused."""
        self._await_mac(self._find_mac, deadline)

    def _connect(self, pid: int, deadline: float) -> None:
        alias = f"link set dev {self._outer} alias {self._alias}\n"
        self._make_pair(pid, f"{alias}link set dev {self._outer} master {self.where}\n")
        if self._request.guest.vlan is not None:
            self._set_vlan(self._request.guest.vlan)
        iproute.run(["ip", "link", "set", "dev", self._outer, "up"])

    @property
    def _data(self) -> dict[str, Any]:
        """What ``ip -details`` tells of the bridge alone: VLAN filtering, STP."""
        return dict(self._device.get("linkinfo", {}).get("info_data", {}))

    def _set_vlan(self, vlan: int) -> None:
        if not self._data.get("vlan_filtering"):
            raise UsageError(
                f"bridge {self.where} does not filter VLANs, so --vlan {vlan} has no meaning there",
                hint=f"name the bridge of that VLAN, or set vlan_filtering on {self.where}",
            )
        default = self._data.get("vlan_default_pvid", 1)
        script = f"vlan del dev {self._outer} vid {default}\n" if default else ""
        added = f"vlan add dev {self._outer} vid {vlan} pvid untagged\n"
        iproute.run(["bridge", "-batch", "-"], script=script + added)

    @property
    def _alias(self) -> str:
        """Return the alias of the port, by which another run for this guest knows it.

        It is there before the port forwards and the guest's MAC is learned.
        """
        return f"pypxeboot:{self._request.guest.mac}"

    def _find_mac(self) -> Optional[str]:
        """Return in words the port of the bridge where the guest's MAC is alive, None if it is not."""
        for port in json.loads(iproute.run(["ip", "-json", "link", "show", "master", self.where]) or "[]"):
            if port.get("ifalias") == self._alias:
                return f"port {port['ifname']} of bridge {self.where}"
        shown = iproute.run(["bridge", "-json", "-statistics", "fdb", "show", "br", self.where])
        for entry in json.loads(shown or "[]"):
            if entry.get("mac") != self._request.guest.mac or not entry.get("master"):
                continue
            port = str(entry["ifname"])
            if _is_guest_port(port) or float(entry.get("updated", 0)) < HEARD_SECONDS:
                return f"port {port} of bridge {self.where}"
        return None

    def _await_forwarding(self, deadline: float) -> None:
        """Wait until the new port forwards, or the deadline.

        It does once the kernel has seen its carrier; with STP it listens and learns first, for twice the
        forward delay, 30 s by default.
        """
        # No port of a bridge that is down ever forwards, and whoever looks sees why.
        if "UP" not in self._device.get("flags", ()):
            return
        if not self._data.get("stp_state"):
            deadline = min(deadline, time.monotonic() + CARRIER_SECONDS)
        else:
            self._request.log(f"bridge {self.where} runs STP: its new port forwards in up to 30 s")
        self._poll(self._is_forwarding, deadline)

    def _is_forwarding(self) -> bool:
        port = (iproute.show(self._outer) or {}).get("linkinfo", {}).get("info_slave_data", {})
        return port.get("state") in ("forwarding", None)


def _is_guest_port(port: str) -> bool:
    device = iproute.show(port)
    if device is None:  # gone in the meantime
        return False
    return iproute.kind_of(device) in _GUEST_PORT_KINDS or port.startswith("vif")
