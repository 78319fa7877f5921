"""Servers of DHCPv6 and routers that do as they like: messages made by hand, and a program that sends them.

``dhcp6_peers.py LINK SCRIPT`` answers every DHCPv6 message on LINK by the messages of SCRIPT (a key of
SCRIPTS), and every router solicitation by an advertisement.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Callable, Optional

ADVERTISE, REPLY = 2, 7
MAC = bytes.fromhex("525400abcdef")
DUID = b"\0\3\0\1" + MAC
SERVER_DUID = b"\0\3\0\1\2\0\0\0\0\x66"
ADDRESS, PREFIX = "2001:db8:77::173", "2001:db8:77::"
ROUTER, SERVER = IPv6Address("fe80::1"), IPv6Address("fe80::66")
URL = b"tftp://[2001:db8:77::1]/pxelinux.0"
ESCAPES = b"\x1b[2J\x1b]0;owned\x07\nforged: line"
NO_ADDRESS = 2


def option(code: int, value: bytes, length: Optional[int] = None) -> bytes:
    """One option; ``length`` in place of its true one."""
    return struct.pack(">HH", code, len(value) if length is None else length) + value


def address(text: str = ADDRESS, valid: int = 3600, inside: bytes = b"") -> bytes:
    """IAADDR."""
    return option(5, IPv6Address(text).packed + struct.pack(">II", valid, valid) + inside)


def association(inside: bytes, iaid: bytes = MAC[-4:]) -> bytes:
    """IA_NA."""
    return option(3, iaid + bytes(8) + inside)


def status(code: int, text: bytes = b"") -> bytes:
    """A status code."""
    return option(13, struct.pack(">H", code) + text)


def message(
    kind: int,
    xid: int,
    *,
    duid: Optional[bytes] = DUID,
    server: Optional[bytes] = SERVER_DUID,
    ia: Optional[bytes] = None,
    url: Optional[bytes] = URL,
    more: bytes = b"",
) -> bytes:
    """A message of a server, with an address unless ``ia`` says otherwise."""
    parts = [bytes((kind,)) + xid.to_bytes(3, "big")]
    parts += [option(1, duid)] if duid is not None else []
    parts += [option(2, server)] if server is not None else []
    parts += [association(address()) if ia is None else ia]
    parts += [option(59, url)] if url is not None else []
    return b"".join((*parts, more))


def prefix(
    network: str = PREFIX, length: int = 64, flags: int = 0xC0, valid: int = 3600, preferred: int = 600
) -> bytes:
    """A prefix information option; on the link and for one's own addresses."""
    packed = IPv6Address(network).packed
    return struct.pack(">BBBBIII", 3, 4, length, flags, valid, preferred, 0) + packed


def advertisement(flags: int = 0, options: bytes = b"", lifetime: int = 1800) -> bytes:
    """A router advertisement; flags 0x80 managed, 0x40 other."""
    return struct.pack(">BBHBBHII", 134, 0, 0, 64, flags, lifetime, 0, 0) + options


# As a program.

Answers = Callable[[int, bytes], Iterator[bytes]]


def _asked(kind: int) -> int:
    return ADVERTISE if kind == 1 else REPLY


def _wrong_xid(kind: int, query: bytes) -> Iterator[bytes]:
    yield message(_asked(kind), int.from_bytes(query[1:4], "big") ^ 1)


def _garbage(kind: int, query: bytes) -> Iterator[bytes]:
    xid = int.from_bytes(query[1:4], "big")
    good = message(_asked(kind), xid)
    yield from (good[:at] for at in range(0, len(good), 7))
    yield good + option(59, b"x", 65535)
    yield message(_asked(kind), xid, ia=association(address()[:-1]))
    yield message(_asked(kind), xid, duid=DUID + b"\0")
    yield message(_asked(kind), xid, server=b"")
    yield message(_asked(kind), xid, url=ESCAPES, ia=association(status(NO_ADDRESS, ESCAPES)))


def _denies(kind: int, query: bytes) -> Iterator[bytes]:
    xid = int.from_bytes(query[1:4], "big")
    yield message(_asked(kind), xid, ia=association(status(NO_ADDRESS, b"the pool is empty")))


def _escapes(kind: int, query: bytes) -> Iterator[bytes]:
    yield message(_asked(kind), int.from_bytes(query[1:4], "big"), url=ESCAPES)


SCRIPTS: dict[str, Answers] = {
    "wrong-xid": _wrong_xid,
    "garbage": _garbage,
    "denies": _denies,
    "escapes": _escapes,
}


def main(link: str, script: str) -> None:
    """Answer for ever."""
    index = socket.if_nametoindex(link)
    servers = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    servers.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    servers.bind(("::", 547))
    group = IPv6Address("ff02::1:2").packed + struct.pack("@I", index)
    servers.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    print("ready", flush=True)
    while True:
        query, sender = servers.recvfrom(65536)
        for answer in SCRIPTS[script](query[0], query):
            servers.sendto(answer, sender)


if __name__ == "__main__":
    main(*sys.argv[1:])
