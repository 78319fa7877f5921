"""A DHCP server that follows a script: ``scripted_dhcp.py LINK SERVER ADDRESS BOOTFILE REPLY...``.

The n-th REPLY (offer, ack, nak, silence) answers the n-th message; the last one answers all that follow. Each
message and its answer are printed. Replies are broadcast, so that any client can take them.
"""

from __future__ import annotations

import socket
import sys

KINDS = {"offer": 2, "ack": 5, "nak": 6}
NAMES = {1: "DISCOVER", 3: "REQUEST", 4: "DECLINE", 7: "RELEASE", 8: "INFORM"}


def message_type(message: bytes) -> int:
    """The value of option 53."""
    at = 240
    while at + 2 < len(message) and message[at] != 255:
        if message[at] == 53:
            return message[at + 2]
        at += 1 if message[at] == 0 else 2 + message[at + 1]
    return 0


def reply(message: bytes, kind: str, server: str, address: str, bootfile: str) -> bytes:
    """The answer of ``kind`` to ``message``."""
    server_id = socket.inet_aton(server)
    nak = kind == "nak"
    yiaddr, siaddr = (bytes(4), bytes(4)) if nak else (socket.inet_aton(address), server_id)
    head = (
        b"\x02"
        + message[1:4]
        + message[4:8]
        + bytes(2)
        + message[10:12]
        + bytes(4)
        + yiaddr
        + siaddr
        + bytes(4)
    )
    names = bytes(64) + (b"" if nak else bootfile.encode()).ljust(128, b"\0")
    options = bytes([99, 130, 83, 99, 53, 1, KINDS[kind], 54, 4]) + server_id
    if not nak:
        options += bytes([51, 4, 0, 0, 2, 88, 1, 4, 255, 255, 255, 0, 3, 4]) + server_id
    return (head + message[28:44] + names + options + b"\xff").ljust(300, b"\0")


def main(link: str, server: str, address: str, bootfile: str, *replies: str) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sock.bind(("", 67))
        print("ready", flush=True)
        waiting = list(replies)
        while True:
            message = sock.recv(2048)
            kind = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            print(NAMES.get(message_type(message), "?"), "->", kind, flush=True)
            if kind in KINDS:
                sock.sendto(reply(message, kind, server, address, bootfile), ("255.255.255.255", 68))


if __name__ == "__main__":
    main(*sys.argv[1:])
