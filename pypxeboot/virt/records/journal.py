"""An entry with fields in systemd's journal, for ``journalctl DOMAIN_UUID=... RESULT=...``.

Source: "Native Journal Protocol" of systemd's documentation.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress

SOCKET = "/run/systemd/journal/socket"
BOOTED = "6d2a7c1be9f94c4d9a3cd1a6a70e2f51"
"""MESSAGE_ID of a boot that succeeded."""
FAILED = "c0f0a3d3f7a84b0f8d6f4c8f5b9c6a27"
"""MESSAGE_ID of a boot that failed."""


def send(fields: Mapping[str, str]) -> None:
    """Send an entry, if there is a journal that takes it."""
    entry = b"".join(_field(name, value) for name, value in fields.items() if value)
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.setblocking(False)  # a journal that does not read must not stop a boot
        sender.sendto(entry, SOCKET)


def _field(name: str, text: str) -> bytes:
    value = text.encode(errors="replace")
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
