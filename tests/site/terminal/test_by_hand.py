"""The address and what to boot, typed at the terminal where nobody on the network says them."""

from __future__ import annotations

from typing import Any

from tests.support import terminal
from tests.support.ground import SERVER, Site, servers
from tests.support.ground.servers import ADDRESS, Offer
from tests.support.ground.simple import check_simple, tree

XTERM: dict[str, Any] = {"term": "xterm-256color", "size": (100, 30), "raw": False}


def answer(screen: terminal.Screen, prompt: str, text: str) -> None:
    screen.wait_for(prompt)
    screen.type(text)
    screen.press("enter")


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


def test_no_lease_and_somebody_is_there(site: Site) -> None:
    servers.scripted_dhcp(site, *["offer", "nak"] * 10)
    with terminal.run(site, "-i", **XTERM) as screen:
        screen.wait_for("address by hand", 40)
        screen.press("escape")
        assert screen.finish().rc == 3


def test_only_the_boot_file_is_missing(site: Site) -> None:
    root = servers.plant(site.directory / "root", tree())
    servers.dnsmasq(site, root, Offer(filename=""))
    with terminal.run(site, "-i") as screen:
        answer(screen, "URL of a kernel", f"tftp://{SERVER}/pxelinux.0")
        run = screen.finish()
    check_simple(site, run)
    assert run.result["lease"]["address"] == ADDRESS


def test_nobody_to_ask(site: Site) -> None:
    run = site.boot("--ip", "ask")
    assert run.rc == 3 and "somebody at a terminal" in run.result["error"]["hint"], str(run)
    site.assert_nothing_left()
