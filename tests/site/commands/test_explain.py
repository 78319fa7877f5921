"""``pypxeboot explain``: captures of real boots and of what goes wrong, and files that were made to harm."""

from __future__ import annotations

import re
import signal

from tests.support.boot_frames import (
    told,
    verdict,
)
from tests.support.ground import MAC, SERVER, Site, servers, wait_until
from tests.support.ground.servers import ADDRESS
from tests.support.ground.simple import SIMPLE, serve, tree

# -- captures of real boots


def test_a_boot_that_went_well(site: Site) -> None:
    """By --pcap; and at the server by tcpdump, on all its interfaces at once (Linux cooked)."""
    root = serve(
        site, "dhcpd+hpa", {**tree(SIMPLE.replace("i1,i2", f"i1,http://{SERVER}/big")), "big": bytes(1 << 20)}
    )
    servers.nginx(site, root)
    cooked, own = site.directory / "cooked.pcap", site.directory / "own.pcap"
    dump = site.spawn(["tcpdump", "-i", "any", "-B", "65536", "-U", "-w", str(cooked)], "tcpdump.log")
    dump.wait_for("listening on any")
    site.boot("--pcap", str(own)).ok()
    wait_until(lambda: cooked.stat().st_size > own.stat().st_size - 4096, 30, "all of it in the file")
    dump.process.send_signal(signal.SIGINT)
    dump.process.wait(10)
    for path in (own, cooked):
        text = told(path)
        assert f"client {MAC}" in text and "1 client" in text.splitlines()[0]
        assert re.search(r"DISCOVER as PXEClient:Arch:00000", text)
        assert f"{SERVER} offers after" in text and f"{SERVER} acknowledges address {ADDRESS}/24" in text
        assert re.search(r"TFTP pxelinux.cfg/01-52-54-00-ab-cd-ef from .*: ERROR 1 .File not found", text)
        assert re.search(r"TFTP vmlinuz from .*: 2.0 KiB in .* s, .*blksize 1468", text)
        assert re.search(r"HTTP GET /big from 10.77.0.1: 200 OK, 1.0 MiB in .* s \(.*/s\)", text)
        assert verdict(text) == f"verdict: all went well: 5 files came, the last is http://{SERVER}/big"


def test_boots_that_fail(site: Site) -> None:
    """DHCP, but no TFTP server; then names that nobody knows."""
    pcap = site.directory / "boot.pcap"
    server = servers.dnsmasq(site, None)
    assert site.boot("--pcap", str(pcap)).rc == 6
    assert "the port is closed: no TFTP server listens there" in verdict(told(pcap))
    server.stop()
    root = servers.plant(site.directory / "root", tree(SIMPLE.replace("i1,i2", "http://gone.example/i1")))
    servers.dnsmasq(
        site, root, names={"boot.example": SERVER}, extra=[f"--dhcp-option=option:dns-server,{SERVER}"]
    )
    assert site.boot("--pcap", str(pcap)).rc == 6
    assert re.search(r"DNS A gone.example of 10.77.0.1: .*(NXDOMAIN|REFUSED)", told(pcap))
    assert "DNS" in verdict(told(pcap)) or "HTTP" in verdict(told(pcap))
