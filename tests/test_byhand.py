"""The address and what to boot, typed at the terminal where nobody on the network says them."""

from __future__ import annotations

from typing import Any, Optional

import pytest
import terminal
from ground import SERVER, Site, servers
from ground.servers import ADDRESS, Offer
from ground.simple import check_simple, tree
from replay import GUEST, TERMINAL, Replay

from pypxeboot.client import by_hand
from pypxeboot.lease import Lease
from pypxeboot.plan import Plan

XTERM: dict[str, Any] = {"term": "xterm-256color", "size": (100, 30), "raw": False}


def typed(*lines: str) -> Replay:
    """Somebody who types these lines."""
    keys = [key for line in lines for key in (("escape",) if line == "ESC" else (*line, "enter"))]
    return Replay(lambda location: None, terminal=TERMINAL, keys=keys)


def lease(*lines: str) -> tuple[Optional[Lease], str]:
    replay = typed(*lines)
    return replay.drive(by_hand.lease("no DHCP offer")), replay.printed


def test_address_with_a_prefix() -> None:
    found, shown = lease("10.77.0.5/24", "10.77.0.1", "10.77.0.53")
    assert found is not None and "netmask" not in shown and "no DHCP offer" in shown
    assert (str(found.address), found.prefix_length) == ("10.77.0.5", 24)
    assert [str(gateway) for _network, gateway in found.routes] == ["10.77.0.1"]
    assert [str(server) for server in found.dns] == ["10.77.0.53"]


def test_address_and_netmask_and_nothing_else() -> None:
    found, _shown = lease("10.77.0.5", "255.255.252.0", "", "")
    assert found is not None and (found.prefix_length, found.routes, found.dns) == (22, (), ())


def test_address_of_ipv6() -> None:
    found, _shown = lease("2001:db8::5", "2001:db8::1", "")
    assert found is not None and (str(found.address), found.prefix_length) == ("2001:db8::5", 64)


WRONG = ["10.77.0.999/24", "224.0.0.1/24", "10.77.0.5/0", "somewhere", "127.0.0.1/8"]


@pytest.mark.parametrize("text", WRONG)
def test_no_address_of_a_guest(text: str) -> None:
    keys = [*text, "enter", "ctrl-u", *"10.77.0.5/24", "enter", "enter", "enter"]
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=keys)
    found = replay.drive(by_hand.lease(""))
    assert found is not None and str(found.address) == "10.77.0.5"
    assert replay.printed.count("address, as") == 2


def test_gateway_of_the_other_family_is_none() -> None:
    keys = [*"10.77.0.5/24", "enter", *"fe80::1", "enter", "ctrl-u", "enter", "enter"]
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=keys)
    found = replay.drive(by_hand.lease(""))
    assert found is not None and found.routes == () and "not of IPv4" in replay.printed


def test_given_up() -> None:
    assert lease("ESC")[0] is None and lease("")[0] is None
    assert lease("10.77.0.5/24", "ESC")[0] is None
    assert Replay(lambda location: None).drive(by_hand.lease("why")) is None, "nobody is there"
    nonsense = ["x", "enter"] * 50
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=nonsense)
    assert replay.drive(by_hand.lease("")) is None


@pytest.mark.parametrize(
    ("url", "bootfile", "prefix"),
    [
        ("http://h/vmlinuz", "http://h/vmlinuz", None),
        ("tftp://h/sub/pxelinux.0", "tftp://h/sub/pxelinux.0", None),
        ("http://h/sub/pxelinux.cfg/default", None, "http://h/sub/"),
        ("tftp://h/menu.cfg", None, "tftp://h/"),
    ],
)
def test_what_a_url_means(url: str, bootfile: Optional[str], prefix: Optional[str]) -> None:
    plan = typed(url).drive(by_hand.boot_file("", Plan(GUEST)))
    assert plan is not None and (plan.bootfile, plan.path_prefix) == (bootfile, prefix)
    assert plan.config == (None if bootfile else url)


def test_no_url() -> None:
    assert typed("ESC").drive(by_hand.boot_file("", Plan(GUEST))) is None
    assert typed("").drive(by_hand.boot_file("", Plan(GUEST))) is None
    replay = typed("vmlinuz", "ESC")
    assert replay.drive(by_hand.boot_file("", Plan(GUEST))) is None and "that is no URL" in replay.printed


def answer(screen: terminal.Screen, prompt: str, text: str) -> None:
    screen.wait_for(prompt)
    screen.type(text)
    screen.press("enter")


@pytest.mark.netns
def test_everything_by_hand(site: Site) -> None:
    servers.dnsmasq(site, servers.plant(site.directory / "root", tree()), None)
    with terminal.run(site, "--ip", "ask", **XTERM) as screen:
        answer(screen, "address, as", ADDRESS)
        answer(screen, "netmask", "255.255.255.0")
        answer(screen, "gateway", SERVER)
        answer(screen, "name server", "")
        answer(screen, "URL of a kernel", f"tftp://{SERVER}/pxelinux.cfg/default")
        run = screen.finish()
    assert run.ok().result["lease"] is None
    check_simple(site, run)


@pytest.mark.netns
def test_no_lease_and_somebody_is_there(site: Site) -> None:
    servers.scripted_dhcp(site, *["offer", "nak"] * 10)
    with terminal.run(site, "-i", **XTERM) as screen:
        screen.wait_for("address by hand", 40)
        screen.press("escape")
        assert screen.finish().rc == 3


@pytest.mark.netns
def test_only_the_boot_file_is_missing(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, Offer(filename=""))
    with terminal.run(site, "-i") as screen:
        answer(screen, "URL of a kernel", f"tftp://{SERVER}/pxelinux.0")
        run = screen.finish()
    check_simple(site, run)
    assert run.result["lease"]["address"] == ADDRESS


@pytest.mark.netns
def test_nobody_to_ask(site: Site) -> None:
    run = site.boot("--ip", "ask")
    assert run.rc == 3 and "somebody at a terminal" in run.result["error"]["hint"], str(run)
    site.assert_nothing_left()
