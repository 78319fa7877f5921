"""The scripts of ``trees/ipxe``, booted through the command line from a real dnsmasq and a real nginx."""

from __future__ import annotations

import pytest

from tests.support import terminal
from tests.support.ground import Site, servers
from tests.support.ground.kernels import dummy
from tests.support.ground.servers import Offer
from tests.support.ground.simple import check_stderr, kernel_of, ramdisk_of
from tests.support.recorded.ipxe_families import FAMILIES, TREES, Expected

# What the web server of these sites is told: MAAS has a port of its own, and a form is answered by a file.
EXTRA = "listen 10.77.0.1:5248; error_page 405 =200 $uri;"


def serve(site: Site, family: str) -> None:
    root = TREES / family
    files = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name, data in files.items():
        if data.startswith(b"@kernel"):
            files[name] = dummy(name)
    planted = servers.plant(site.directory / "root", files)
    offer = Offer(f"http://10.77.0.1/{FAMILIES[family].start}", options={43: "74:08:31:30:2e:30:2e:30:2e:37"})
    servers.dnsmasq(site, planted, offer)
    servers.nginx(site, planted, EXTRA)


def cmdline_of(expected: Expected, uuid: str) -> str:
    return expected.cmdline.replace("8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", uuid)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_boots_from_real_servers(site: Site, family: str) -> None:
    expected = FAMILIES[family]
    serve(site, family)
    uuid = "11111111-2222-4333-8444-555555555555"
    run = site.boot("--uuid", uuid, "--timeout", "30").ok()
    check_stderr(run)
    if expected.kernel is None:
        assert run.result["action"] == "localboot"
        return
    assert run.result["loader"] == "ipxe"
    assert kernel_of(run) == dummy(expected.kernel)
    assert ramdisk_of(run) == expected.ramdisk.encode()
    assert run.result["cmdline"] == cmdline_of(expected, uuid)


def test_the_menu_of_a_script_is_listed(site: Site) -> None:
    serve(site, "cobbler")
    run = site.boot("-l").ok()
    listed = [(entry["label"], entry["title"], entry["default"]) for entry in run.result["entries"]]
    assert listed == [("local", "(local)", True), ("install", "distro-x86_64", False)]


def test_an_item_is_asked_for(site: Site) -> None:
    serve(site, "cobbler")
    run = site.boot("--entry", "install").ok()
    assert (run.result["reason"], kernel_of(run)) == ("label", dummy("images/distro/vmlinuz"))


def test_from_menu_to_menu_at_a_terminal(site: Site) -> None:
    serve(site, "netbootxyz")
    with terminal.run(site, "-i") as screen:
        screen.wait_for("Distributions:")
        screen.press("down", "down", "up", "up", "enter")
        screen.wait_for("Popular Linux")
        screen.press("escape")
        screen.wait_for("Signature Checks:")
        screen.press("enter")
        screen.wait_for("Popular Linux")
        screen.press("enter")
        screen.wait_for("trixie")
        screen.press("enter")
        run = screen.finish().ok()
    assert run.result["reason"] == "chosen"
    assert kernel_of(run) == dummy(FAMILIES["netbootxyz"].kernel or "")


def test_the_command_line_at_a_terminal(site: Site) -> None:
    serve(site, "foreman")
    with terminal.run(site, "-i") as screen:
        screen.wait_for("Foreman of unknown on 10.77.0.173")
        screen.press("s")
        screen.wait_for("iPXE>")
        screen.type("show net0/ip\r")
        screen.wait_for("ip:ipv4 = 10.77.0.173")
        screen.type("set menu-default local\rexit\r")
        screen.wait_for("Foreman of unknown on 10.77.0.173")
        screen.press("l")
        run = screen.finish().ok()
    assert (run.result["action"], run.result["reason"]) == ("localboot", "chosen")
