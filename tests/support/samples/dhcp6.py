"""DHCPv6 replies and router advertisements."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Any

from pypxeboot.dhcp import message6, neighbor
from tests.support.peers import dhcp6 as peers
from tests.support.peers.dhcp6 import (
    MAC,
    REPLY,
    ROUTER,
)

IAID = MAC[-4:]
OWN = IPv6Address("2001:db8:77:0:5054:ff:feab:cdef")


def reply(**changed: Any) -> message6.Message6:
    return message6.decode(peers.message(REPLY, 1, **changed))


def router(flags: int = 0, options: bytes = b"", **changed: Any) -> neighbor.Advertisement:
    return neighbor.decode(peers.advertisement(flags, options, **changed), ROUTER, 255)
