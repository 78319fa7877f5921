"""``pypxeboot explain``: captures of real boots and of what goes wrong, and files that were made to harm."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from ipaddress import IPv4Address
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.dhcp import message as dhcp
from pypxeboot.explain import packets, reader
from pypxeboot.explain.capture_file import CapturedFrame
from pypxeboot.explain.timeline import Timeline
from tests.support.boot_frames import (
    ACK,
    CLIENT,
    CLIENT_MAC,
    LEASED,
    NAK,
    OFFER,
    OTHER,
    SERVER_MAC,
    arp,
    block,
    discover,
    ethernet,
    from_tftp,
    pcap,
    reply,
    request,
    rrq,
    tcp,
    udp,
)
from tests.support.ground import tools
from tests.support.peers import dhcp6 as dhcp6_peers
from tests.support.peers.dhcp import message


def test_without_privileges(tmp_path: Path) -> None:
    """A capture on standard input, told to somebody who is not root."""
    nobody = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m"]
    env = {"PYTHONPATH": str(tools.ROOT), "PATH": "/usr/bin:/bin"}
    if (
        os.geteuid()
        or subprocess.run(
            [*nobody, "pypxeboot.doctor.findings"], env=env, cwd="/", capture_output=True
        ).returncode
    ):
        pytest.skip("not root, or nobody may not read this checkout")
    path = tmp_path / "boot.pcap"
    path.write_bytes(pcap(discover()))
    with path.open("rb") as file:
        argv = [*nobody, "pypxeboot", "explain", "-"]
        done = subprocess.run(argv, stdin=file, capture_output=True, text=True, env=env, cwd="/")
    assert done.returncode == 0 and "too early to tell" in done.stdout, done


# -- captures made by hand


def timeline(*frames: tuple[float, bytes], end: float = 0.0) -> list[str]:
    """What is told of frames (when, bytes); ``end``: a frame of no meaning stands there."""
    one = Timeline()
    for when, data in [*frames, *([(end, b"")] if end else [])]:
        one.add(packets.decode(CapturedFrame(packets.ETHERNET, 1e9 + when, data)), 1e9 + when)
    return list(one.lines())


def test_nobody_answers() -> None:
    lines = timeline((0.0, discover()), (4.0, discover()), (12.0, discover()), end=28)
    assert any("DISCOVER as PXEClient, 8.0 s after the last" in line for line in lines)
    assert "no answer to 3 DISCOVERs in 28.0 s" in lines[-1] and "br_netfilter" in lines[-1]


def test_naks_and_offers_that_are_not_taken() -> None:
    nak = (0.03, reply(NAK, o56=b"wrong network"))
    assert "10.77.0.66 says NAK: wrong network" in timeline(*LEASED[:3], nak, end=9)[-1]
    again = ((5.0, discover(2)), (5.1, reply(OFFER, xid=2)), (5.2, request(2)))
    assert "NAK" in timeline(*LEASED[:3], nak, *again, end=9)[-1]
    assert "nothing" in timeline(*LEASED[:3], nak, *again, (5.3, reply(ACK, xid=2)), end=9)[-1]
    assert "no answer to the REQUEST in 9.0 s" in timeline(*LEASED[:3], end=9.02)[-1]
    assert "takes none of 1 offers" in timeline(*LEASED[:2], end=9)[-1]
    assert "before the client has taken an offer" in timeline(*LEASED[:2], end=1)[-1]
    refused = timeline(LEASED[0], (0.1, reply(OFFER, o1=b"\x00\x00\x00\x01")), end=9)
    assert "offers what no client takes" in refused[-1]
    cut = udp(OTHER, 67, CLIENT, 68, message(b"\x35\x01\x02\x43\xff", xid=1))
    assert (
        "10.77.0.66 sends what cannot be read: an option runs past its field"
        in timeline(LEASED[0], (0.1, cut), end=9)[-1]
    )


def test_proxies_and_servers_that_do_not_agree() -> None:
    proxy = (0.02, reply(OFFER, "10.77.0.9", yiaddr="0.0.0.0", o60=b"PXEClient", o43=b"\x06\x01\x08\xff"))
    other = (0.02, reply(OFFER, "10.77.0.67", o67=b"evil.0"))
    lines = timeline(*LEASED[:2], proxy, other, *LEASED[2:], end=5)
    assert any(
        "10.77.0.9 (a proxy, PXEClient) says after 0.02 s: boot file pxelinux.0" in line for line in lines
    )
    assert any(
        "note: DHCP servers offer different things to boot: 10.77.0.66 and 10.77.0.67" in line
        for line in lines
    )
    assert lines[-1] == "verdict: it has an address and a boot file, but asks for nothing"


def test_tftp_that_is_silent_stalls_or_loses() -> None:
    silent = timeline(*LEASED, (0.1, rrq()), (1.1, rrq()), (3.1, rrq()), end=7.1)
    assert "TFTP vmlinuz from 10.77.0.66: no answer (asked 3 times in 7.0 s)" in silent[-1]
    oack = (0.2, from_tftp(b"\0\6BLKSIZE\x001468\0"))
    stalled = timeline(*LEASED, (0.1, rrq()), oack, end=9)
    assert "packets of 1500 bytes do not get through" in stalled[-1]
    stops = timeline(*LEASED, (0.1, rrq()), (0.2, block(1)), (0.3, block(2)), end=9)
    assert "it stops after 1.0 KiB" in stops[-1]
    full = timeline(*LEASED, (0.1, rrq()), (0.2, from_tftp(b"\0\5\0\3disk full\x1b[2J\0")), end=9)
    assert 'ERROR 3 "disk full\\x1b[2J"' in full[-1]
    twice = [(0.2 + number / 100, block(number // 2, 512)) for number in range(2, 40)]
    lossy = timeline(*LEASED, (0.1, rrq()), *twice, (1.0, block(20, 3)), end=2)
    assert "20 blocks came twice" in lossy[-3] or any("19 blocks came twice" in line for line in lossy)
    assert any("packets are lost" in line for line in lossy) and "all went well" in lossy[-1]


def test_tftp_block_numbers_wrap() -> None:
    frames = [(1 + number / 1e5, block(number)) for number in range(65530, 65545)]
    one = Timeline()
    one.add(packets.decode(CapturedFrame(1, 0.0, rrq())), 0.0)
    transfer = next(iter(one._open.values()))
    transfer._block = 65529  # type: ignore[union-attr] - so that 32 MiB need not be made
    for when, data in [*frames, (2.0, block(65545, 1))]:
        one.add(packets.decode(CapturedFrame(1, when, data)), when)
    lines = list(one.lines())
    assert "all went well: 1 file came" in lines[-1] and "7.5 KiB" in lines[2]


def test_names_that_are_not_there_are_no_trouble_before_one_that_is() -> None:
    not_found = from_tftp(b"\0\5\0\1gone\0", 2001)
    lines = timeline(
        *LEASED, (0.1, rrq("a", 2001)), (0.2, not_found), (0.3, rrq("b")), (0.4, block(1, 9)), end=9
    )
    assert "all went well: 1 file came, the last is tftp://10.77.0.66/b" in lines[-1]
    lines = timeline(*LEASED, (0.1, rrq("a", 2001)), (0.2, not_found), end=9)
    assert "the last file that it asked for is not there: tftp://10.77.0.66/a" in lines[-1]


def test_http() -> None:
    syn, synack = (1.0, tcp(CLIENT, OTHER, "S")), (1.1, tcp(OTHER, CLIENT, "SA", seq=99))
    get = (1.2, tcp(CLIENT, OTHER, "PA", b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", 1))
    assert "no answer (asked 1" not in timeline(*LEASED, syn, end=1.5)[-1]
    assert "HTTP to 10.77.0.66: no answer (asked 2 times" in timeline(*LEASED, syn, (2.0, syn[1]), end=9)[-1]
    assert "connection refused" in timeline(*LEASED, syn, (1.1, tcp(OTHER, CLIENT, "RA")), end=9)[-1]
    assert "does not answer" in timeline(*LEASED, syn, synack, get, end=9)[-1]
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno"
    assert (
        "500 Oops"
        in timeline(*LEASED, syn, synack, get, (1.3, tcp(OTHER, CLIENT, "PA", head, 100)), end=9)[-1]
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    body = (
        (1.4, tcp(OTHER, CLIENT, "PA", head + bytes(1000), 100)),
        (1.5, tcp(OTHER, CLIENT, "RA", seq=2000)),
    )
    assert "cut short, 1000 B of 2.0 KiB" in timeline(*LEASED, syn, synack, get, *body, end=9)[-1]
    rest = (1.5, tcp(OTHER, CLIENT, "PA", bytes(1000), 100 + len(head) + 1000))
    assert (
        "the last is http://10.77.0.66/k"
        in timeline(*LEASED, syn, synack, get, body[0], body[0], rest, end=9)[-1]
    )
    hello = (1.2, tcp(CLIENT, OTHER, "PA", b"\x16\x03\x01\0\1\1", 1, port=443))
    lines = timeline(*LEASED, (1.0, tcp(CLIENT, OTHER, "S", port=443)), hello, end=9)
    assert any("10.77.0.66:443: encrypted" in line for line in lines)


def dns(number: int, name: str, code: int = -1) -> bytes:
    """A question, or its answer with this code."""
    labels = b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
    head = struct.pack(">HHHHHH", number, 0x0100 if code < 0 else 0x8180 | code, 1, int(code == 0), 0, 0)
    ends = (CLIENT, 999, OTHER, 53) if code < 0 else (OTHER, 53, CLIENT, 999)
    return udp(*ends, head + labels)


def test_what_went_wrong_on_the_way_is_told_unless_it_was_mended() -> None:
    lost = ((1.0, dns(1, "boot.first.example")), (1.1, dns(1, "boot.first.example", 3)))
    found = ((1.2, dns(2, "boot.second.example")), (1.3, dns(2, "boot.second.example", 0)))
    came = ((2.0, rrq()), (2.1, block(1, 9)))
    assert "all went well" in timeline(*LEASED, *lost, *found, *came, end=9)[-1]
    wrong = "DNS A boot.first.example of 10.77.0.66: NXDOMAIN (no such name)"
    assert timeline(*LEASED, *lost, *came, end=9)[-1].endswith(
        f"the last is tftp://{OTHER}/vmlinuz; but {wrong}"
    )
    refused = (0.5, from_tftp(b"\0\5\0\x08no options\0"))
    assert "all went well" in timeline(*LEASED, (0.4, rrq()), refused, *came, end=9)[-1]


def test_arp() -> None:
    asked = (1.0, arp(1, CLIENT_MAC, CLIENT, "10.77.0.1"))
    lines = timeline(*LEASED, asked, (2.0, asked[1]), end=9)
    assert "no answer from 10.77.0.1 to ARP (asked 2 times in 8.0 s)" in lines[-1]
    answer = (1.1, arp(2, SERVER_MAC, "10.77.0.1", CLIENT))
    assert "asks for nothing" in timeline(*LEASED, asked, answer, end=9)[-1]
    thief = (1.2, arp(2, "02:00:00:00:00:66", "10.77.0.1", CLIENT))
    assert "10.77.0.1 belongs to two" in timeline(*LEASED, asked, answer, thief, end=9)[-1]


def v6(source: str, target: str, sport: int, dport: int, data: bytes, mac: str = CLIENT_MAC) -> bytes:
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6

    return ethernet(IPv6(src=source, dst=target) / UDP(sport=sport, dport=dport) / data, mac)


def test_ipv6() -> None:
    link, mine = "fe80::5054:ff:feab:cdef", dhcp6_peers.ADDRESS
    solicit = v6(link, "ff02::1:2", 546, 547, b"\1\0\0\1" + dhcp6_peers.option(61, b"\0\7"))
    silent = timeline((1.0, solicit), (2.0, solicit), end=9)
    assert "no answer to DHCPv6 SOLICIT (asked 2 times in 8.0 s)" in silent[-1]
    reply6 = v6("fe80::66", link, 547, 546, dhcp6_peers.message(dhcp6_peers.REPLY, 1), SERVER_MAC)
    read = v6(mine, "2001:db8:77::1", 2000, 69, b"\0\1k\0octet\0")
    data = v6("2001:db8:77::1", mine, 3000, 2000, b"\0\3\0\1kernel", SERVER_MAC)
    lines = timeline((0.0, discover()), (1.0, solicit), (1.1, reply6), (1.2, read), (1.3, data), end=9)
    assert any(
        f"gives address {mine}, boot file tftp://[2001:db8:77::1]/pxelinux.0" in line for line in lines
    )
    assert "SOLICIT, architecture 7" in lines[3] and "1 client" in lines[0]
    assert "all went well: 1 file came, the last is tftp://[2001:db8:77::1]/k" in lines[-1]
    denied = dhcp6_peers.message(
        2, 1, ia=dhcp6_peers.association(dhcp6_peers.status(2, b"none left")), url=None
    )
    lines = timeline((1.0, solicit), (1.1, v6("fe80::66", link, 547, 546, denied, SERVER_MAC)), end=9)
    assert "no address (none left)" in lines[-1]


def test_several_clients() -> None:
    second = udp(
        "0.0.0.0",
        68,
        "255.255.255.255",
        67,
        message(b"\x35\x01\x01\xff", op=1, mac=b"\2" * 6),
        "02:" * 5 + "02",
    )
    lines = timeline(*LEASED, (0.5, rrq()), (0.6, block(1, 4)), (1.0, second), end=9)
    assert "2 clients" in lines[0] and sum(line.startswith("client ") for line in lines) == 2
    assert lines[-1].startswith("verdict: 1 of 2 clients did not get through; 02:02:02:02:02:02: no answer")


def test_a_release_and_nothing_of_a_boot() -> None:
    data = dhcp.release(bytes.fromhex("525400abcdef"), 7, IPv4Address(CLIENT), IPv4Address(OTHER))
    assert any(
        f"RELEASE of {CLIENT}" in line for line in timeline((0.0, udp(CLIENT, 68, OTHER, 67, data)), end=1)
    )
    assert "no boot in this capture" in timeline((0.0, b"nonsense"))[-1]


def test_an_exception_at_a_frame_is_told_behind_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Timeline.add

    def stumble(self: Timeline, packet: Optional[packets.Packet], when: float) -> None:
        if self.frames == 2:
            raise RecursionError("too deep\x1b[m")
        add(self, packet, when)

    monkeypatch.setattr(Timeline, "add", stumble)
    path = tmp_path / "boot.pcap"
    path.write_bytes(pcap(*(frame for _when, frame in LEASED)))
    report = reader.read_timeline(str(path))
    assert "DISCOVER" in "".join(report.lines)
    assert report.damage.startswith("internal error: RecursionError: too deep\\x1b[m at frame 3")
