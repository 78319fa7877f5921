"""Which link leads to the guest's network, by what the host has of that name."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.errors import UsageError
from pypxeboot.guest import Guest
from pypxeboot.links import devices, iproute, openvswitch, select
from pypxeboot.links.devices import NetDevice
from pypxeboot.links.link import AttachRequest, FoundLink

DEVICES = {
    device.name: device
    for device in (
        NetDevice(1, "br0", "bridge"),
        NetDevice(2, "ovs0", "openvswitch"),
        NetDevice(3, "eth0"),
        NetDevice(4, "xenbr0", "bridge"),
        NetDevice(5, "lo", is_ethernet=False),
    )
}


@pytest.fixture(autouse=True)
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has these interfaces, and a bridge of Open vSwitch among them."""

    def run(argv: list[str], *, script: Optional[str] = None) -> str:
        if argv[-1] == "list-br":
            return "ovs0\n"
        assert argv == ["ip", "-json", "-4", "route", "show", "default"], "it only looks"
        return '[{"dst": "default", "dev": "eth0"}]'

    monkeypatch.setattr(devices, "find", DEVICES.get)
    monkeypatch.setattr(devices, "bridges", lambda: ["br0", "xenbr0"])
    monkeypatch.setattr(iproute, "find_program", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(iproute, "run", run)


def find(choice: str, bridge: Optional[str] = None, interface: Optional[str] = None) -> FoundLink:
    return select.find_link(guest(bridge, interface), choice)


def guest(bridge: Optional[str], interface: Optional[str] = None) -> Guest:
    return Guest("52:54:00:ab:cd:ef", bridge=bridge, interface=interface)


@pytest.mark.parametrize(
    ("choice", "bridge", "mode", "where"),
    [
        ("auto", "br0", "veth", "br0"),
        ("veth", "br0", "veth", "br0"),
        ("auto", None, "veth", "xenbr0"),
        ("auto", "ovs0", "ovs", "ovs0"),
        ("veth", "ovs0.20:30:31", "ovs", "ovs0.20:30:31"),
        ("auto", "eth0", "macvlan", "eth0"),
        ("macvlan", "ovs0", "macvlan", "ovs0"),
        ("routed", None, "routed", "eth0"),
        ("routed", "br0", "routed", "br0"),
        ("host", "br0", "host", "br0"),
    ],
)
def test_what_is_found(choice: str, bridge: Optional[str], mode: str, where: str) -> None:
    found = find(choice, bridge)
    assert (found.kind.mode, found.where, found.error) == (mode, where, None)


def test_a_switch_and_its_vlans() -> None:
    assert find("auto", "ovs0.20:30:31").switch == openvswitch.Switch("ovs0", 20, (30, 31))
    assert find("auto", "ovs0").switch == openvswitch.Switch("ovs0")
    with pytest.raises(UsageError, match="outside 1 to 4094"):
        find("auto", "ovs0.4095")


def test_the_interface_and_the_bridge() -> None:
    assert find("auto", "br0", "eth0").where == "br0"
    assert find("routed", "br0", "eth0").where == "eth0"


@pytest.mark.parametrize(
    ("choice", "bridge", "message", "hint"),
    [
        ("veth", "eth0", "eth0 is not a bridge", "name a bridge, or use --link macvlan"),
        *(
            (choice, "gone", "there is no network interface gone", "(bridges: br0, xenbr0)")
            for choice in ("auto", "host")
        ),
    ],
)
def test_what_cannot_be(choice: str, bridge: str, message: str, hint: str) -> None:
    error = find(choice, bridge).error
    assert error is not None and error.message == message and hint in (error.hint or "")
    with pytest.raises(UsageError, match=message):
        select.link_for(AttachRequest(guest(bridge), 0.0, print), choice)


def test_what_has_no_mac_is_no_way_to_a_guest() -> None:
    with pytest.raises(UsageError, match="lo is no Ethernet"):
        select.link_for(AttachRequest(guest("lo"), 0, lambda line: None), "auto")
