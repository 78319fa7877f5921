"""What the kernel is asked and told about interfaces, with iproute2 as the judge."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from pypxeboot.errors import PxeBootError
from pypxeboot.links import devices, netlink
from pypxeboot.links.devices import NetDevice
from pypxeboot.links.netlink import KernelRefused
from tests.support.ground import Site, tools
from tests.support.ground.net import command

MAC = "52:54:00:00:00:01"


def inside(site: Site, program: str) -> Any:
    """What a program prints as JSON that runs on the hypervisor."""
    before = "import dataclasses, json\nfrom pypxeboot.links import devices\n"
    argv = ["ip", "netns", "exec", site.hyp, sys.executable, "-c", before + program]
    environment = tools.ENVIRONMENT
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def told(site: Site, *words: str) -> Any:
    """What ``ip`` or ``bridge`` tells there."""
    return json.loads(command("ip", "netns", "exec", site.hyp, *words) or "[]")


@pytest.fixture
def crowded(site: Site) -> Site:
    """A hypervisor with interfaces of many kinds, some of them ports of a second bridge."""
    site.ip(
        "link add brs type bridge stp_state 1 forward_delay 400",
        "link add out type veth peer name far",
        f"link add link far name mac0 address {MAC} type macvlan mode bridge",
        "tuntap add tap0 mode tap",
        "link set out alias pypxeboot:a",
        "link set out master brs",
        "link set tap0 master brs mtu 1300",
        *(f"link set {name} up" for name in ("brs", "out", "far", "mac0")),
    )
    return site


def expected(shown: dict[str, Any], indexes: dict[str, int]) -> NetDevice:
    """What ``ip -json -details`` tells of an interface."""
    about = shown.get("linkinfo", {})
    own = about.get("info_data", {}) if about.get("info_kind") == "bridge" else {}
    state = about.get("info_slave_data", {}).get("state")
    return NetDevice(
        index=shown["ifindex"],
        name=shown["ifname"],
        kind=about.get("info_kind", ""),
        mtu=shown["mtu"],
        is_ethernet=shown["link_type"] == "ether",
        is_up="UP" in shown["flags"],
        has_carrier="LOWER_UP" in shown["flags"],
        operates=shown["operstate"] == "UP",
        master=indexes.get(shown.get("master", ""), 0),
        alias=shown.get("ifalias", ""),
        port_forwards=None if state is None else state == "forwarding",
        runs_stp=bool(own.get("stp_state", 0)),
        forward_delay=own.get("forward_delay", 1500) / 100,
        filters_vlans=bool(own.get("vlan_filtering", 0)),
        default_vlan=own.get("vlan_default_pvid", 1),
    )


def test_what_there_is(crowded: Site) -> None:
    shown = told(crowded, "ip", "-json", "-details", "link", "show")
    indexes = {one["ifname"]: one["ifindex"] for one in shown}
    names = sorted(indexes)
    assert {"brs", "out", "mac0", "far", "tap0", "lo", "vsw"} <= set(names)
    program = f"print(json.dumps([dataclasses.asdict(devices.find(name)) for name in {names}]))"
    found = {one["name"]: NetDevice(**one) for one in inside(crowded, program)}
    assert found == {one["ifname"]: expected(one, indexes) for one in shown}
    assert inside(crowded, 'print(json.dumps([devices.bridges(), devices.find("none")]))') == [
        ["br0", "brs"],
        None,
    ]
    ports = 'print(json.dumps([port.name for port in devices.ports(devices.find("brs"))]))'
    assert sorted(inside(crowded, ports)) == ["out", "tap0"]


def test_what_a_bridge_has_learned(crowded: Site) -> None:
    command(
        "ip", "netns", "exec", crowded.hyp, "bridge", "fdb", "add", MAC, "dev", "tap0", "master", "static"
    )
    shown = told(crowded, "bridge", "-json", "-statistics", "fdb", "show", "br", "brs")
    wanted = [[one["ifname"], one["updated"]] for one in shown if one["mac"] == MAC and one.get("master")]
    program = f"""if True:
        brs = devices.find("brs")
        heard = [(devices.find_by_index(at).name, int(age)) for at, age in devices.learned(brs, "{MAC}")]
        print(json.dumps([heard, list(devices.learned(devices.find("br0"), "{MAC}"))]))
    """
    heard, elsewhere = inside(crowded, program)
    assert [name for name, _ in heard] == [name for name, _ in wanted] == ["tap0"]
    assert abs(heard[0][1] - wanted[0][1]) < 60 and elsewhere == []


def test_the_vlan_of_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``bridge vlan del`` and ``bridge vlan add ... pvid untagged`` say it: not every kernel has VLANs."""
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(devices, "index_of", lambda _: 13)
    monkeypatch.setattr(
        netlink.Netlink, "change", lambda _s, _w, kind, body, _f: said.append((kind, body.hex()))
    )
    bridge = NetDevice(2, "br0", "bridge", filters_vlans=True, default_vlan=1)
    devices.set_port_vlan("vif1.0", 5, bridge)
    head = "07000000" + "0d000000" + 8 * "00"
    assert said == [
        (netlink.DELETE_LINK, head + "0c001a00" + "08000200" + "00000100"),
        (netlink.SET_LINK, head + "0c001a00" + "08000200" + "06000500"),
    ]


def test_what_the_kernel_refuses() -> None:
    with pytest.raises(KernelRefused, match="cannot set nosuchlink up: No such device"):
        devices.set_up("nosuchlink")
    with pytest.raises(KernelRefused, match="cannot make the pair of lo and eth0: File exists"):
        devices.add_pair(("lo", MAC), ("eth0", MAC), os.getpid(), 1500)
    with pytest.raises(PxeBootError, match="cannot be asked about the network: No such file"):
        devices.set_up("lo", 1 << 30)
    assert devices.find("nosuchlink") is None and devices.find_by_index(1 << 30) is None
