"""``pypxeboot doctor``: what it says of healthy and of broken sites, and that nothing of it stays."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.support.ground import BRIDGE, MAC, SERVER, Run, Site, guests, servers, site6, tools, wait_until
from tests.support.ground.kernels import dummy
from tests.support.ground.net import command
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import SIMPLE, check_stderr, serve, tree
from tests.support.peers.dhcp import attack

OTHER = "10.77.0.66"


def doctor(site: Site, *args: str, mac: str = MAC) -> Run:
    return site.pypxeboot("doctor", *(("--mac", mac) if mac else ()), "--bridge", BRIDGE, *args)


def findings(run: Run) -> list[tuple[str, str, str]]:
    """Level, topic and text of each line; a mend belongs to the text before it."""
    text = run.stdout.decode()
    assert all(line.isprintable() for line in text.splitlines()), text
    found = re.findall(r"^(OK|WARN|FAIL) +(\S+(?: \S+)?) {2,}(.*(?:\n +-> .*)?)$", text, re.M)
    assert found, str(run)
    return found


def of(run: Run, topic: str) -> str:
    """What was said about one thing, levels included."""
    return "\n".join(f"{level} {text}" for level, about, text in findings(run) if about == topic)


def verdict(run: Run) -> str:
    return run.stdout.decode().splitlines()[-1]


def second_network(site: Site) -> str:
    """A namespace with OTHER on its interface o0, behind a port of the bridge."""
    other = site.namespace("other")
    site.ip(f"link add vo type veth peer name o0 netns {other}", f"link set vo master {BRIDGE} up")
    site.adopt("vo")
    site.ip(f"addr add {OTHER}/24 dev o0", "link set o0 up", namespace=other)
    return other


def test_a_healthy_site(site: Site) -> None:
    root = serve(site, "kea+atftpd", tree(SIMPLE.replace("i1,i2", f"i1,http://{SERVER}/i2")))
    servers.nginx(site, root)
    run = doctor(site)
    assert run.rc == 0 and verdict(run) == "all is well", str(run)
    topics = list(dict.fromkeys(topic for _level, topic, _text in findings(run)))
    order = "bridge STP firewall sandbox MAC DHCP lease,boot file,TFTP HTTP config entry kernel initrd"
    assert topics == [
        topic for part in order.split(",") for topic in ([part] if "boot" in part else part.split())
    ]
    assert f"{SERVER} offers after" in of(run, "DHCP") and f"{ADDRESS}/24" in of(run, "DHCP")
    assert "takes blksize 1468, windowsize 256, tsize" in of(run, "TFTP")
    assert "pxelinux.cfg/default is there" in of(run, "config")
    assert "01-52-54-00-ab-cd-ef" in of(run, "config") and "bzImage" in of(run, "kernel")
    check_stderr(run)
    site.assert_nothing_left()


def test_a_site_of_ipv6(site: Site) -> None:
    site6.join(site)
    site6.dnsmasq(site, site6.plant(site))
    run = doctor(site, "-6")
    assert run.rc == 0 and verdict(run) == "all is well", str(run)
    assert site6.ADDRESS6 in of(run, "lease") and site6.ROUTER6 in of(run, "lease")
    assert f"[{site6.SERVER6}]" in of(run, "config") and "bzImage" in of(run, "kernel")


def test_every_dhcp_server_is_heard(site: Site) -> None:
    """One of three pings first, and one is a proxy; two would boot the guest by something else."""
    serve(site, "dhcpd+hpa")
    other = second_network(site)
    evil = Offer(filename="http://10.77.0.66/other.ipxe", next_server=OTHER, hosts={})
    servers.dnsmasq(site, None, evil, namespace=other, link="o0", ping=True)
    proxy = ["--dhcp-range=10.77.0.0,proxy", "--pxe-service=x86PC,Install,pxelinux"]
    servers.dnsmasq(site, None, None, extra=proxy)
    run = doctor(site, "--json", "-n", "--server", SERVER, "--bootfile", "pxelinux.0")
    offers = [finding["offer"] for finding in run.ok().result["findings"] if finding["offer"]]
    by_address = {offer["address"]: offer for offer in offers if offer["address"]}
    mine = by_address.pop(f"{ADDRESS}/24")
    assert (mine["server"], mine["bootfile"], mine["next_server"]) == (SERVER, "pxelinux.0", SERVER)
    (theirs,) = by_address.values()
    assert (theirs["server"], theirs["bootfile"]) == (OTHER, evil.filename) and theirs["seconds"] > 2.5
    (said,) = (offer for offer in offers if offer["proxy"])
    assert said["vendor_class"] == "PXEClient" and not said["address"]
    warnings = [one for one in run.result["findings"] if one["level"] == "warn"]
    assert any(SERVER in one["text"] and OTHER in one["text"] and one["mend"] for one in warnings), warnings


def test_a_firewall_in_the_way(site: Site) -> None:
    serve(site)
    command("ip", "netns", "exec", site.hyp, tools.need("iptables"), "-P", "FORWARD", "DROP")
    run = doctor(site, "--timeout", "12")
    assert run.rc == 3 and verdict(run).startswith("it fails at DHCP"), str(run)
    assert of(run, "firewall").startswith("WARN") and "physdev-is-bridged" in of(run, "firewall")
    assert "no DHCP server answers" in of(run, "DHCP")
    assert findings(run)[-1][0] == "FAIL", "going on makes no sense"
    site.assert_nothing_left()


def test_a_server_that_pings_and_has_no_tftp(site: Site) -> None:
    servers.dnsmasq(site, None, Offer(hosts={}), ping=True)
    run = doctor(site)
    assert run.rc == 6 and verdict(run).startswith("it fails at TFTP"), str(run)
    assert re.search(r"WARN the first offer took 3\.\d s.*\n.*no-ping", of(run, "DHCP"))
    assert re.search(r"FAIL .*refused.*\n.*UDP port 69", of(run, "TFTP"))


def test_a_mac_of_its_own_is_given_back(site: Site) -> None:
    serve(site)
    run = doctor(site, mac="")
    assert run.rc == 0 and verdict(run) == "it boots, with 1 warning", str(run)
    match = re.search(r"(02:[0-9a-f:]{14}) is made up", of(run, "MAC"))
    assert match
    log = site.servers[0]
    wait_until(lambda: re.search(rf"DHCPRELEASE.* {match[1]}", log.text()), 30, "a release")
    site.assert_nothing_left()


def test_a_guest_that_runs(site: Site) -> None:
    with guests.running_guest(site) as port:
        site.ip(f"link set {BRIDGE} type bridge forward_delay 1500 stp_state 1")
        run = doctor(site, "--mac-wait", "0")
        assert run.rc == 7 and site.learned() == {port}, str(run)
    assert of(run, "boot").startswith("FAIL") and port in of(run, "boot")
    assert re.search(r"WARN .*after 30 s.*\n.*forward_delay", of(run, "STP"))
    assert "DHCP" not in run.stdout.decode()


def test_no_bridge_and_one_that_is_down(site: Site) -> None:
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", "nosuch")
    assert run.rc == 2 and re.search(r"FAIL .*nosuch.*\n.*ip link", of(run, "bridge")), str(run)
    site.ip(f"link set {BRIDGE} down")
    run = doctor(site)
    assert run.rc == 3 and f"ip link set {BRIDGE} up" in of(run, "bridge"), str(run)
    assert len(findings(run)) == 1


def test_ended_while_it_listens(site: Site) -> None:
    process = site.start("doctor", "--mac", MAC, "--bridge", BRIDGE)
    wait_until(lambda: site.learned(), 30, "a DISCOVER")
    process.terminate()
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 8 and b"ended by SIGTERM" in errors, errors
    assert b"OK    bridge" in output and b"client process" not in errors, (
        "what was found is told, and no more"
    )
    site.assert_nothing_left(within=2)


def test_words_of_strangers(site: Site) -> None:
    """No byte of the network reaches the terminal as it is."""
    hostile = "px\x1b[2J\x1b]0;owned\x07\x9b31m\rOK    DHCP      forged"
    servers.scripted_dhcp(site, "offer", "offer", "ack", filename=hostile)
    with attack(site, "1"):
        run = doctor(site, "--timeout", "8")
    assert re.search(r"WARN a message came that cannot be read: .*\n.*--pcap", of(run, "DHCP"))
    assert run.rc and not any(text.startswith("forged") for _level, _topic, text in findings(run))
    assert "\\x1b[2J" in run.stdout.decode() or "not printable" in run.stdout.decode() + run.stderr
    check_stderr(run)


@pytest.mark.parametrize("told_by", ["option", "configuration"])
@pytest.mark.parametrize("how, why", [("size=16k", "No space left"), ("ro", "Read-only file system")])
def test_an_output_directory_without_room(site: Site, how: str, why: str, told_by: str) -> None:
    """Where a boot would fail, all is not well."""
    serve(site, files={**tree(), "vmlinuz": dummy("vmlinuz") + bytes(60_000)})
    mounted, conf = site.directory / "full", site.directory / "pypxeboot.conf"
    mounted.mkdir()
    command("mount", "-t", "tmpfs", "-o", how, "tmpfs", str(mounted))
    try:
        conf.write_text(f"[defaults]\noutput-directory = {mounted}\n")
        option = ("--output-directory", str(mounted))
        run = doctor(site, *(option if told_by == "option" else ("--config-file", str(conf))))
    finally:
        command("umount", str(mounted))
    last = run.stdout.decode().splitlines()[-1]
    assert run.rc and last.startswith("it fails at ") and why in last, str(run)


@pytest.mark.parametrize("args", [("-l",), ("--output", "x"), ("--nosuch",)])
def test_a_wrong_command_line(site: Site, args: tuple[str, ...]) -> None:
    run = site.pypxeboot("doctor", "--bridge", BRIDGE, *args, "--json")
    assert run.rc == 2, str(run)
    if args != ("--nosuch",):
        error: dict[str, Any] = json.loads(run.stdout)["error"]
        assert error["message"] and error["code"] == 2


def test_a_disk_of_that_name(site: Site) -> None:
    (site.directory / "doctor").touch()
    run = site.pypxeboot("./doctor", "--bridge", BRIDGE)
    assert run.rc == 2 and "no MAC address" in run.stderr, str(run)
