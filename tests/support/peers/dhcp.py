"""Hostile DHCP servers: messages and frames made by hand, and a program that sends them.

``dhcp_peers.py LINK SCRIPT`` answers every DHCP message of a client on LINK by the frames of SCRIPT (a key of
SCRIPTS). In a test, :func:`attack` starts it behind a port of the site's bridge.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Callable, Optional

if TYPE_CHECKING:
    from tests.support.ground import Site
    from tests.support.ground.net import Server

MAGIC = bytes((99, 130, 83, 99))
OFFER, ACK, NAK = 2, 5, 6
OWN_MAC = bytes.fromhex("02000000beef")
SERVER, ADDRESS = "10.77.0.66", "10.77.0.150"
ESCAPES = b"\x1b[2J\x1b]0;owned\x07\nforged: line"


def option(code: int, value: bytes) -> bytes:
    """One option, with its length; a long one in pieces (RFC 3396)."""
    pieces = [value[at : at + 255] for at in range(0, len(value), 255)] or [b""]
    return b"".join(bytes((code, len(piece))) + piece for piece in pieces)


def ip(text: str) -> bytes:
    return socket.inet_aton(text)


def message(
    options: bytes = b"",
    *,
    xid: int = 0x12345678,
    mac: bytes = bytes.fromhex("525400abcdef"),
    yiaddr: str = ADDRESS,
    siaddr: str = SERVER,
    sname: bytes = b"",
    file: bytes = b"",
    op: int = 2,
    htype: int = 1,
    hlen: int = 6,
    magic: bytes = MAGIC,
) -> bytes:
    """A BOOTP message with these raw options: nothing is added, no end mark either."""
    head = struct.pack(">BBBBLHH", op, htype, hlen, 0, xid, 0, 0)
    head += bytes(4) + ip(yiaddr) + ip(siaddr) + bytes(4) + mac.ljust(16, b"\0")
    return head + sname.ljust(64, b"\0") + file.ljust(128, b"\0") + magic + options


def standard(kind: int = OFFER, server: str = SERVER, **changed: Optional[bytes]) -> bytes:
    """The options of a good message, with the end mark.

    ``o67=b".."`` sets one, ``o51=None`` leaves one out.
    """
    values: dict[int, Optional[bytes]] = {
        53: bytes((kind,)),
        54: ip(server),
        51: bytes((0, 0, 14, 16)),
        1: ip("255.255.255.0"),
        3: ip(server),
    }
    values.update({int(name[1:]): value for name, value in changed.items()})
    return b"".join(option(code, value) for code, value in values.items() if value is not None) + b"\xff"


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def frame(
    payload: bytes,
    *,
    source: str = SERVER,
    sport: int = 67,
    dport: int = 68,
    tag: Optional[int] = None,
    fragment: int = 0,
    udp_length: Optional[int] = None,
    ip_length: Optional[int] = None,
    udp_sum: Optional[int] = None,
    ip_sum: Optional[int] = None,
    ip_options: bytes = b"",
    protocol: int = 17,
    to: bytes = b"\xff" * 6,
) -> bytes:
    """The Ethernet frame of a reply; what is not given is right."""
    length = 8 + len(payload)
    addresses = ip(source) + ip("255.255.255.255")
    head = struct.pack(">HHH", sport, dport, length if udp_length is None else udp_length)
    pseudo = addresses + struct.pack(">BBH", 0, 17, length)
    if udp_sum is None:
        udp_sum = checksum(pseudo + head + b"\0\0" + payload) or 0xFFFF
    udp = head + struct.pack(">H", udp_sum) + payload
    words = 5 + len(ip_options) // 4
    total = words * 4 + len(udp) if ip_length is None else ip_length
    ipv4 = struct.pack(">BBHHHBB", 0x40 | words, 0, total, 7, fragment, 64, protocol)
    if ip_sum is None:
        ip_sum = checksum(ipv4 + b"\0\0" + addresses + ip_options)
    packet = ipv4 + struct.pack(">H", ip_sum) + addresses + ip_options + udp
    vlan = b"" if tag is None else struct.pack(">HH", 0x8100, tag)
    return to + OWN_MAC + vlan + b"\x08\x00" + packet


class Asked:
    """A client's message, and answers to it."""

    def __init__(self, bootp: bytes) -> None:
        self.xid, self.mac = int.from_bytes(bootp[4:8], "big"), bootp[28:34]
        at = bootp.index(b"\x35\x01", 240)
        self.kind = bootp[at + 2]
        self.answer = ACK if self.kind == 3 else OFFER

    def payload(self, options: bytes, **fields: object) -> bytes:
        """A message to the client."""
        return message(options, **{"xid": self.xid, "mac": self.mac, **fields})  # type: ignore[arg-type]

    def good(self, **changed: Optional[bytes]) -> bytes:
        """An offer or acknowledgement that leads nowhere good: its boot server is not there."""
        return self.payload(standard(self.answer, **{"o67": b"evil.0", **changed}))


def _row_1(asked: Asked) -> Iterator[bytes]:
    xid = struct.pack(">BBBBL", 2, 1, 6, 0, asked.xid)
    yield from (frame((xid + bytes(240))[:size]) for size in (1, 8, 12, 239, 240))
    yield frame(b"")
    yield frame(asked.payload(standard(asked.answer), magic=b"\0\0\0\0"))
    yield frame(asked.payload(standard(asked.answer), op=1))


def _row_2(asked: Asked) -> Iterator[bytes]:
    whole = standard(asked.answer, o67=b"evil.0")[:-1]
    for tail in (b"\x43\xfaab", b"\x43", b"\x0c\x01"):
        yield frame(asked.payload(whole + tail))


def _row_4(asked: Asked) -> Iterator[bytes]:
    vital: list[dict[str, bytes]] = [{"o53": b""}, {"o53": b"\2\2"}, {"o54": b"\x0a\x4d\0"}, {"o51": b"\0\1"}]
    yield from (frame(asked.good(**changed)) for changed in vital)


def _row_7(asked: Asked) -> Iterator[bytes]:
    for name in (ESCAPES, b"\xff\xfe\x80", b"\0", b""):
        yield frame(asked.payload(standard(asked.answer, o67=name), file=name))


def _row_9(asked: Asked) -> Iterator[bytes]:
    good = asked.good()
    yield frame(asked.payload(standard(asked.answer, o67=b"evil.0"), xid=asked.xid ^ 1))
    yield frame(asked.payload(standard(asked.answer, o67=b"evil.0"), mac=b"\x02\0\0\0\0\1"))
    yield frame(asked.good(o61=b"\1\2\0\0\0\0\1"))
    yield frame(good, sport=6767)
    yield frame(good, dport=69)
    yield frame(good, udp_sum=0x1234)
    yield frame(good, ip_sum=0x1234)
    yield frame(good, udp_length=4000)
    yield frame(good, udp_length=7)
    yield frame(good, ip_length=60)
    yield frame(good, fragment=0x2000)
    yield frame(good, fragment=0x0001)
    yield frame(good, tag=20)
    yield frame(good, protocol=6)


BAD_ADDRESSES = (
    "0.0.0.1",
    "255.255.255.255",
    "127.0.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "10.77.0.255",
    "10.77.0.0",
)


def _row_10(asked: Asked) -> Iterator[bytes]:
    options = standard(asked.answer, o67=b"evil.0")
    for yiaddr in (*BAD_ADDRESSES, SERVER):
        yield frame(asked.payload(options, yiaddr=yiaddr))
    for mask in ("0.0.0.0", "255.0.255.0"):
        yield frame(asked.good(o1=ip(mask)))
    yield frame(asked.good(o51=bytes(4)))


def _bad_acknowledgements(asked: Asked) -> Iterator[bytes]:
    """Offers that nobody can refuse, and leases that nobody can take."""
    if asked.answer == OFFER:
        yield frame(asked.good())
    else:
        yield frame(asked.payload(standard(ACK, o67=b"evil.0"), yiaddr="127.0.0.1"))


def _row_12(asked: Asked) -> Iterator[bytes]:
    end = time.monotonic() + 1.5
    number = 0
    while time.monotonic() < end:
        number += 1
        server = f"10.{100 + number // 65536 % 100}.{number // 256 % 256}.{number % 256}"
        yield frame(asked.payload(standard(OFFER, server), siaddr=server), source=server)
        yield frame(
            asked.payload(standard(NAK, server), xid=asked.xid ^ number, siaddr=server), source=server
        )


SCRIPTS: dict[str, Callable[[Asked], Iterable[bytes]]] = {
    "1": _row_1,
    "2": _row_2,
    "4": _row_4,
    "7": _row_7,
    "9": _row_9,
    "10": _row_10,
    "10-ack": _bad_acknowledgements,
    "12": _row_12,
}


@contextlib.contextmanager
def attack(site: Site, script: str) -> Iterator[Server]:
    """A hostile server behind a port of its own on the bridge."""
    from tests.support.ground import BRIDGE

    namespace = site.namespace(f"{len(site.servers)}evil")
    site.ip(f"link add evil type veth peer name eth0 netns {namespace}", f"link set evil master {BRIDGE} up")
    site.adopt("evil")
    site.ip("link set eth0 up", namespace=namespace)
    server = site.spawn(
        [sys.executable, "-m", "tests.support.peers.dhcp", "eth0", script], "evil.log", namespace=namespace
    )
    server.wait_for("ready")
    try:
        yield server
    finally:
        server.stop()
        site.ip("link del evil")


def main(link: str, script: str) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800)) as sock:
        sock.bind((link, 0x0800))
        print("ready", flush=True)
        while True:
            data = sock.recv(4096)
            if data[23:24] != b"\x11" or data[34:38] != b"\x00\x44\x00\x43":
                continue
            asked = Asked(data[42:])
            print(f"message type {asked.kind} comes", flush=True)
            count = 0
            for answer in SCRIPTS[script](asked):
                with contextlib.suppress(BlockingIOError, InterruptedError):
                    sock.send(answer)
                    count += 1
            print(f"{asked.kind} answered by {count} frames", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
