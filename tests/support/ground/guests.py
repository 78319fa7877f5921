"""A guest that is already running: a port of the bridge behind which frames with its MAC come from."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.support.ground.net import BRIDGE, MAC, Site, wait_until

# An ARP announcement each 100 ms: what a guest sends for the bridge to learn it, and no more.
_TALK = """
import socket, sys, time
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
own = mac + bytes([10, 77, 0, 99])
frame = b"\\xff" * 6 + mac + b"\\x08\\x06" + bytes([0, 1, 8, 0, 6, 4, 0, 1]) + own + bytes(6) + own[6:]
while True:
    s.send(frame.ljust(60, b"\\0"))
    time.sleep(0.1)
"""


@contextlib.contextmanager
def running_guest(site: Site, mac: str = MAC, port: str = "vif9", bridge: str = BRIDGE) -> Iterator[str]:
    """A guest with ``mac`` that runs on the bridge's port of that name, until the exit.

    Without a ``bridge``, somebody else connects the port.
    """
    namespace = site.namespace(port)
    site.ip(
        f"link add {port} address fe:ff:ff:ff:ff:ff type veth peer name eth0 address {mac} netns {namespace}",
        f"link set {port} {f'master {bridge}' if bridge else ''} up",
    )
    site.adopt(port)
    site.ip("link set eth0 up", namespace=namespace)
    talker = site.spawn([sys.executable, "-c", _TALK, mac], "guest.log", namespace=namespace)
    if bridge:
        wait_until(lambda: port in site.learned(mac), 30, f"{mac} learned on {port}")
    try:
        yield port
    finally:
        talker.stop()
        site.ip(f"link del {port}")
