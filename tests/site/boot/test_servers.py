"""Boots against real servers, through the command line: DHCP, the configuration's place, transports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, SECOND_SERVER, SERVER, UUID, Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import ADDRESS, KINDS, Offer
from tests.support.ground.simple import (
    JOINED,
    SIMPLE,
    asked,
    check_simple,
    kernel_of,
    ramdisk_of,
    serve,
    tree,
)

# The names that a guest asks for, in order; the UUID as the firmware of KVM sends it.
NAMES = {
    "uuid": "pxelinux.cfg/2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b",
    "plain-uuid": f"pxelinux.cfg/{UUID}",
    "mac": "pxelinux.cfg/01-52-54-00-ab-cd-ef",
    "ip": "pxelinux.cfg/0A4D00AD",
    "subnet": "pxelinux.cfg/0A4D00",
    "default": "pxelinux.cfg/default",
}


@pytest.mark.parametrize("kind", KINDS)
def test_configuration_names_in_order(site: Site, kind: str) -> None:
    configs = {
        path: f"DEFAULT {name}\nLABEL {name}\n KERNEL vmlinuz\n".encode() for name, path in NAMES.items()
    }
    root = serve(site, kind, {**tree(), **configs})
    for at, (name, path) in enumerate(NAMES.items()):
        run = site.boot("--uuid", UUID)
        result = run.ok().result
        assert (result["label"], result["config"]) == (name, f"tftp://{SERVER}/{path}")
        assert kernel_of(run) == dummy("vmlinuz")
        missed = [url for url, answer in asked(run) if answer == "not-found"]
        assert [f"tftp://{SERVER}/{path}" for path in list(NAMES.values())[:at]] == [
            url for url in missed if url.partition(f"{SERVER}/")[2] in NAMES.values()
        ]
        assert len(missed) == (11 if name == "default" else 5 if name == "subnet" else at)
        (root / path).unlink()


@pytest.mark.parametrize("kind", KINDS)
def test_over_tftp(site: Site, kind: str) -> None:
    serve(site, kind)
    check_simple(site, site.boot())


@pytest.mark.parametrize("kind", KINDS)
def test_files_below_the_boot_file(site: Site, kind: str) -> None:
    serve(site, kind, tree(prefix="sub/dir/"), Offer(filename="sub/dir/pxelinux.0"))
    check_simple(site, site.boot(), f"tftp://{SERVER}/sub/dir/")


HTTP = {
    "bootfile": (Offer(filename=f"http://{SERVER}/web/pxelinux.0"), SIMPLE),
    "config-file": (Offer(options={209: f"http://{SERVER}/web/pxelinux.cfg/default", 210: "web/"}), SIMPLE),
    "path-prefix": (Offer(options={210: f"http://{SERVER}/web/"}), SIMPLE),
    "kernel": (Offer(options={210: "web/"}), re.sub("(vmlinuz|i1|i2)", rf"http://{SERVER}/web/\1", SIMPLE)),
}


@pytest.mark.parametrize("where", HTTP)
@pytest.mark.parametrize("kind", KINDS)
def test_over_http(site: Site, kind: str, where: str) -> None:
    offer, config = HTTP[where]
    root = serve(site, kind, tree(config, "web/"), offer)
    servers.nginx(site, root)
    run = site.boot()
    result = run.ok().result
    by_http = {
        url.rpartition("/")[2] for url, answer in asked(run) if url.startswith("http:") and answer == "ok"
    }
    assert (
        by_http
        >= {
            "bootfile": {"default", "vmlinuz", "i1", "i2"},
            "config-file": {"default"},
            "path-prefix": {"default", "vmlinuz", "i1", "i2"},
            "kernel": {"vmlinuz", "i1", "i2"},
        }[where]
    )
    assert result["config"].startswith("tftp://" if where == "kernel" else "http://")
    assert kernel_of(run) == dummy("vmlinuz")
    assert ramdisk_of(run) == JOINED


@pytest.mark.parametrize("kind", KINDS)
def test_server_on_the_host_itself(host_site: Site, kind: str) -> None:
    serve(host_site, kind)
    check_simple(host_site, host_site.boot())


@pytest.mark.parametrize("broadcast", [False, True], ids=["unicast", "broadcast"])
@pytest.mark.parametrize("kind", ["dnsmasq", "dhcpd+hpa"])
@pytest.mark.parametrize("place", ["beyond", "on-host"])
def test_replies(tmp_path: Path, clean_machine: None, kind: str, broadcast: bool, place: str) -> None:
    with Site(tmp_path, server_on_host=place == "on-host") as site:
        serve(site, kind, offer=Offer(broadcast=broadcast))
        check_simple(site, site.boot())


def test_lease_in_the_result(site: Site) -> None:
    servers.dnsmasq(
        site,
        servers.plant(site.directory / "root", tree()),
        names={"boot.example": SECOND_SERVER},
        extra=["--domain=example", f"--dhcp-option=option:dns-server,{SERVER}"],
    )
    lease = site.boot().ok().result["lease"]
    assert lease == {
        "address": ADDRESS,
        "netmask": "255.255.255.0",
        "gateway": SERVER,
        "dns": [SERVER],
        "domain": "example",
        "server_id": SERVER,
        "next_server": SERVER,
        "bootfile": "pxelinux.0",
        "seconds": 3600,
    }


def test_names_are_resolved_by_the_servers_of_the_lease(site: Site) -> None:
    config = re.sub("(vmlinuz|i1)", r"http://boot.example/\1", SIMPLE).replace(",i2", ",web::i2")
    root = servers.plant(site.directory / "root", tree(config))
    extra = ["--domain=example", f"--dhcp-option=option:dns-server,{SERVER}"]
    names = {"boot.example": SECOND_SERVER, "web.example": SERVER}
    servers.dnsmasq(site, root, names=names, extra=extra)
    servers.nginx(site, root, addresses=[SECOND_SERVER])
    run = site.boot()
    assert kernel_of(run) == dummy("vmlinuz")
    assert ramdisk_of(run) == JOINED


def test_next_server_is_another_one(site: Site) -> None:
    serve(site, offer=Offer(next_server=SECOND_SERVER))
    check_simple(site, site.boot(), f"tftp://{SECOND_SERVER}/")


def test_server_that_pings_first(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, Offer(hosts={}), ping=True)
    run = site.boot()
    assert run.ok().result["seconds"]["total"] > 2.5  # dnsmasq waits 3 s for an answer from a fresh address
    assert kernel_of(run) == dummy("vmlinuz")


def test_nak_starts_again(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, None)
    dhcp = servers.scripted_dhcp(site, "offer", "nak", "offer", "ack")
    check_simple(site, site.boot("--timeout", "40"))
    assert re.findall(r"-> (\w+)", dhcp.text())[:4] == ["offer", "nak", "offer", "ack"]


def test_nak_for_ever(site: Site) -> None:
    servers.dnsmasq(site, servers.plant(site.directory / "root", tree()), None)
    servers.scripted_dhcp(site, *["offer", "nak"] * 50)
    run = site.boot("--timeout", "12")
    assert run.rc == 3, str(run)
    site.assert_nothing_left()


def test_two_servers(site: Site) -> None:
    """Both answer; the one that was not chosen, authoritative as well, says NAK: not our NAK."""
    second = site.namespace("second")
    site.ip(f"link add sw2 type veth peer name srv1 netns {second}", f"link set sw2 master {BRIDGE} up")
    site.adopt("sw2")
    site.ip("addr add 10.77.0.4/24 dev srv1", "link set srv1 up", namespace=second)
    root = servers.plant(site.directory / "root", tree())
    logs = [servers.dnsmasq(site, root)]
    offer = Offer(next_server="10.77.0.4", hosts={MAC: "10.77.0.174"})
    logs.append(servers.dnsmasq(site, root, offer, namespace=second, link="srv1"))
    for _ in range(3):
        result = site.boot().ok().result
        lease = result["lease"]
        assert (lease["address"], lease["server_id"], lease["next_server"]) in [
            (ADDRESS, SERVER, SERVER),
            ("10.77.0.174", "10.77.0.4", "10.77.0.4"),
        ]
        assert result["kernel"]["url"] == f"tftp://{lease['next_server']}/vmlinuz"
    assert all("DHCPOFFER" in log.text() for log in logs)
    assert any("DHCPNAK" in log.text() for log in logs), "the case that this test is for did not come up"


def test_without_dhcp(site: Site) -> None:
    servers.dnsmasq(site, servers.plant(site.directory / "root", tree()), None)
    given = ("--ip", f"{ADDRESS}/24", "--gateway", SERVER, "--server", SERVER, "--bootfile", "pxelinux.0")
    run = site.boot(*given)
    assert run.ok().result["lease"] is None
    check_simple(site, run)


def test_the_command_line_overrides_dhcp(site: Site) -> None:
    serve(
        site, files={**tree(), **tree(prefix="mine/")}, offer=Offer(next_server="10.77.0.99", filename="no.0")
    )
    given = ("--server", SECOND_SERVER, "--bootfile", "pxelinux.0")
    check_simple(site, site.boot(*given), f"tftp://{SECOND_SERVER}/")
    run = site.boot(*given, "--path-prefix", "mine/", "--config", "pxelinux.cfg/default")
    assert run.ok().result["config"] == f"tftp://{SECOND_SERVER}/mine/pxelinux.cfg/default"


def test_what_the_server_heard(site: Site) -> None:
    """A PXE ROM's words: servers choose the boot file by them."""
    match = ["--dhcp-vendorclass=set:pxe,PXEClient:Arch:00000", "--dhcp-match=set:bios,option:client-arch,0"]
    match += ["--dhcp-match=set:uuid,97", "--tag-if=set:rom,tag:pxe,tag:bios,tag:uuid"]
    root = servers.plant(site.directory / "root", tree())
    extra = [*match, f"--dhcp-boot=tag:rom,pxelinux.0,,{SERVER}"]
    server = servers.dnsmasq(site, root, Offer(filename=""), extra=extra)
    check_simple(site, site.boot("--uuid", UUID))
    assert f"DHCPDISCOVER(srv0) {MAC}" in server.text()


def test_transfers_come_from_the_guests_own_address(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree(SIMPLE.replace("i1,i2", f"i1,http://{SERVER}/i2")))
    server = servers.dnsmasq(site, root)
    web = servers.nginx(site, root)
    site.boot().ok()
    assert set(re.findall(r"sent \S+ to (\S+)", server.text())) == {ADDRESS}
    access = next(site.directory.glob("*-nginx/access.log")).read_text()
    assert set(re.findall(r"^\S+", access, re.M)) == {ADDRESS}, web.text()
