"""What a service tells systemd of itself: sd_notify(3), which is a datagram to a socket."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(**states: str) -> None:
    """Tell ``READY="1"``, ``STATUS="..."``; nobody hears it where no service manager waits for that."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    text = "\n".join(f"{name}={value}" for name, value in states.items())
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)  # a manager that does not listen must not stop the service
        sender.sendto(text.encode(errors="replace"), address)
