"""The guest's place on the network: which way leads there."""

from __future__ import annotations

from typing import Any

from pypxeboot.errors import UsageError
from pypxeboot.links import iproute, openvswitch, routed
from pypxeboot.links.bridge import LinuxBridge
from pypxeboot.links.link import Place, Wanted, Way
from pypxeboot.links.macvlan import Macvlan
from pypxeboot.links.openvswitch import OpenVSwitch
from pypxeboot.links.routed import Routed

DEFAULT_BRIDGE = "xenbr0"


class Host(Way):
    """None: raw frames, and transfers from the host's own address."""

    mode = "host"

    def _connect(self, pid: int, deadline: float) -> None:
        pass

    def join(self, pid: int, deadline: float) -> Place:
        """Stay where the host is."""
        return Place(self.mode, self.where, self.mtu, self.where)


def way_to(wanted: Wanted, mode: str) -> Way:
    """The way to the network of a guest; ``mode`` is auto, veth, macvlan, routed or host.

    Raises UsageError if there is nothing of that name, or nothing that could be joined so.
    """
    guest = wanted.guest
    if mode == "routed":
        where = guest.interface or guest.bridge or routed.uplink()
        return Routed(where, _existing(where), wanted)
    where = guest.bridge or guest.interface or DEFAULT_BRIDGE
    device = iproute.show(where)
    if mode in ("auto", "veth"):
        if _kind(device or {}) == "bridge":
            return LinuxBridge(where, device, wanted)
        switch = openvswitch.find(where)
        if switch is not None:
            return OpenVSwitch(where, switch, wanted)
    device = _existing(where)
    if mode == "veth":
        raise UsageError(f"{where} is no bridge", hint="name a bridge, or use --link macvlan")
    return (Host if mode == "host" else Macvlan)(where, device, wanted)


def _existing(where: str) -> dict[str, Any]:
    device = iproute.show(where)
    if device is None:
        hint = "name the guest's bridge or NIC by --bridge or --interface; 'ip link' lists them"
        raise UsageError(f"there is no network interface {where}", hint=hint)
    return device


def _kind(device: dict[str, Any]) -> str:
    return str(device.get("linkinfo", {}).get("info_kind", ""))
