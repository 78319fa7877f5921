"""A host that answers every datagram of another with ICMP errors, far larger than any router sends.

python -m tests.support.peers.icmp INTERFACE GUEST SERVER
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

ETH_P_IP = 0x0800


def checksum(data: bytes) -> int:
    """The checksum of RFC 1071."""
    total = sum(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def error(kind: int, code: int, packet: bytes, size: int) -> bytes:
    """An ICMP error about ``packet``, filled up to ``size`` bytes."""
    body = bytes([kind, code, 0, 0, 0, 0, 5, 0xDC]) + packet
    body = body.ljust(size, b"\xff")[: size & ~1]
    return body[:2] + checksum(body).to_bytes(2, "big") + body[4:]


def main(argv: Sequence[str]) -> None:
    """Answer until the end."""
    interface, guest, server = argv
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP)) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as said,
    ):
        heard.bind((interface, ETH_P_IP))
        print("listening", flush=True)
        while True:
            packet = heard.recv(65536)
            if packet[9] != socket.IPPROTO_UDP or packet[12:16] != socket.inet_aton(guest):
                continue
            for kind, code in ((3, 0), (3, 1), (3, 4), (11, 0), (12, 0), (4, 0)):
                for size in (548, 1472):
                    said.sendto(error(kind, code, packet[:1400], size), (guest, 0))


if __name__ == "__main__":
    main(sys.argv[1:])
