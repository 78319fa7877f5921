"""Capture files, and frames in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pypxeboot.dhcp import ethernet
from pypxeboot.dhcp.client import Send
from pypxeboot.net import pcap
from tests.support.ground import tools
from tests.support.peers.dhcp import ADDRESS, SERVER, frame, message, standard

DISCOVER = ethernet.discover_frame(
    bytes.fromhex("525400abcdef"), Send(0x12345678, 4, False, ((53, b"\1"), (60, b"PXEClient")))
)


def test_read_back_by_tcpdump(tmp_path: Path) -> None:
    path = tmp_path / "out.pcap"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    capture = pcap.CaptureFile(descriptor)
    capture.write(DISCOVER, 1700000000.25)
    capture.write(frame(message(standard(o67=b"pxelinux.0"))), 1700000001.5)
    os.close(descriptor)
    argv = [tools.need("tcpdump"), "-nn", "-tt", "-vvv", "-e", "-r", str(path)]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout
    for words in (
        "1700000000.250000 52:54:00:ab:cd:ef > ff:ff:ff:ff:ff:ff",
        "0.0.0.0.68 > 255.255.255.255.67: [udp sum ok] BOOTP/DHCP, Request from 52:54:00:ab:cd:ef",
        "length 300, xid 0x12345678, secs 4",
        "DHCP-Message (53), length 1: Discover",
        '"PXEClient"',
        "1700000001.500000 02:00:00:00:be:ef > ff:ff:ff:ff:ff:ff",
        f"{SERVER}.67 > 255.255.255.255.68: [udp sum ok] BOOTP/DHCP, Reply",
        f"Your-IP {ADDRESS}",
    ):
        assert words in said, said
    assert "bad" not in said and "truncated" not in said, said


def test_a_frame_in_words() -> None:
    pcap.preload(every_protocol=True)
    assert "DHCP Discover" in pcap.summary(DISCOVER) or "BOOTP" in pcap.summary(DISCOVER)
    assert pcap.summary(DISCOVER[:20])


def test_import_is_quiet_and_late() -> None:
    """scapy takes longer than a boot: not imported before it is needed, and it says nothing."""
    code = "import sys; from pypxeboot.net import pcap; assert 'scapy' not in sys.modules; pcap.preload()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=tools.ENVIRONMENT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
