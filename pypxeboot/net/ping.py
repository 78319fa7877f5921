"""ICMP echo, without privileges: the sockets of icmp(7), in which the kernel does what needs them.

With IPv6 they are the same but for two numbers.
"""

from __future__ import annotations

import socket
import struct
import time

# Protocol, echo and echo reply.
_KINDS = {socket.AF_INET: (socket.IPPROTO_ICMP, 8, 0), socket.AF_INET6: (socket.IPPROTO_ICMPV6, 128, 129)}
_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence; the kernel fills in two
_MAX_SIZE = 65507 - _HEADER.size


def ping(host: str, count: int, size: int, seconds: float, deadline: float) -> int:
    """How many of ``count`` echo requests to ``host`` are answered, each within ``seconds``; one at a time.

    ``deadline`` (of ``time.monotonic()``) ends it early. Raises OSError where there can be no answer: an
    unknown host, no route, no permission.
    """
    family, _kind, _protocol, _name, address = socket.getaddrinfo(host, 0)[0]
    protocol, echo, echo_reply = _KINDS[family]
    answered = 0
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as sock:
        sock.connect(address)
        for number in range(1, count + 1):
            start = time.monotonic()
            end = min(start + seconds, deadline)
            if start >= deadline:
                break
            sock.send(_HEADER.pack(echo, 0, 0, 0, number & 0xFFFF) + bytes(min(max(size, 0), _MAX_SIZE)))
            if _reply(sock, echo_reply, number & 0xFFFF, end):
                answered += 1
                if number < count:
                    time.sleep(max(end - time.monotonic(), 0))
    return answered


def _reply(sock: socket.socket, echo_reply: int, number: int, end: float) -> bool:
    """Whether the answer to request ``number`` comes until ``end``."""
    while True:
        left = end - time.monotonic()
        if left <= 0:
            return False
        sock.settimeout(left)
        try:
            reply = sock.recv(_HEADER.size)
        except socket.timeout:
            return False
        if len(reply) == _HEADER.size:
            kind, _code, _checksum, _identifier, sequence = _HEADER.unpack(reply)
            if (kind, sequence) == (echo_reply, number):
                return True
