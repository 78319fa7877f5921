"""Networks with packets smaller than Ethernet's: a lease or a bridge that says so, a way that does not."""

from __future__ import annotations

import re

from tests.support.ground import SERVER, Run, Site, servers, site6, tools
from tests.support.ground.kernels import dummy
from tests.support.ground.net import BRIDGE, MAC, command
from tests.support.ground.servers import Offer
from tests.support.ground.simple import SIMPLE, serve, tree

LARGE = bytes(range(256)) * 1200
FILES = {**tree(SIMPLE), "i1": LARGE, "i2": LARGE[1:], "vmlinuz": dummy("vmlinuz") + LARGE}


def boot(site: Site, *args: str) -> Run:
    run = site.boot("-v", *args).ok()
    assert run.result["ramdisk"]["size"] == len(LARGE) * 2 - 1
    return run


def seconds(run: Run) -> dict[str, float]:
    """How long each of the larger files took."""
    return {one["url"]: one["seconds"] for one in run.result["requests"] if one["bytes"] > 2000}


def doctor(site: Site, *args: str) -> str:
    return site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE, *args).ok().stdout.decode()


def narrow(site: Site) -> None:
    """Packets of more than 1300 bytes vanish on their way to the guest, and nobody says so."""
    chain = "{ type filter hook ingress device vsw priority 0; }"
    for line in ("add table netdev way", f"add chain netdev way in {chain}",
                 "add rule netdev way in meta length > 1300 drop"):  # fmt: skip
        command("ip", "netns", "exec", site.hyp, tools.need("nft"), *line.split())


def test_option_26(site: Site) -> None:
    """Blocks that the lease's MTU carries are asked for at once, and doctor says what it carries."""
    root = servers.plant(site.directory / "root", FILES)
    servers.dnsmasq(site, root, Offer(options={26: "1450"}))
    run = boot(site)
    assert max(seconds(run).values()) < 2, seconds(run)
    assert "MTU 1450" in run.stderr
    assert "blksize 1418" in (said := doctor(site)) and "the path carries 1450 bytes" in said, said


def test_a_bridge_that_carries_less_than_the_server(site: Site) -> None:
    site.ip("link set vsw mtu 1450", f"link set {BRIDGE} mtu 1450")
    serve(site, "dhcpd+hpa", FILES)
    run = boot(site)
    assert max(seconds(run).values()) < 2, seconds(run)
    assert "the path carries 1450 bytes" in doctor(site)


def test_a_router_advertisement(site: Site) -> None:
    site6.join(site)
    site6.dnsmasq(site, None, extra=[f"--ra-param={site.server_link},mtu:1400,5"], routers=True)
    site6.tftpd_hpa(site, servers.plant(site.directory / "root", FILES))
    run = boot(site, "-6")
    assert max(seconds(run).values()) < 2, seconds(run)
    assert "the path carries 1400 bytes" in (said := doctor(site, "-6")), said


def test_what_vanishes_is_paid_for_once(site: Site) -> None:
    """Kernel and first initrd find it out side by side; the second initrd knows. doctor and explain tell."""
    serve(site, "dhcpd+hpa", FILES)
    narrow(site)
    pcap = site.directory / "boot.pcap"
    run = boot(site, "--pcap", str(pcap))
    took = seconds(run)
    assert took[f"tftp://{SERVER}/i1"] > 3 and took[f"tftp://{SERVER}/i2"] < 2, took
    told = site.pypxeboot("explain", str(pcap)).ok().stdout.decode()
    assert re.search("note: .*the path carries 1056 bytes, but not 1500", told), told
    run = site.pypxeboot("doctor", "--mac", MAC, "--bridge", BRIDGE)
    said = run.ok().stdout.decode()
    assert re.search(r"WARN  TFTP .*the path carries 1056 bytes, but not 1500", said), said
    assert "option 26" in said
