"""The configuration files: whose sections hold, what they give way to, what is said of wrong ones."""

from __future__ import annotations

from tests.support.configuration_files import Write
from tests.support.ground import BRIDGE, MAC, Site
from tests.support.ground.net import command
from tests.support.ground.simple import serve
from tests.support.samples.xl import VIF, booted, xl


def test_a_boot_of_a_guest_that_only_the_database_knows(site: Site, write: Write) -> None:
    serve(site)
    file = write(f"[web1]\nmac = {MAC}\nbridge = {BRIDGE}\n[52:54:00:*]\nappend = x=9\nlabel = a\n")
    run = site.pypxeboot(file, "--name", "web1", "--json", "--output-directory", str(site.out)).ok()
    assert run.result["guest"]["mac"] == MAC and run.result["cmdline"].endswith(" x=9")
    assert site.boot(file, "--label", "b").ok().result["label"] == "b"


def test_the_database_says_how_to_join(site: Site, write: Write) -> None:
    """The client, started on a mere look at the arguments, is started anew in the right network."""
    serve(site)
    site.ip("addr add 10.77.0.2/24 dev br0")
    run = site.boot(write(f"[{MAC}]\nlink = host\n"), "-v").ok()
    assert f"on {BRIDGE} (host)" in run.stderr
    run = site.boot(write(f"[{MAC}]\nip = 10.77.0.9/24\nserver = 10.77.0.1\n"), "--path-prefix=", "-v").ok()
    assert run.result["lease"] is None or "no DHCP" in run.stderr
    (log,) = [server for server in site.servers if "dnsmasq" in server.log.name]
    assert log.text().count("DHCPACK") == 1


def test_limits(site: Site, write: Write) -> None:
    serve(site)
    run = site.boot(write("[defaults]\nmax-kernel = 1K\n"))
    assert run.rc == 7 and "1.0 KiB" in run.result["error"]["message"], str(run)
    run = site.boot(write("[defaults]\nmax-ramdisk = 20\n"))
    assert run.rc == 7, str(run)


def test_xen_needs_no_bootloader_args(site: Site, write: Write) -> None:
    """The name, which xenstore has, leads to the rest; where the file has a vif, too, the section counts."""
    serve(site)
    file = write(f"[web]\nmac = {MAC}\nbridge = {BRIDGE}\n")
    assert booted(xl(site, "name = 'web'\n", file))
    assert booted(xl(site, f"name = 'web'\nvif = ['mac={MAC},bridge=nobr']\n", file))
    file = write("[defaults]\nbridge = nobr\n")
    assert booted(xl(site, VIF, file)) and booted(xl(site, VIF, file, f"mac={MAC}"))
    assert command("ip", "-n", site.hyp, "link", "show", BRIDGE)
