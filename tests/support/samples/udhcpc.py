"""What udhcpc says of its lease."""

from __future__ import annotations

from pypxeboot.dhcp import udhcpc
from pypxeboot.dhcp.message import Message

CHADDR = bytes.fromhex("525400abcdef")


def said(**values: str) -> bytes:
    """What the script writes for these values."""
    return b"".join(f"{name}={value}\0".encode("utf-8", "surrogateescape") for name, value in values.items())


def message(**values: str) -> Message:
    return udhcpc.message(said(**{"ip": "10.77.0.173", **values}), CHADDR)
