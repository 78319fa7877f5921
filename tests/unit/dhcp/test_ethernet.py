"""Ethernet frames of DHCP: what goes out, and which of those that come in are replies to us."""

from __future__ import annotations

import random
import socket
import struct
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.dhcp import ethernet
from pypxeboot.dhcp.client import Send
from tests.support.peers.dhcp import SERVER, checksum, frame, message, standard

MAC = bytes.fromhex("525400abcdef")
XID = 0x12345678
OPTIONS = ((53, b"\1"), (57, b"\x05\xc0"), (60, b"PXEClient"), (55, bytes((1, 3, 6))))
PAYLOAD = message(standard(o67=b"pxelinux.0"))


def built(
    options: tuple[tuple[int, bytes], ...] = OPTIONS, *, secs: int = 0, broadcast: bool = False
) -> bytes:
    return ethernet.discover_frame(MAC, Send(XID, secs, broadcast, options))


def test_frame_byte_for_byte() -> None:
    data = built(secs=12)
    assert data[:14] == b"\xff" * 6 + MAC + b"\x08\x00"
    ipv4, udp, bootp = data[14:34], data[34:42], data[42:]
    assert ipv4[0] == 0x45 and ipv4[8] >= 16 and ipv4[9] == 17 and ipv4[6:8] == b"\0\0"
    assert ipv4[12:20] == bytes(4) + b"\xff" * 4
    assert struct.unpack(">H", ipv4[2:4])[0] == len(data) - 14
    assert struct.unpack(">HHH", udp[:6]) == (68, 67, len(data) - 34)
    assert checksum(ipv4) == 0, "header checksum"
    pseudo = ipv4[12:20] + struct.pack(">BBH", 0, 17, len(data) - 34)
    assert udp[6:] != b"\0\0" and checksum(pseudo + data[34:]) == 0, "UDP checksum"
    assert bootp[:12] == struct.pack(">BBBBLHH", 1, 1, 6, 0, XID, 12, 0)
    assert bootp[12:28] == bytes(16) and bootp[28:44] == MAC.ljust(16, b"\0")
    assert bootp[44:236] == bytes(192) and bootp[236:240] == b"\x63\x82\x53\x63"
    options = b"".join(bytes((code, len(value))) + value for code, value in OPTIONS) + b"\xff"
    assert bootp[240 : 240 + len(options)] == options
    assert not any(bootp[240 + len(options) :]) and len(bootp) == 300


def test_never_shorter_than_bootp_and_as_long_as_needed() -> None:
    assert len(built(())) == 14 + 20 + 8 + 300
    long = built(((53, b"\1"), (60, b"x" * 200)))
    assert long[-1] == 0xFF and len(long) == 14 + 20 + 8 + 240 + 3 + 202 + 1


@pytest.mark.parametrize("broadcast", [False, True])
def test_broadcast_flag(broadcast: bool) -> None:
    assert built(broadcast=broadcast)[52:54] == (b"\x80\0" if broadcast else b"\0\0")


@pytest.mark.parametrize("code", [43, 54, 60, 61, 77, 93, 94, 97, 175, 224, 254])
def test_option_values_go_out_as_they_are(code: int) -> None:
    for value in (b"", b"\0", b"\xff\0\x1b", bytes(range(200))):
        assert bytes((code, len(value))) + value in built(((53, b"\1"), (code, value)))


def test_read_back_by_scapy() -> None:
    l2, inet, dhcp = (pytest.importorskip(f"scapy.layers.{name}") for name in ("l2", "inet", "dhcp"))
    packet = l2.Ether(built(secs=4))
    assert (packet.src, packet.dst) == (MAC.hex(":"), "ff:ff:ff:ff:ff:ff")
    assert (packet[inet.IP].src, packet[inet.IP].dst) == ("0.0.0.0", "255.255.255.255")
    assert (packet[inet.UDP].sport, packet[inet.UDP].dport) == (68, 67)
    assert (packet[dhcp.BOOTP].xid, packet[dhcp.BOOTP].secs) == (XID, 4)
    found = [item for item in packet[dhcp.DHCP].options if isinstance(item, tuple)]
    assert found[:2] == [("message-type", 1), ("max_dhcp_size", 1472)]


def taken(data: bytes, **ready: bool) -> Optional[bytes]:
    return ethernet.reply_payload(data, XID, **ready)


GOOD: dict[str, bytes] = {
    "broadcast": frame(PAYLOAD),
    "unicast": frame(PAYLOAD, to=MAC),
    "no-checksum": frame(PAYLOAD, udp_sum=0),
    "ip-options": frame(PAYLOAD, ip_options=b"\1\1\1\0"),
    "trailer": frame(PAYLOAD) + bytes(20),
    "odd-length": frame(PAYLOAD + b"\0"),
    "do-not-fragment": frame(PAYLOAD, fragment=0x4000),
}


@pytest.mark.parametrize("case", GOOD)
def test_replies(case: str) -> None:
    assert taken(GOOD[case]) == (PAYLOAD + b"\0" if case == "odd-length" else PAYLOAD)


def double_tagged() -> bytes:
    data = frame(PAYLOAD, tag=20)
    return data[:12] + b"\x88\xa8\0\x0a" + data[12:]


DAMAGED: dict[str, bytes] = {
    "wrong-xid": frame(message(standard(), xid=XID ^ 1)),
    "source-port": frame(PAYLOAD, sport=6767),
    "destination-port": frame(PAYLOAD, dport=67),
    "udp-checksum": frame(PAYLOAD, udp_sum=0x1234),
    "ip-checksum": frame(PAYLOAD, ip_sum=0x1234),
    "ip-checksum-with-options": frame(PAYLOAD, ip_options=b"\1\1\1\0", ip_sum=0x1234),
    "udp-length-past-the-end": frame(PAYLOAD, udp_length=4000, udp_sum=0),
    "udp-length-of-the-header": frame(PAYLOAD, udp_length=8, udp_sum=0),
    "udp-length-7": frame(PAYLOAD, udp_length=7, udp_sum=0),
    "udp-length-0": frame(PAYLOAD, udp_length=0, udp_sum=0),
    "ip-length-past-the-end": frame(PAYLOAD, ip_length=9000, udp_length=8000, udp_sum=0),
    "ip-length-short": frame(PAYLOAD, ip_length=60),
    "ip-length-0": frame(PAYLOAD, ip_length=0),
    "more-fragments": frame(PAYLOAD, fragment=0x2000),
    "later-fragment": frame(PAYLOAD, fragment=0x0001),
    "vlan": frame(PAYLOAD, tag=20),
    "vlan-0": frame(PAYLOAD, tag=0),
    "qinq": double_tagged(),
    "tcp": frame(PAYLOAD, protocol=6),
    "ipv6": frame(PAYLOAD)[:12] + b"\x86\xdd" + frame(PAYLOAD)[14:],
    "version-6": frame(PAYLOAD)[:14] + b"\x65" + frame(PAYLOAD)[15:],
    "header-of-16": frame(PAYLOAD)[:14] + b"\x44" + frame(PAYLOAD)[15:],
    "header-of-60": frame(PAYLOAD)[:14] + b"\x4f" + frame(PAYLOAD)[15:],
    "empty": b"",
    "llc": frame(PAYLOAD)[:12] + b"\x00\x40" + frame(PAYLOAD)[14:],
}


@pytest.mark.parametrize("case", DAMAGED)
def test_9_damaged_and_foreign_frames_are_ignored(case: str) -> None:
    assert taken(DAMAGED[case]) is None
    assert (taken(DAMAGED[case], checksum_ready=False) is None) is (case != "udp-checksum")


def test_9_unfinished_checksum_only_where_the_kernel_says_so() -> None:
    """What a server of the same host sends: the sum of the pseudo header, the rest left to the hardware."""
    head = socket.inet_aton(SERVER) + b"\xff" * 4 + struct.pack(">BBH", 0, 17, 8 + len(PAYLOAD))
    unfinished = frame(PAYLOAD, udp_sum=checksum(head) ^ 0xFFFF)
    assert taken(unfinished) is None
    assert taken(unfinished, checksum_ready=False) == PAYLOAD


def test_every_truncation() -> None:
    whole = frame(PAYLOAD)
    for size in range(len(whole)):
        assert taken(whole[:size]) is None
        assert taken(whole[:size], checksum_ready=False) is None


@given(st.binary(max_size=200), st.booleans())
@settings(max_examples=200)
def test_any_bytes(data: bytes, ready: bool) -> None:
    assert taken(data, checksum_ready=ready) is None


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), min_size=1, max_size=6),
    st.binary(max_size=700),
)
@settings(max_examples=300)
def test_changed_headers_and_any_payload(changes: list[tuple[int, int]], rest: bytes) -> None:
    data = bytearray(frame(PAYLOAD[:20] + rest))
    for at, value in changes:
        data[at % len(data)] = value
    got = taken(bytes(data), checksum_ready=False)
    assert got is None or got in bytes(data)


def by_scapy(data: bytes) -> Optional[bytes]:
    """The payload as scapy takes the frame apart, where all that scapy checks is right."""
    from scapy.layers.inet import IP, UDP, in4_chksum
    from scapy.layers.l2 import Ether
    from scapy.utils import checksum as scapy_sum

    packet: Any = Ether(data)
    if data[12:14] != b"\x08\0" or IP not in packet or UDP not in packet:
        return None
    header, udp = packet[IP], packet[UDP]
    start = 14 + header.ihl * 4
    datagram = data[start : 14 + header.len][: udp.len]
    whole = header.version == 4 and header.ihl >= 5 and not header.frag and not header.flags.MF
    if (
        not whole
        or scapy_sum(data[14:start])
        or not 8 < udp.len == len(datagram)
        or 14 + header.len > len(data)
    ):
        return None
    header.len = header.ihl * 4 + udp.len  # in4_chksum takes the datagram's length from there
    if (udp.sport, udp.dport) != (67, 68) or udp.chksum and in4_chksum(socket.IPPROTO_UDP, header, datagram):
        return None
    ours = XID.to_bytes(4, "big")
    return datagram[8:] if datagram[12:16] == ours else None


def mend_header(data: bytearray) -> None:
    """Make the header's checksum right again, so that what stands in it is looked at."""
    size = (data[14] & 15) * 4
    data[24:26] = bytes(2)
    data[24:26] = checksum(bytes(data[14 : 14 + size])).to_bytes(2, "big")


@pytest.mark.slow
def test_mutations_with_scapy_as_the_judge() -> None:
    pytest.importorskip("scapy.layers.inet")
    dice, whole, taken_at_all = random.Random(791), list(GOOD.values()), 0
    for _ in range(6000):
        data = bytearray(dice.choice(whole)[: dice.choice((None, 60, 300))])
        for _ in range(dice.choice((0, 1, 1, 2))):
            data[dice.randrange(12, 46)] = dice.choice((0, 1, 4, 17, 0x45, 0x46, 67, 68, dice.randrange(256)))
        if dice.random() < 0.6:
            mend_header(data)
        expected = by_scapy(bytes(data))
        assert taken(bytes(data)) == expected, data.hex()
        taken_at_all += expected is not None
    assert taken_at_all > 500


@given(st.binary(max_size=1500))
@settings(max_examples=300)
def test_checksum_with_scapy_as_the_judge(data: bytes) -> None:
    from scapy.utils import checksum as scapy_sum

    assert ethernet.checksum(data) == scapy_sum(data)


@pytest.mark.parametrize("data", [b"", b"\0", bytes(40), b"\xff\xff", b"\xff" * 64, b"\xff\xfe\0\1"])
def test_checksum_at_its_ends(data: bytes) -> None:
    from scapy.utils import checksum as scapy_sum

    assert ethernet.checksum(data) == scapy_sum(data)


def test_no_sum_of_zero_goes_out() -> None:
    """0 would say that there is no checksum: what comes to that is sent as 65535 (RFC 768)."""
    sums = {
        built(secs=secs, options=((53, bytes((low,))),))[40:42] for secs in range(256) for low in range(256)
    }
    assert b"\0\0" not in sums and b"\xff\xff" in sums
