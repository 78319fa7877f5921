"""Boots without DHCP, and what the administrator says instead of the DHCP server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, SECOND_SERVER, SERVER, Run, Site, servers, wait_until
from tests.support.ground.net import Server, command
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import asked, check_simple, check_stderr, serve, tree

IP = ("--ip", f"{ADDRESS}/24")
FAR, FAR_ROUTER = "10.88.0.2", "10.88.0.1"
DHCP_ANSWERS = Offer(next_server="10.77.0.99", filename="wrong.0", options={209: "wrong.cfg", 210: "wrong/"})


@pytest.fixture
def wire(site: Site) -> Server:
    """A listener of its own on the bridge, for DHCP only."""
    argv = ["tcpdump", "-i", BRIDGE, "-nn", "-l", "-U", "udp port 67 or udp port 68"]
    return site.spawn(argv, "tcpdump.log", namespace=site.hyp).wait_for("listening on")


def heard_dhcp(wire: Server) -> bool:
    wire.process.terminate()
    wire.process.wait(5)
    return "BOOTP/DHCP" in wire.text()


def serve_beside_dhcp(site: Site, **trees: str) -> Path:
    """A tree at each prefix by TFTP and HTTP, beside a DHCP server that would lead astray."""
    files = {name: data for prefix in trees.values() for name, data in tree(prefix=prefix).items()}
    root = servers.plant(site.directory / "root", files)
    servers.dnsmasq(site, root, DHCP_ANSWERS)
    servers.nginx(site, root)
    return root


def check_no_lease(run: Run) -> None:
    assert run.ok().result["lease"] is None
    assert "requesting info" not in run.stderr
    assert f"getting cfg for IP {ADDRESS} (0A4D00AD)" in run.stderr


def test_server_and_boot_file(site: Site, wire: Server) -> None:
    serve_beside_dhcp(site, root="", sub="sub/")
    run = site.boot(*IP, "--server", SERVER, "--bootfile", "pxelinux.0")
    check_no_lease(run)
    check_simple(site, run)
    shutil.rmtree(site.out)
    run = site.boot(*IP, "--server", SERVER, "--bootfile", "sub/pxelinux.0")
    check_simple(site, run, f"tftp://{SERVER}/sub/")
    assert not heard_dhcp(wire)


def test_the_listener_would_hear_dhcp(site: Site, wire: Server) -> None:
    serve(site)
    site.boot().ok()
    wait_until(lambda: "BOOTP/DHCP" in wire.text(), 30, "DHCP heard")


def test_the_capture_has_no_dhcp(site: Site) -> None:
    serve_beside_dhcp(site, root="")
    capture = site.directory / "boot.pcap"
    run = site.boot(*IP, "--config", f"tftp://{SERVER}/pxelinux.cfg/default", "--pcap", str(capture))
    check_simple(site, run)
    data = capture.read_bytes()
    assert b"pxelinux.cfg/default" in data and b"\x63\x82\x53\x63" not in data


CONFIGS = {
    "tftp-beside-the-directory": (f"tftp://{SERVER}/pxelinux.cfg/default", f"tftp://{SERVER}/"),
    "tftp-below": (f"tftp://{SERVER}/sub/pxelinux.cfg/default", f"tftp://{SERVER}/sub/"),
    "http-beside-the-directory": (f"http://{SERVER}/pxelinux.cfg/default", f"http://{SERVER}/"),
    "http-beside": (f"http://{SERVER}/sub/menu.cfg", f"http://{SERVER}/sub/"),
    "http-port-and-query": (f"http://{SERVER}:80/sub/menu.cfg?a=/b/c", f"http://{SERVER}:80/sub/"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_configuration_by_url(site: Site, wire: Server, case: str) -> None:
    config, base = CONFIGS[case]
    root = serve_beside_dhcp(site, root="", sub="sub/")
    (root / "sub/menu.cfg").write_bytes((root / "pxelinux.cfg/default").read_bytes())
    run = site.boot(*IP, "--config", config)
    check_no_lease(run)
    assert run.result["config"] == config
    assert asked(run)[0] == (config, "ok")
    check_simple(site, run, base)
    assert not heard_dhcp(wire)


def test_what_is_named_beside_the_configuration_counts(site: Site) -> None:
    serve_beside_dhcp(site, root="", sub="sub/")
    config = ("--config", f"http://{SERVER}/pxelinux.cfg/default")
    run = site.boot(*IP, *config, "--path-prefix", f"http://{SECOND_SERVER}/sub/", "--timeout", "8")
    assert run.rc == 6, "nothing listens there"
    check_simple(site, site.boot(*IP, *config, "--path-prefix", "sub/"), f"tftp://{SERVER}/sub/")
    shutil.rmtree(site.out)
    run = site.boot(*IP, *config, "--path-prefix", "sub/", "--server", SECOND_SERVER)
    check_simple(site, run, f"tftp://{SECOND_SERVER}/sub/")


def test_a_name_needs_a_server(site: Site) -> None:
    serve_beside_dhcp(site, root="")
    run = site.boot(*IP, "--config", "pxelinux.cfg/default")
    assert run.rc in (2, 4, 5), str(run)
    assert "--server" in (run.result["error"]["hint"] or ""), str(run)
    assert "None" not in run.result["error"]["message"]
    check_stderr(run)
    check_simple(site, site.boot(*IP, "--config", "pxelinux.cfg/default", "--server", SERVER))


def test_nothing_to_boot_from(site: Site) -> None:
    run = site.boot(*IP, "--server", SERVER)
    assert run.rc == 4, str(run)
    site.assert_nothing_left()


def test_ip_and_netmask(site: Site) -> None:
    serve_beside_dhcp(site, root="")
    given = ("--server", SERVER, "--bootfile", "pxelinux.0")
    run = site.boot("--ip", ADDRESS, "--netmask", "255.255.255.0", *given)
    check_no_lease(run)
    check_simple(site, run)
    run = site.boot("--ip", ADDRESS, "--netmask", "255.255.255.252", *given, "--timeout", "5")
    assert run.rc != 0, "the server is not on that link"


@pytest.fixture
def far(site: Site) -> Iterator[Site]:
    """The site with one more network behind its server, which routes; and TFTP there."""
    namespace = site.namespace("far")
    site.ip(f"link add far1 type veth peer name far0 netns {namespace}", namespace=site.srv)
    site.ip(f"addr add {FAR_ROUTER}/24 dev far1", "link set far1 up", namespace=site.srv)
    lines = (f"addr add {FAR}/24 dev far0", "link set far0 up", f"route add default via {FAR_ROUTER}")
    site.ip("link set lo up", *lines, namespace=namespace)
    command("ip", "netns", "exec", site.srv, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    root = servers.plant(site.directory / "far", tree())
    servers.dnsmasq(site, root, None, namespace=namespace, link="far0", names={"boot.far": FAR})
    yield site


def test_a_server_behind_the_gateway(far: Site) -> None:
    given = (*IP, "--server", FAR, "--bootfile", "pxelinux.0")
    check_simple(far, far.boot(*given, "--gateway", SERVER), f"tftp://{FAR}/")
    run = far.boot(*given, "--timeout", "6")
    assert run.rc != 0 and run.seconds < 20, "there is no way without the gateway"


def test_a_host_route_and_its_gateway(far: Site) -> None:
    """A gateway outside the subnet."""
    given = ("--ip", f"{ADDRESS}/32", "--gateway", SERVER, "--server", FAR, "--bootfile", "pxelinux.0")
    check_simple(far, far.boot(*given), f"tftp://{FAR}/")


def test_names(far: Site) -> None:
    given = (*IP, "--gateway", SERVER, "--server", "boot.far", "--bootfile", "pxelinux.0")
    run = far.boot(*given, "--dns", FAR)
    check_simple(far, run, "tftp://boot.far/")
    assert run.result["lease"] is None
    run = far.boot(*given, "--timeout", "6")
    assert run.rc != 0 and "boot.far" in run.stderr, "nobody to ask"


def test_names_by_the_second_server_asked(far: Site) -> None:
    dns = ("--dns", SECOND_SERVER, "--dns", FAR)
    run = far.boot(*IP, "--gateway", SERVER, *dns, "--config", "tftp://boot.far/pxelinux.cfg/default")
    check_simple(far, run, "tftp://boot.far/")


# With DHCP the same options say otherwise than the server.


def test_gateway_instead_of_the_servers(far: Site) -> None:
    servers.dnsmasq(far, None, Offer(next_server=FAR, options={3: "10.77.0.99"}))
    run = far.boot("--gateway", SERVER)
    check_simple(far, run, f"tftp://{FAR}/")
    assert run.result["lease"]["gateway"] == SERVER


def test_name_server_instead_of_the_servers(far: Site) -> None:
    servers.dnsmasq(far, None, Offer(options={6: "10.77.0.99"}))
    run = far.boot("--dns", FAR, "--server", "boot.far")
    check_simple(far, run, "tftp://boot.far/")
    assert run.result["lease"]["dns"] == [FAR]


@pytest.mark.parametrize("given", [True, False])
def test_netmask_instead_of_the_servers(tmp_path: Path, clean_machine: None, given: bool) -> None:
    """The boot server is on the link, but not in the subnet that DHCP names; there is no router."""
    beyond = "10.77.5.1"
    with Site(tmp_path, addresses=(SERVER, beyond)) as site:
        root = servers.plant(site.directory / "root", tree())
        servers.dnsmasq(site, root, Offer(next_server=beyond), extra=["--dhcp-option=3"])
        run = site.boot("--timeout", "6", *(("--netmask", "255.255.0.0") if given else ()))
        if given:
            assert run.ok().result["lease"]["netmask"] == "255.255.0.0"
            check_simple(site, run, f"tftp://{beyond}/")
        else:
            assert run.rc in (4, 6), str(run)


OVERRIDES = {
    "server": (("--server", SERVER), Offer(next_server="10.77.0.99"), ""),
    "bootfile": (("--bootfile", "sub/pxelinux.0"), Offer(filename="none/no.0"), "sub/"),
    "bootfile-url": (("--bootfile", f"http://{SERVER}/sub/pxelinux.0"), Offer(filename="no.0"), "http"),
    "config": (("--config", "pxelinux.cfg/default"), Offer(options={209: "wrong.cfg"}), ""),
    "path-prefix": (("--path-prefix", "sub/"), Offer(options={210: "wrong/"}), "sub/"),
    "config-url": (("--config", f"http://{SERVER}/sub/pxelinux.cfg/default"), Offer(), ""),
    "no-boot-file-in-dhcp": (("--bootfile", "pxelinux.0"), Offer(filename=""), ""),
}


@pytest.mark.parametrize("case", OVERRIDES)
def test_instead_of_what_dhcp_says(site: Site, case: str) -> None:
    given, offer, prefix = OVERRIDES[case]
    root = servers.plant(
        site.directory / "root", {**tree(), **tree(prefix="sub/"), "wrong.cfg": "DEFAULT no\n"}
    )
    servers.dnsmasq(site, root, offer)
    servers.nginx(site, root)
    run = site.boot(*given)
    base = f"http://{SERVER}/sub/" if prefix == "http" else f"tftp://{SERVER}/{prefix}"
    check_simple(site, run, base)
    assert run.result["lease"]["address"] == ADDRESS
    assert not [url for url, _result in asked(run) if "wrong" in url or "10.77.0.99" in url]


def test_what_stands_in_the_lease_is_what_dhcp_said(site: Site) -> None:
    serve(site, offer=Offer(next_server="10.77.0.99", filename="no.0"))
    lease = site.boot("--server", SERVER, "--bootfile", "pxelinux.0").ok().result["lease"]
    assert (lease["next_server"], lease["bootfile"]) == ("10.77.0.99", "no.0")


@pytest.mark.parametrize("directory", ["menus", "a/b/"])
def test_directory_of_configurations(site: Site, directory: str) -> None:
    bare = directory.rstrip("/")
    files = {**tree("DEFAULT wrong\n"), f"{bare}/0A4D": tree()["pxelinux.cfg/default"]}
    serve(site, files=files)
    run = site.boot(f"--config-dir={directory}")
    check_simple(site, run)
    assert run.result["config"] == f"tftp://{SERVER}/{bare}/0A4D"
    assert asked(run)[0][0] == f"tftp://{SERVER}/{bare}/01-52-54-00-ab-cd-ef"
    assert not [url for url, _result in asked(run) if "pxelinux.cfg" in url]


def test_directory_of_configurations_below_the_prefix(site: Site) -> None:
    files = {**tree(prefix="sub/"), "sub/menus/default": tree()["pxelinux.cfg/default"]}
    serve(site, files=files, offer=Offer(filename="sub/pxelinux.0"))
    check_simple(site, site.boot("--config-dir", "menus"), f"tftp://{SERVER}/sub/")


WRONG = {
    "no-prefix": ("--ip", ADDRESS),
    "prefix-0": ("--ip", f"{ADDRESS}/0"),
    "multicast": ("--ip", "224.0.0.1/24"),
    "netmask": ("--ip", ADDRESS, "--netmask", "255.0.255.0"),
    "gateway-multicast": (*IP, "--gateway", "224.0.0.1"),
    "dns": (*IP, "--dns", "0.0.0.0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage(site: Site, case: str) -> None:
    run = site.boot(*WRONG[case], "--server", SERVER, "--bootfile", "pxelinux.0")
    assert run.rc == 2 and json.loads(run.stdout)["error"]["kind"] == "UsageError", str(run)
    check_stderr(run)
    site.assert_nothing_left()
