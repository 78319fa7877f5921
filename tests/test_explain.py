"""``pypxeboot explain``: captures of real boots and of what goes wrong, and files that were made to harm."""

from __future__ import annotations

import io
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from dhcp_peers import message, standard
from ground import MAC, SERVER, Site, servers, tools, wait_until
from ground.servers import ADDRESS
from ground.simple import SIMPLE, serve, tree
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot import capturefile, dhcp, packets
from pypxeboot.capturefile import BadCapture, Frame
from pypxeboot.lease import Lease
from pypxeboot.story import Story

CLIENT_MAC = "52:54:00:ab:cd:ef"
SERVER_MAC = "02:00:00:00:be:ef"
CLIENT, OTHER = "10.77.0.150", "10.77.0.66"


def explain(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pypxeboot", "explain", *args]
    env = {"PYTHONPATH": str(tools.ROOT), "PATH": "/usr/bin:/bin"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=90, env=env, **more)


def told(path: Path, *, code: int = 0) -> str:
    done = explain(str(path))
    assert done.returncode == code, done
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())
    return done.stdout


def verdict(text: str) -> str:
    last = text.splitlines()[-1]
    assert last.startswith("verdict: ")
    return last


# -- captures of real boots


@pytest.mark.netns
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
    wait_until(lambda: cooked.stat().st_size > own.stat().st_size - 4096, 10, "all of it in the file")
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
        assert verdict(text) == f"verdict: all went well: 4 files came, the last is http://{SERVER}/big"


@pytest.mark.netns
def test_boots_that_fail(site: Site) -> None:
    """No server; then DHCP, but no TFTP server; then names that nobody knows."""
    pcap = site.directory / "boot.pcap"
    assert site.boot("--pcap", str(pcap), "--timeout", "5.5").rc == 3
    text = told(pcap)
    assert re.search(r"DISCOVER .*, 4\.\d s after the last", text)
    assert "no answer to 2 DISCOVERs" in verdict(text)
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
    assert "gone.example" in verdict(told(pcap))


@pytest.mark.netns
def test_without_privileges(site: Site) -> None:
    pcap = site.directory / "boot.pcap"
    assert site.boot("--pcap", str(pcap), "--timeout", "3").rc in (3, 6)
    with pcap.open("rb") as file:
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-m", "pypxeboot", "explain", "-"],
            stdin=file,
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(tools.ROOT), "PATH": "/usr/bin:/bin"},
            cwd="/",
        )
    if "Permission denied" in done.stderr or "No module named" in done.stderr:
        pytest.skip("nobody may not read this checkout")
    assert done.returncode == 0 and "too early to tell" in done.stdout, done


# -- captures made by hand


def ethernet(layers: Any, mac: str = CLIENT_MAC) -> bytes:
    from scapy.layers.l2 import Ether

    return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / layers)


def udp(source: str, sport: int, target: str, dport: int, data: bytes, mac: str = "") -> bytes:
    from scapy.layers.inet import IP, UDP

    ip = IP(src=source, dst=target) / UDP(sport=sport, dport=dport) / data
    return ethernet(ip, mac or (CLIENT_MAC if source in (CLIENT, "0.0.0.0") else SERVER_MAC))


def tcp(source: str, target: str, flags: str, data: bytes = b"", seq: int = 0, *, port: int = 80) -> bytes:
    from scapy.layers.inet import IP, TCP

    ports = {"sport": 40000, "dport": port} if source == CLIENT else {"sport": port, "dport": 40000}
    ip = IP(src=source, dst=target) / TCP(flags=flags, seq=seq, **ports) / data
    return ethernet(ip, CLIENT_MAC if source == CLIENT else SERVER_MAC)


def arp(operation: int, mac: str, source: str, target: str) -> bytes:
    from scapy.layers.l2 import ARP

    return ethernet(ARP(op=operation, hwsrc=mac, psrc=source, pdst=target), mac)


def discover(xid: int = 1) -> bytes:
    options = b"\x35\x01\x01\x3c\x09PXEClient\xff"
    return udp("0.0.0.0", 68, "255.255.255.255", 67, message(options, op=1, xid=xid, yiaddr="0.0.0.0"))


def request(xid: int = 1) -> bytes:
    options = b"\x35\x01\x03\x32\x04" + bytes(map(int, CLIENT.split("."))) + b"\xff"
    return udp("0.0.0.0", 68, "255.255.255.255", 67, message(options, op=1, xid=xid, yiaddr="0.0.0.0"))


def reply(
    kind: int, server: str = OTHER, xid: int = 1, *, yiaddr: str = CLIENT, **changed: Optional[bytes]
) -> bytes:
    options = standard(kind, server=server, **{"o67": b"pxelinux.0", **changed})
    return udp(server, 67, CLIENT, 68, message(options, xid=xid, yiaddr=yiaddr, siaddr=server))


OFFER, ACK, NAK = 2, 5, 6
LEASED = ((0.0, discover()), (0.01, reply(OFFER)), (0.02, request()), (0.03, reply(ACK)))


def rrq(name: str = "vmlinuz", port: int = 2000) -> bytes:
    return udp(CLIENT, port, OTHER, 69, b"\0\1" + name.encode() + b"\0octet\0blksize\x001468\0")


def from_tftp(data: bytes, port: int = 2000) -> bytes:
    return udp(OTHER, 3000, CLIENT, port, data)


def block(number: int, size: int = 512) -> bytes:
    return from_tftp(struct.pack(">HH", 3, number & 0xFFFF) + bytes(size))


def story(*frames: tuple[float, bytes], end: float = 0.0) -> list[str]:
    """What is told of frames (when, bytes); ``end``: a frame of no meaning stands there."""
    one = Story()
    for when, data in [*frames, *([(end, b"")] if end else [])]:
        one.add(packets.packet(Frame(packets.ETHERNET, 1e9 + when, data)), 1e9 + when)
    return list(one.lines())


def test_naks_and_offers_that_are_not_taken() -> None:
    nak = (0.03, reply(NAK, o56=b"wrong network"))
    assert "10.77.0.66 says NAK: wrong network" in story(*LEASED[:3], nak, end=9)[-1]
    again = ((5.0, discover(2)), (5.1, reply(OFFER, xid=2)), (5.2, request(2)))
    assert "NAK" in story(*LEASED[:3], nak, *again, end=9)[-1]
    assert "nothing" in story(*LEASED[:3], nak, *again, (5.3, reply(ACK, xid=2)), end=9)[-1]
    assert "no answer to the REQUEST in 9.0 s" in story(*LEASED[:3], end=9.02)[-1]
    assert "takes none of 1 offers" in story(*LEASED[:2], end=9)[-1]
    assert "before the client has taken an offer" in story(*LEASED[:2], end=1)[-1]
    refused = story(LEASED[0], (0.1, reply(OFFER, o1=b"\x00\x00\x00\x01")), end=9)
    assert "offers what no client takes" in refused[-1]


def test_proxies_and_servers_that_do_not_agree() -> None:
    proxy = (0.02, reply(OFFER, "10.77.0.9", yiaddr="0.0.0.0", o60=b"PXEClient", o43=b"\x06\x01\x08\xff"))
    other = (0.02, reply(OFFER, "10.77.0.67", o67=b"evil.0"))
    lines = story(*LEASED[:2], proxy, other, *LEASED[2:], end=5)
    assert any(
        "10.77.0.9 (a proxy, PXEClient) says after 0.02 s: boot file pxelinux.0" in line for line in lines
    )
    assert any(
        "note: DHCP servers offer different things to boot: 10.77.0.66 and 10.77.0.67" in line
        for line in lines
    )
    assert lines[-1] == "verdict: it has an address and a boot file, but asks for nothing"


def test_tftp_that_is_silent_stalls_or_loses() -> None:
    silent = story(*LEASED, (0.1, rrq()), (1.1, rrq()), (3.1, rrq()), end=7.1)
    assert "TFTP vmlinuz from 10.77.0.66: no answer (asked 3 times in 7.0 s)" in silent[-1]
    oack = (0.2, from_tftp(b"\0\6BLKSIZE\x001468\0"))
    stalled = story(*LEASED, (0.1, rrq()), oack, end=9)
    assert "packets of 1500 bytes do not get through" in stalled[-1]
    stops = story(*LEASED, (0.1, rrq()), (0.2, block(1)), (0.3, block(2)), end=9)
    assert "it stops after 1.0 KiB" in stops[-1]
    full = story(*LEASED, (0.1, rrq()), (0.2, from_tftp(b"\0\5\0\3disk full\x1b[2J\0")), end=9)
    assert 'ERROR 3 "disk full\\x1b[2J"' in full[-1]
    twice = [(0.2 + number / 100, block(number // 2, 512)) for number in range(2, 40)]
    lossy = story(*LEASED, (0.1, rrq()), *twice, (1.0, block(20, 3)), end=2)
    assert "20 blocks came twice" in lossy[-3] or any("19 blocks came twice" in line for line in lossy)
    assert any("packets are lost" in line for line in lossy) and "all went well" in lossy[-1]


def test_tftp_block_numbers_wrap() -> None:
    frames = [(1 + number / 1e5, block(number)) for number in range(65530, 65545)]
    one = Story()
    one.add(packets.packet(Frame(1, 0.0, rrq())), 0.0)
    transfer = next(iter(one._open.values()))
    transfer._block = 65529  # type: ignore[union-attr] - so that 32 MiB need not be made
    for when, data in [*frames, (2.0, block(65545, 1))]:
        one.add(packets.packet(Frame(1, when, data)), when)
    lines = list(one.lines())
    assert "all went well: 1 file came" in lines[-1] and "7.5 KiB" in lines[2]


def test_names_that_are_not_there_are_no_trouble_before_one_that_is() -> None:
    absent = from_tftp(b"\0\5\0\1gone\0", 2001)
    lines = story(*LEASED, (0.1, rrq("a", 2001)), (0.2, absent), (0.3, rrq("b")), (0.4, block(1, 9)), end=9)
    assert "all went well: 1 file came, the last is tftp://10.77.0.66/b" in lines[-1]
    lines = story(*LEASED, (0.1, rrq("a", 2001)), (0.2, absent), end=9)
    assert "the last file that it asked for is not there: tftp://10.77.0.66/a" in lines[-1]


def test_http() -> None:
    syn, synack = (1.0, tcp(CLIENT, OTHER, "S")), (1.1, tcp(OTHER, CLIENT, "SA", seq=99))
    get = (1.2, tcp(CLIENT, OTHER, "PA", b"GET /k HTTP/1.1\r\nHost: x\r\n\r\n", 1))
    assert "no answer (asked 1" not in story(*LEASED, syn, end=1.5)[-1]
    assert "HTTP to 10.77.0.66: no answer (asked 2 times" in story(*LEASED, syn, (2.0, syn[1]), end=9)[-1]
    assert "connection refused" in story(*LEASED, syn, (1.1, tcp(OTHER, CLIENT, "RA")), end=9)[-1]
    assert "does not answer" in story(*LEASED, syn, synack, get, end=9)[-1]
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno"
    assert (
        "500 Oops" in story(*LEASED, syn, synack, get, (1.3, tcp(OTHER, CLIENT, "PA", head, 100)), end=9)[-1]
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"
    body = (
        (1.4, tcp(OTHER, CLIENT, "PA", head + bytes(1000), 100)),
        (1.5, tcp(OTHER, CLIENT, "RA", seq=2000)),
    )
    assert "cut short, 1000 B of 2.0 KiB" in story(*LEASED, syn, synack, get, *body, end=9)[-1]
    rest = (1.5, tcp(OTHER, CLIENT, "PA", bytes(1000), 100 + len(head) + 1000))
    assert (
        "the last is http://10.77.0.66/k"
        in story(*LEASED, syn, synack, get, body[0], body[0], rest, end=9)[-1]
    )
    hello = (1.2, tcp(CLIENT, OTHER, "PA", b"\x16\x03\x01\0\1\1", 1, port=443))
    lines = story(*LEASED, (1.0, tcp(CLIENT, OTHER, "S", port=443)), hello, end=9)
    assert any("10.77.0.66:443: encrypted" in line for line in lines)


def test_arp() -> None:
    asked = (1.0, arp(1, CLIENT_MAC, CLIENT, "10.77.0.1"))
    lines = story(*LEASED, asked, (2.0, asked[1]), end=9)
    assert "no answer from 10.77.0.1 to ARP (asked 2 times in 8.0 s)" in lines[-1]
    answer = (1.1, arp(2, SERVER_MAC, "10.77.0.1", CLIENT))
    assert "asks for nothing" in story(*LEASED, asked, answer, end=9)[-1]
    thief = (1.2, arp(2, "02:00:00:00:00:66", "10.77.0.1", CLIENT))
    assert "10.77.0.1 belongs to two" in story(*LEASED, asked, answer, thief, end=9)[-1]


def test_several_clients() -> None:
    second = udp(
        "0.0.0.0",
        68,
        "255.255.255.255",
        67,
        message(b"\x35\x01\x01\xff", op=1, mac=b"\2" * 6),
        "02:" * 5 + "02",
    )
    lines = story(*LEASED, (0.5, rrq()), (0.6, block(1, 4)), (1.0, second), end=9)
    assert "2 clients" in lines[0] and sum(line.startswith("client ") for line in lines) == 2
    assert lines[-1].startswith("verdict: 1 of 2 clients did not get through; 02:02:02:02:02:02: no answer")


def test_a_release_and_nothing_of_a_boot() -> None:
    lease = Lease(dhcp.IPv4Address(CLIENT), 24, server_id=dhcp.IPv4Address(OTHER))
    data = dhcp.release(bytes.fromhex("525400abcdef"), 7, lease)
    assert any(
        f"RELEASE of {CLIENT}" in line for line in story((0.0, udp(CLIENT, 68, OTHER, 67, data)), end=1)
    )
    assert "no boot in this capture" in story((0.0, b"nonsense"))[-1]


# -- files


def pcap(*frames: bytes, magic: str = "<", nano: bool = False, linktype: int = 1) -> bytes:
    head = struct.pack(magic + "IHHIIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype)
    return head + b"".join(
        struct.pack(magic + "IIII", 10, at * 1000, len(data), len(data)) + data
        for at, data in enumerate(frames)
    )


WHOLE = [data for _when, data in LEASED] + [rrq(), block(1, 7)]


def read(data: bytes) -> list[Frame]:
    return list(capturefile.frames(io.BytesIO(data).read))


@pytest.mark.parametrize("magic", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_forms_of_pcap(magic: str, nano: bool) -> None:
    found = read(pcap(*WHOLE, magic=magic, nano=nano))
    assert [frame.data for frame in found] == WHOLE
    assert found[1].when == pytest.approx(10 + (1e-6 if nano else 1e-3))


def test_pcapng_as_scapy_writes_it(tmp_path: Path) -> None:
    from scapy.layers.l2 import Ether
    from scapy.utils import PcapNgWriter

    path = tmp_path / "boot.pcapng"
    with PcapNgWriter(str(path)) as writer:
        for at, data in enumerate(WHOLE):
            frame = Ether(data)
            frame.time = 1000 + at
            writer.write(frame)
    found = read(path.read_bytes())
    assert [frame.data for frame in found] == WHOLE
    assert [round(frame.when) for frame in found] == [1000 + at for at in range(len(WHOLE))]
    assert "all went well" in verdict(told(path))


def test_vlan_tags_and_ipv6() -> None:
    from scapy.layers.inet import UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Dot1Q

    data = ethernet(
        Dot1Q(vlan=7) / IPv6(src="fe80::1", dst="2001:db8::2") / UDP(sport=9, dport=69) / b"\0\1k\0octet\0"
    )
    found = packets.packet(Frame(packets.ETHERNET, 0, data))
    assert found is not None and (found.source, found.target, found.target_port) == (
        "fe80::1",
        "2001:db8::2",
        69,
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no capture file"),
        (b"\x7fELF" + bytes(100), "no capture file"),
        (pcap(*WHOLE)[:-3], "ends in the middle of a frame"),
        (pcap()[:20], "ends in the middle"),
        (pcap() + struct.pack("<IIII", 1, 1, 0x7FFFFFFF, 1), "2147483647 bytes"),
        (
            b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a" + bytes(16) + b"\6\0\0\0\xff\xff\xff\xff",
            "4294967295 bytes",
        ),
        (b"\x0a\x0d\x0d\x0a\x1c\0\0\0nonsense", "byte order"),
    ],
)
def test_damaged_files(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "damaged.pcap"
    path.write_bytes(data)
    done = explain(str(path))
    assert done.returncode == 1 and words in done.stderr, done
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == data.startswith(pcap(*WHOLE)[:-3]), "what was read before is told"


@pytest.mark.parametrize("args", [(), ("a", "b"), ("--nosuch",), ("/no/such/file",), ("/",)])
def test_a_wrong_command_line(args: tuple[str, ...]) -> None:
    done = explain(*args)
    assert done.returncode in (1, 2) and done.stderr.startswith("pypxeboot: error: "), done
    assert explain("--help").stdout.startswith("usage: ")


def test_a_flood_of_clients_is_told_in_part() -> None:
    one = Story()
    for number in range(6000):
        mac = number.to_bytes(6, "big")
        data = udp_of(message(b"\x35\x01\x01\xff", op=1, mac=mac, xid=number))
        one.add(packets.packet(Frame(1, float(number), data)), float(number))
    lines = list(one.lines())
    assert len(lines) < 1000 and "1000 conversations more are left out" in lines[-2]
    assert lines[-1].startswith("verdict: ")


def udp_of(payload: bytes) -> bytes:
    """A DISCOVER's frame, without scapy's leisure."""
    length = 28 + len(payload)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    return b"\xff" * 6 + b"\2" * 6 + b"\x08\0" + ip + struct.pack(">HHHH", 68, 67, length - 20, 0) + payload


# -- fuzzing


def survives(data: bytes) -> None:
    """No exception but BadCapture, and nothing unprintable; a verdict, whatever the file."""
    one = Story()
    try:
        for frame in capturefile.frames(io.BytesIO(data).read):
            one.add(packets.packet(frame), frame.when)
    except BadCapture as why:
        assert str(why).isprintable()
    lines = list(one.lines())
    assert lines[-1].startswith("verdict: ") and all(line.isprintable() for line in lines)


HEADS = (b"", pcap(), pcap(magic=">", nano=True), pcap(linktype=113), pcap(linktype=276), pcap(linktype=101))
SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28) + struct.pack(
    "<IIHHII", 1, 20, 1, 0, 0, 20
)


@given(st.sampled_from((*HEADS, SECTION)), st.binary(max_size=400))
def test_any_bytes(head: bytes, rest: bytes) -> None:
    survives(head + rest)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((53, 67, 68, 69, 4011, 2000, 3000)),
            st.sampled_from((69, 67, 2000, 53)),
            st.binary(max_size=80),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_any_payloads(datagrams: list[tuple[int, int, bytes]], leased: bool) -> None:
    frames = list(WHOLE) if leased else []
    for number, (sport, dport, data) in enumerate(datagrams):
        ends = (CLIENT, OTHER) if number % 2 else (OTHER, CLIENT)
        frames.append(udp(ends[0], sport, ends[1], dport, data))
    survives(pcap(*frames))


CONVERSATION = [
    *WHOLE,
    reply(NAK),
    arp(1, CLIENT_MAC, CLIENT, OTHER),
    tcp(CLIENT, OTHER, "S"),
    tcp(CLIENT, OTHER, "PA", b"GET /k HTTP/1.1\r\n\r\n", 1),
    tcp(OTHER, CLIENT, "PA", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 1),
    udp(CLIENT, 999, OTHER, 53, b"\0\1\1\0\0\1" + bytes(6) + b"\4boot\0\0\1\0\1"),
    udp(OTHER, 53, CLIENT, 999, b"\0\1\x81\x83\0\1" + bytes(6) + b"\4boot\0\0\1\0\1"),
]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=20), st.data())
def test_bytes_that_were_changed(changes: list[tuple[int, int]], data: st.DataObject) -> None:
    capture = bytearray(pcap(*CONVERSATION))
    for at, value in changes:
        capture[at % len(capture)] = value
    survives(bytes(capture[: data.draw(st.integers(len(capture) // 2, len(capture)))]))
