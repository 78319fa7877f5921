"""A PXE server made by hand, for what dnsmasq does not do: discovery by multicast and broadcast, hostility.

``pxe_peers.py LINK SCRIPT`` is a proxyDHCP server on the address of LINK, and a boot server. In a test,
:func:`start` starts it on a machine of its own.
"""

from __future__ import annotations

import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tests.support.peers.dhcp import ACK, NAK, OFFER, Asked, ip, option, standard

if TYPE_CHECKING:
    from tests.support.ground import Site
    from tests.support.ground.net import Server

ADDRESS, OTHER_ADDRESS, GROUP = "10.77.0.6", "10.77.0.7", "224.0.1.250"
KIND = b"\x80\0"
ITEM = option(71, KIND + b"\0\0")
MENU = option(9, KIND + b"\5Linux") + option(10, b"\0go")
CLASS = option(60, b"PXEClient")

OFFERS = {
    "multicast": option(6, b"\1") + option(7, ip(GROUP)) + MENU,
    "broadcast": option(6, b"\2") + MENU,
    "listed": option(6, b"\4") + option(8, KIND + b"\1" + ip(ADDRESS)) + MENU,
    "13-strangers": b"",
    "14-length-past-the-end": b"\x06\xff\1" + MENU,
    "14-zero-lengths": b"\x09\0" * 400,
    "14-huge-menu": option(9, (KIND + b"\xff" + b"x" * 255) * 4) + option(10, b"\0"),
}
"""What stands in option 43 of the offers."""
WITH_A_FILE = ("14-length-past-the-end", "14-zero-lengths")


def answers(script: str, asked: Asked) -> Iterator[tuple[bytes, bool]]:
    """What is sent to one who asks at port 4011 (or, by broadcast, 67); True is from the other address."""

    def payload(kind: int, item: bytes = ITEM, file: bytes = b"evil.0", **changed: object) -> bytes:
        options = standard(kind, ADDRESS, o60=b"PXEClient", o43=item + b"\xff")
        fields = {"yiaddr": "0.0.0.0", "siaddr": ADDRESS, "file": file, **changed}
        return asked.payload(options, **fields)

    good = payload(ACK, file=b"pxelinux.0")
    if script == "13-strangers":
        yield good.replace(b"pxelinux.0", b"evil.0\0\0\0\0"), True
        yield payload(ACK, xid=asked.xid ^ 1), False
        yield payload(ACK, mac=bytes(6)), False
        yield payload(NAK), False
        yield payload(ACK, op=1), False
        yield payload(ACK, magic=b"\0\0\0\0"), False
        yield b"\xff" * 20, False
        yield b"", False
    elif script in ("listed", "broadcast"):
        yield payload(ACK, item=b""), False  # a DHCP server's, about the address
        yield payload(ACK, item=option(71, b"\x80\1\0\0")), False
        yield payload(OFFER), False
    if script == "listed":
        yield good.replace(b"pxelinux.0", b"evil.0\0\0\0\0"), True
    yield good, False


def udp(port: int, link: str, address: str = "") -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for name in (socket.SO_REUSEADDR, socket.SO_BROADCAST):
        sock.setsockopt(socket.SOL_SOCKET, name, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    sock.bind((address, port))
    return sock


def main(link: str, script: str) -> None:
    """Answer for ever."""
    dhcp, pxe, other = udp(67, link), udp(4011, link), udp(4011, link, OTHER_ADDRESS)
    pxe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, ip(GROUP) + ip(ADDRESS))
    print("ready", flush=True)
    while True:
        for sock in select.select([dhcp, pxe], [], [])[0]:
            data, peer = sock.recvfrom(4096)
            asked = Asked(data)
            way = {67: "broadcast"}.get(sock.getsockname()[1], "4011")
            print(f"message type {asked.kind} comes by {way}", flush=True)
            if asked.kind == 1:
                file = b"pxelinux.0" if script in WITH_A_FILE else b""
                options = standard(OFFER, ADDRESS, o60=b"PXEClient", o43=OFFERS[script] + b"\xff")
                offer = asked.payload(options, yiaddr="0.0.0.0", siaddr=ADDRESS, file=file)
                dhcp.sendto(offer, ("255.255.255.255", 68))
            elif ITEM in data or not OFFERS[script]:
                for answer, strange in answers(script, asked):
                    (other if strange else sock).sendto(answer, peer)
                    time.sleep(0.02)


def start(site: Site, script: str, link: str, namespace: str) -> Server:
    """It, on a machine that is there already and has ADDRESS."""
    site.ip(f"addr add {OTHER_ADDRESS}/24 dev {link}", namespace=namespace)
    argv = [sys.executable, "-m", "tests.support.peers.pxe", link, script]
    return site.spawn(argv, "pxe.log", namespace=namespace).wait_for("ready")


if __name__ == "__main__":
    main(*sys.argv[1:])
