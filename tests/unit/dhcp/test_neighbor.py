"""What DHCPv6 servers and routers say: the decoders, and the lease that is made of it."""

from __future__ import annotations

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import neighbor
from pypxeboot.dhcp.lease6 import lease_of
from pypxeboot.dhcp.message import BadMessage
from tests.support.peers import dhcp6 as peers
from tests.support.peers.dhcp6 import (
    MAC,
    ROUTER,
    SERVER,
)
from tests.support.samples.dhcp6 import IAID, OWN, reply, router

# Routers.


def test_an_advertisement() -> None:
    servers = b"\x19\3\0\0" + (60).to_bytes(4, "big") + IPv6Address("2001:db8:77::53").packed
    names = b"\x1f\3\0\0" + (60).to_bytes(4, "big") + b"\4site\7example\0\0\0"
    mtu = b"\5\1\0\0" + (1400).to_bytes(4, "big")
    found = router(0xC8, peers.prefix() + servers + names + mtu)
    assert (found.managed, found.other, found.is_default, found.preference) == (True, True, True, 1)
    assert found.own_address(MAC) == (OWN, found.prefixes[0])
    assert found.dns == (IPv6Address("2001:db8:77::53"),)
    assert (found.search, found.mtu) == (("site.example",), 1400)


FORGED = {
    "through-a-router": (peers.advertisement(), ROUTER, 254),
    "not-of-the-link": (peers.advertisement(), IPv6Address("2001:db8::1"), 255),
    "solicitation": (b"\x85" + peers.advertisement()[1:], ROUTER, 255),
    "code": (b"\x86\1" + peers.advertisement()[2:], ROUTER, 255),
    "short": (peers.advertisement()[:-1], ROUTER, 255),
    "empty": (b"", ROUTER, 255),
    "option-of-no-length": (peers.advertisement(0, bytes(8)), ROUTER, 255),
    "option-past-the-end": (peers.advertisement(0, peers.prefix()[:-8]), ROUTER, 255),
    "short-prefix": (peers.advertisement(0, b"\3\1" + bytes(6)), ROUTER, 255),
}


@pytest.mark.parametrize("case", FORGED)
def test_no_advertisement(case: str) -> None:
    with pytest.raises(BadMessage):
        neighbor.decode(*FORGED[case])


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_bytes_are_an_advertisement_or_none(data: bytes, flags: int) -> None:
    for packet in (data, peers.advertisement(flags, data.ljust(-(-len(data) // 8) * 8, b"\1"))):
        try:
            found = neighbor.decode(packet, ROUTER, 255)
        except BadMessage:
            continue
        lease_of(reply(), SERVER, IAID, MAC, (found,))
