"""A DHCP server that names boot servers as it is told: ``odd_dhcp LINK SERVER SIADDR [oN=HEX|sname=HEX]...``.

Every DISCOVER and REQUEST gets an answer with the address 10.77.0.150; option 67 is pxelinux.0 where no word
says another.
"""

from __future__ import annotations

import socket
import sys

from tests.support.ground.scripted_dhcp import message_type

ANSWERS = {1: 2, 3: 5}


def reply(message: bytes, server: str, siaddr: str, names: dict[str, bytes]) -> bytes:
    """The OFFER or ACK for ``message``."""
    head = b"\x02" + message[1:8] + bytes(2) + message[10:12] + bytes(4) + socket.inet_aton("10.77.0.150")
    head += socket.inet_aton(siaddr) + bytes(4) + message[28:44]
    head += names.get("sname", b"").ljust(64, b"\0") + bytes(128)
    options = {53: bytes((ANSWERS[message_type(message)],)), 54: socket.inet_aton(server)}
    options.update({51: (3600).to_bytes(4, "big"), 1: bytes((255, 255, 255, 0)), 67: b"pxelinux.0"})
    options.update({int(name[1:]): value for name, value in names.items() if name != "sname"})
    body = b"".join(bytes((code, len(value))) + value for code, value in options.items())
    return (head + bytes((99, 130, 83, 99)) + body + b"\xff").ljust(300, b"\0")


def main(link: str, server: str, siaddr: str, *words: str) -> None:
    """Answer for ever."""
    names = {name: bytes.fromhex(value) for name, _, value in (word.partition("=") for word in words)}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
        sock.bind(("", 67))
        print("ready", flush=True)
        while True:
            message = sock.recv(2048)
            if message_type(message) in ANSWERS:
                sock.sendto(reply(message, server, siaddr, names), ("255.255.255.255", 68))


if __name__ == "__main__":
    main(*sys.argv[1:])
