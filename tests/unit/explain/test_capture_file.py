"""Capture files in all their forms, damaged ones, and ones that were made to harm."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.explain import capture_file, packets
from pypxeboot.explain.capture_file import BadCapture, CapturedFrame
from pypxeboot.explain.timeline import Timeline
from tests.support.boot_frames import (
    CLIENT,
    CLIENT_MAC,
    LEASED,
    NAK,
    OTHER,
    arp,
    block,
    ethernet,
    explain,
    pcap,
    reply,
    rrq,
    tcp,
    told,
    udp,
    verdict,
)
from tests.support.peers.dhcp import message

WHOLE = [data for _when, data in LEASED] + [rrq(), block(1, 7)]


def read(data: bytes) -> list[CapturedFrame]:
    return list(capture_file.frames(io.BytesIO(data).read))


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
    found = packets.decode(CapturedFrame(packets.ETHERNET, 0, data))
    assert found is not None and (found.source, found.target, found.target_port) == (
        "fe80::1",
        "2001:db8::2",
        69,
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a capture file"),
        (b"\x7fELF" + bytes(100), "not a capture file"),
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
    one = Timeline()
    for number in range(6000):
        mac = number.to_bytes(6, "big")
        data = udp_of(message(b"\x35\x01\x01\xff", op=1, mac=mac, xid=number))
        one.add(packets.decode(CapturedFrame(1, float(number), data)), float(number))
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
    one = Timeline()
    try:
        for frame in capture_file.frames(io.BytesIO(data).read):
            one.add(packets.decode(frame), frame.when)
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
