"""Sites without a DHCP server on a bridge: NICs, routed and NAT guests, relays; odd MTUs, firewalls."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, servers, tools
from tests.support.ground.net import HOST, command
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import check_simple, kernel_of, serve, tree
from tests.support.samples.xl import xl
from tests.support.slow_downloads import finish

FAR, FAR_ROUTER = "10.88.0.1", "10.88.0.254"


def inside(namespace: str, *argv: str) -> str:
    return command("ip", "netns", "exec", namespace, *argv)


def set_sysctl(namespace: str, name: str, value: str = "1") -> None:
    inside(namespace, "sh", "-c", f"echo {value} > /proc/sys/{name}")


@pytest.fixture
def nic(site: Site) -> Site:
    """The site without its bridge: ``vsw`` is a NIC of the hypervisor, which has an address."""
    site.ip("link set vsw nomaster up", f"addr add {HOST}/24 dev vsw")
    return site


def boot_on(site: Site, *args: str, **more: Any) -> Run:
    base = ("--json", "--mac", MAC, "--output-directory", str(site.out))
    return site.pypxeboot(*base, *args, **more)


class TestMacvlan:
    def test_a_guest_with_the_same_mac(self, nic: Site) -> None:
        """As libvirt's "direct" interfaces are."""
        serve(nic)
        made = f"link add link vsw name guest0 address {MAC} type macvtap mode bridge"
        nic.ip(made, "link set guest0 up")
        nic.adopt("guest0")
        run = boot_on(nic, "--interface", "vsw", "--mac-wait", "1")
        assert run.rc == 7 and "vsw" in run.result["error"]["message"] and run.seconds > 1, str(run)
        nic.assert_nothing_left()
        process = nic.start("--json", "--mac", MAC, "--interface", "vsw", "--output-directory", str(nic.out))
        assert process.stderr is not None
        assert b"still alive" in iter_until(process.stderr, b"still alive")
        nic.ip("link del guest0")
        check_simple(nic, finish(process))

    def test_a_nic_that_is_a_port_of_a_bridge(self, site: Site) -> None:
        run = boot_on(site, "--interface", "vsw")
        assert run.rc == 2 and f"--bridge {BRIDGE}" in run.result["error"]["hint"], str(run)


def iter_until(stream: Any, word: bytes) -> bytes:
    """The line of a stream that has the word in it."""
    return next(line for line in stream if word in line)


@pytest.fixture
def routed(nic: Site) -> Site:
    """A host as vif-route wants it: it forwards, and answers ARP for its guests on the uplink."""
    for name in ("net/ipv4/ip_forward", "net/ipv4/conf/vsw/proxy_arp"):
        set_sysctl(nic.hyp, name)
    nic.ip(f"route add default via {SERVER}")
    return nic


BY_HAND = ("--server", SERVER, "--bootfile", "pxelinux.0")


class TestRouted:
    def test_a_guest_in_the_network_of_the_uplink(self, routed: Site) -> None:
        """ARP is answered on both sides."""
        servers.dnsmasq(routed, servers.plant(routed.directory / "root", tree()), None)
        run = boot_on(routed, "--link", "routed", "--ip", f"{ADDRESS}/24", *BY_HAND, "-v")
        assert "on vsw (routed)" in run.stderr
        check_simple(routed, run)

    def test_a_guest_with_a_network_of_its_own(self, routed: Site) -> None:
        servers.dnsmasq(routed, servers.plant(routed.directory / "root", tree()), None)
        routed.ip(f"route add 10.99.0.0/24 via {HOST}", namespace=routed.srv)
        given = ("--link", "routed", "--interface", "vsw", *BY_HAND, "--gateway", HOST)
        check_simple(routed, boot_on(routed, *given, "--ip", "10.99.0.5/32"))

    def test_dhcp_of_a_server_on_the_host(self, routed: Site) -> None:
        """As with vif-route: a broadcast of the guest ends in the host."""
        servers.dnsmasq(routed, servers.plant(routed.directory / "root", tree()), None)
        argv = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0"]
        argv += ["--user=root", "--pid-file=", f"--dhcp-leasefile={routed.fresh('leases')}", "--no-ping"]
        argv += [
            "--interface=pxe*",
            "--bind-dynamic",
            "--dhcp-range=10.77.0.100,10.77.0.200,255.255.255.0,1h",
        ]
        argv += [f"--dhcp-boot=pxelinux.0,,{SERVER}", f"--dhcp-host={MAC},{ADDRESS}"]
        routed.spawn(argv, "dnsmasq.log", namespace=routed.hyp).wait_for("DHCP, IP range")
        run = boot_on(routed, "--link", "routed")
        assert run.ok().result["lease"]["address"] == ADDRESS
        check_simple(routed, run)

    def test_nobody_answers(self, routed: Site) -> None:
        run = boot_on(routed, "--link", "routed", "--timeout", "3")
        assert run.rc == 3 and "on vsw" in run.result["error"]["message"], str(run)

    def test_nat(self, routed: Site) -> None:
        """The server knows nothing of the guest's network. (No NAT without a helper passes TFTP.)"""
        root = servers.plant(routed.directory / "root", tree())
        servers.nginx(routed, root)
        inside(routed.hyp, "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "vsw", "-j", "MASQUERADE")
        given = (
            "--ip",
            "10.5.0.9/16",
            "--gateway",
            "10.5.0.127",
            "--bootfile",
            f"http://{SERVER}/pxelinux.0",
        )
        run = boot_on(routed, "--link", "routed", *given)
        check_simple(routed, run, f"http://{SERVER}/")

    def test_an_address_that_is_a_running_guests(self, routed: Site) -> None:
        """Its traffic must not be drawn away."""
        routed.ip("link add vif3.0 type veth peer name guest", "link set vif3.0 up", "link set guest up")
        routed.ip(f"route add {ADDRESS}/32 dev vif3.0")
        given = ("--link", "routed", "--ip", f"{ADDRESS}/24", *BY_HAND, "--mac-wait", "0")
        run = boot_on(routed, *given)
        assert run.rc == 7 and "vif3.0" in run.result["error"]["message"], str(run)
        assert "vif3.0" in routed.show("route", "get", ADDRESS)

    def test_the_doctor(self, routed: Site) -> None:
        servers.dnsmasq(routed, servers.plant(routed.directory / "root", tree()), None)
        given = ("--mac", MAC, "--link", "routed", "--ip", f"{ADDRESS}/24", *BY_HAND)
        assert b"vsw is up" in routed.pypxeboot("doctor", *given).ok().stdout

    def test_a_host_that_cannot_route(self, site: Site) -> None:
        run = boot_on(site, "--link", "routed")
        assert run.rc == 2 and "default route" in run.result["error"]["message"]
        run = boot_on(site, "--link", "routed", "--interface", "vsw")
        assert run.rc == 2 and "no IPv4 address" in run.result["error"]["message"]

    def test_the_script_of_the_vif_says_so(self, routed: Site, tmp_path: Path) -> None:
        servers.dnsmasq(routed, servers.plant(routed.directory / "root", tree()), None)
        database = tmp_path / "site.conf"
        text = f"[web]\nip = {ADDRESS}/24\nserver = {SERVER}\nbootfile = pxelinux.0\n"
        database.write_text(text)
        vif = f"name = 'web'\nvif = ['mac={MAC},ip={ADDRESS},script=/etc/xen/scripts/vif-route']\n"
        run = xl(routed, vif, f"--config-file={database}")
        assert run.ok().stdout.startswith(b"kernel ") and f"MAC {MAC} on vsw (routed)" in run.stderr, str(run)


@pytest.fixture
def far(site: Site) -> Iterator[Site]:
    """The site with its servers one network away: where they were is a router now."""
    namespace = site.namespace("far")
    site.ip(f"link add far1 type veth peer name far0 netns {namespace}", namespace=site.srv)
    site.ip(f"addr add {FAR_ROUTER}/24 dev far1", "link set far1 up", namespace=site.srv)
    lines = (f"addr add {FAR}/24 dev far0", "link set far0 up", f"route add default via {FAR_ROUTER}")
    site.ip("link set lo up", *lines, namespace=namespace)
    set_sysctl(site.srv, "net/ipv4/ip_forward")
    servers.dnsmasq(
        site, servers.plant(site.directory / "far", tree()), None, namespace=namespace, link="far0"
    )
    subnet = "subnet 10.88.0.0 netmask 255.255.255.0 { }"
    servers.dhcpd(site, Offer(next_server=FAR), subnet, namespace=namespace, link="far0")
    yield site


class TestRelay:
    def test_isc_relay(self, far: Site) -> None:
        """Answers come from the relay, the server is another one, and files a network further on."""
        argv = ["dhcrelay", "-4", "-d", "--no-pid", "-id", "srv0", "-iu", "far1", FAR]
        far.spawn(argv, "dhcrelay.log").wait_for("Sending on   Socket/fallback")
        run = far.boot("-v")
        check_simple(far, run, f"tftp://{FAR}/")
        lease = run.result["lease"]
        assert (lease["address"], lease["server_id"], lease["gateway"]) == (ADDRESS, FAR, SERVER)

    def test_relay_of_dnsmasq(self, far: Site) -> None:
        argv = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--port=0"]
        argv += ["--user=root", "--pid-file=", f"--dhcp-relay={SERVER},{FAR}", "--interface=srv0"]
        far.spawn(argv, "relay.log").wait_for("DHCP relay")
        check_simple(far, far.boot(), f"tftp://{FAR}/")


BIG = {**tree(), "vmlinuz": tree()["vmlinuz"] + os.urandom(200_000)}


def fragments(site: Site) -> int:
    """How many fragments the server has sent."""
    lines = inside(site.srv, "cat", "/proc/net/snmp").splitlines()
    names, values = (line.split() for line in lines if line.startswith("Ip:"))
    return int(values[names.index("FragCreates")])


class TestMtu:
    @pytest.mark.parametrize("mtu", [9000, 600])
    def test_of_the_whole_link(self, site: Site, mtu: int) -> None:
        site.ip(*(f"link set {name} mtu {mtu}" for name in ("vsw", BRIDGE)))
        site.ip(f"link set srv0 mtu {mtu}", namespace=site.srv)
        root = serve(site, files=BIG)
        servers.nginx(site, root)
        run = site.boot("-v")
        assert f"MTU {mtu}" in run.stderr and len(kernel_of(run)) > 200_000
        assert kernel_of(site.boot("--path-prefix", f"http://{SERVER}/")) == kernel_of(run)

    def test_too_small_for_ipv6(self, site: Site) -> None:
        """Which is tried when nobody answers, and is no reason to fail otherwise than that."""
        site.ip(f"link set {BRIDGE} mtu 600")
        run = site.boot("--timeout", "3")
        assert run.rc == 3 and "Traceback" not in run.stderr, str(run)

    def test_of_the_bridge_alone(self, site: Site) -> None:
        """A tunnel below the bridge: what is larger is lost, and TFTP asks for smaller blocks."""
        site.ip("link set vsw mtu 1280", f"link set {BRIDGE} mtu 1280")
        serve(site, files=BIG)
        assert len(kernel_of(site.boot())) > 200_000
        assert not fragments(site)

    def test_that_dhcp_tells(self, site: Site) -> None:
        serve(site, files=BIG, offer=Offer(options={26: "1400"}))
        assert len(kernel_of(site.boot())) > 200_000


class TestFirewall:
    def test_forward_drop_is_in_the_hint(self, site: Site) -> None:
        """Docker's policy, with br_netfilter: no frame of a new port passes, and nobody answers."""
        serve(site)
        if not Path("/proc/sys/net/bridge").exists():
            pytest.skip("this kernel has no br_netfilter")
        set_sysctl(site.hyp, "net/bridge/bridge-nf-call-iptables")
        inside(site.hyp, "iptables", "-P", "FORWARD", "DROP")
        run = site.boot("--timeout", "3")
        assert run.rc == 3 and "br_netfilter hands it" in run.result["error"]["hint"], str(run)
        accept = "-I FORWARD -m physdev --physdev-is-bridged -j ACCEPT"
        assert accept in run.result["error"]["hint"]
        run = site.boot("--ip", f"{ADDRESS}/24", *BY_HAND, "--timeout", "3")
        assert run.rc == 6 and accept in run.result["error"]["hint"], str(run)
        inside(site.hyp, "iptables", *accept.split())
        check_simple(site, site.boot())

    def test_link_host_is_out_of_its_reach(self, site: Site) -> None:
        serve(site)
        site.ip(f"addr add {HOST}/24 dev {BRIDGE}")
        inside(site.hyp, "iptables", "-P", "FORWARD", "DROP")
        check_simple(site, site.boot("--link", "host"))


LOSES_ITS_PROCESS = """
import json, subprocess, sys, time
from pathlib import Path
from pypxeboot.errors import PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.links import devices
from pypxeboot.links.link import AttachRequest
from pypxeboot.links.select import link_for
where, mode, moment = sys.argv[1:]
client = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
client.stdout.readline()
add_pair, write_text = devices.add_pair, Path.write_text
def lose_the_pair():
    client.kill()
    client.wait()
    while devices.find(outer) is not None:
        time.sleep(0.01)
def add(ours, *arguments):
    global outer
    outer = ours[0]
    add_pair(ours, *arguments)
    if moment == "made":
        lose_the_pair()
def write(path, text):
    lose_the_pair()
    return write_text(path, text)
devices.add_pair, Path.write_text = add, write
link = link_for(AttachRequest(Guest("52:54:00:00:00:01", **json.loads(where)), 0, print), mode)
try:
    link.join(client.pid, time.monotonic() + 30)
except PxeBootError as why:
    print("told:", why.message)
link.leave()
"""


@pytest.mark.parametrize("moment", ["made", "set up"])
@pytest.mark.parametrize(("where", "mode"), [({"bridge": BRIDGE}, "veth"), ({"interface": "up0"}, "routed")])
def test_a_client_that_ends_while_it_is_joined(
    site: Site, where: dict[str, str], mode: str, moment: str
) -> None:
    """Its namespace takes the pair with it: an error of the link, whenever that is, and so of the client."""
    site.ip("link add up0 type veth peer name far0", "addr add 10.9.0.1/24 dev up0", "link set up0 up")
    argv = ["ip", "netns", "exec", site.hyp, sys.executable, "-c", LOSES_ITS_PROCESS]
    argv += [json.dumps(where), mode, moment]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=tools.ENVIRONMENT)
    assert done.returncode == 0 and done.stdout.startswith("told: "), done
