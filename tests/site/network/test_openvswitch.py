"""The guest's place on a real Open vSwitch, whose datapath is in user space."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import MAC, Run, Site, guests, servers, wait_until
from tests.support.ground.net import command
from tests.support.ground.ovs import OpenVSwitch
from tests.support.ground.simple import check_simple, serve, tree
from tests.support.slow_downloads import SLOW, downloading, finish

SWITCH = "ovs0"


@pytest.fixture
def switch(site: Site, short_tmp: Path) -> Iterator[OpenVSwitch]:
    """A switch in place of the site's bridge: the port of the server is an access port of VLAN 20."""
    made = OpenVSwitch(site, short_tmp / "ovs")
    made.add_bridge(SWITCH)
    site.ip("link set vsw nomaster")
    made.vsctl("add-port", SWITCH, "vsw", "tag=20")
    # What the kernel leaves to a NIC, a switch in user space leaves undone.
    command("ip", "netns", "exec", site.srv, "ethtool", "-K", "srv0", "tx", "off")
    yield made


def boot(site: Site, switch: OpenVSwitch, bridge: str, *args: str, **more: Any) -> Run:
    base = ("--json", "--mac", MAC, "--bridge", bridge, "--output-directory", str(site.out))
    return site.pypxeboot(*base, *args, env=switch.environment, **more)


def test_the_tag_of_the_port_is_in_the_bridges_name(site: Site, switch: OpenVSwitch) -> None:
    serve(site)
    check_simple(site, boot(site, switch, f"{SWITCH}.20"))
    switch.vsctl("add-br", "fake0", SWITCH, "20")  # a name for the VLAN
    for words in ([SWITCH, "--vlan", "20"], [f"{SWITCH}.20:30:31"], ["fake0"]):
        boot(site, switch, *words, "-n").ok()
    assert switch.ports(SWITCH) | switch.ports("fake0") == {"vsw"}


def test_other_vlans_do_not_reach_the_server(site: Site, switch: OpenVSwitch) -> None:
    serve(site)
    assert boot(site, switch, f"{SWITCH}.21", "--timeout", "3").rc == 3
    for bridge, args in ((f"{SWITCH}.4095", ()), (f"{SWITCH}.20", ("--vlan", "21")), ("nosuch.20", ())):
        run = boot(site, switch, bridge, *args)
        assert run.rc == 2, str(run)
    assert switch.ports(SWITCH) == {"vsw"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ports_of_runs_that_were_ended(site: Site, switch: OpenVSwitch, number: signal.Signals) -> None:
    """Of a run that is killed the port stays in the database; the next run removes it."""
    root = serve(site, files={**tree(SLOW), "big": bytes(1 << 20)})
    servers.nginx(site, root, "limit_rate 16k;")
    base = ("--json", "--mac", MAC, "--bridge", f"{SWITCH}.20", "--output-directory", str(site.out))
    process = site.start(*base, env=switch.environment)
    wait_until(lambda: downloading(site), 20, "download")
    (port,) = switch.ports(SWITCH) - {"vsw"}
    assert switch.vsctl("get", "Interface", port, "external_ids:attached-mac").strip() == f'"{MAC}"'
    other = boot(site, switch, f"{SWITCH}.20", "--mac-wait", "0")
    assert other.rc == 7 and port in other.result["error"]["message"], str(other)
    process.send_signal(number)
    finish(process)
    left = {port} if number == signal.SIGKILL else set()
    assert switch.ports(SWITCH) == {"vsw"} | left
    boot(site, switch, f"{SWITCH}.20", "-n").ok()
    assert switch.ports(SWITCH) == {"vsw"}


def test_a_mac_that_is_alive(site: Site, switch: OpenVSwitch) -> None:
    """By what its toolstack noted, and by being heard."""
    serve(site)
    site.ip("link add vif9 type veth peer name vif9p", "link set vif9 up", "link set vif9p up")
    switch.vsctl(
        "add-port", SWITCH, "vif9", "--", "set", "Interface", "vif9", f'external_ids:attached-mac="{MAC}"'
    )
    run = boot(site, switch, f"{SWITCH}.20", "--mac-wait", "0")
    assert run.rc == 7 and "vif9" in run.result["error"]["message"], str(run)
    switch.vsctl("del-port", "vif9")
    boot(site, switch, f"{SWITCH}.20", "-n").ok()
    with guests.running_guest(site, port="vif8", bridge=""):
        switch.vsctl("add-port", SWITCH, "vif8")
        wait_until(lambda: MAC in switch.appctl("fdb/show", SWITCH), 30, "MAC learned")
        run = boot(site, switch, f"{SWITCH}.20", "--mac-wait", "0")
        assert run.rc == 7 and SWITCH in run.result["error"]["message"], str(run)


def test_the_doctor(site: Site, switch: OpenVSwitch) -> None:
    serve(site)
    given = ("doctor", "--mac", MAC, "--bridge", f"{SWITCH}.20")
    run = site.pypxeboot(*given, env=switch.environment).ok()
    assert b"bridge of Open vSwitch with 1 port, VLAN 20" in run.stdout, str(run)


def test_rapid_spanning_tree(site: Site, switch: OpenVSwitch) -> None:
    switch.vsctl("set", "Bridge", SWITCH, "rstp_enable=true", "other_config:rstp-forward-delay=4")
    state = ("--if-exists", "get", "Port", "vsw", "rstp_status:rstp_port_state")
    wait_until(lambda: "Forwarding" in switch.vsctl(*state), 40, "port of the server forwards")
    serve(site)
    run = boot(site, switch, f"{SWITCH}.20", "-v")
    assert "runs STP" in run.stderr
    check_simple(site, run)


def test_a_switch_that_does_not_run(site: Site, switch: OpenVSwitch) -> None:
    """Its programs are installed, and that must not matter to those who use none."""
    site.stop_servers()
    serve(site)
    boot(site, switch, "vsw", "-n").ok()
