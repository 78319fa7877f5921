"""What DHCPv6 servers and routers say: the decoders, and the lease that is made of it."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv6Address, IPv6Network
from typing import Optional

import pytest

from pypxeboot.dhcp import message6, neighbor
from pypxeboot.dhcp.lease6 import lease_of
from pypxeboot.dhcp.message6 import Denied
from pypxeboot.lease import Lease
from tests.support import effort
from tests.support.peers import dhcp6 as peers
from tests.support.peers.dhcp6 import (
    ADDRESS,
    ESCAPES,
    MAC,
    REPLY,
    ROUTER,
    SERVER,
    URL,
)
from tests.support.samples.dhcp6 import IAID, OWN, reply, router


def lease(message: Optional[message6.Message6], *routers: neighbor.Advertisement) -> Lease:
    return lease_of(message, SERVER, IAID, MAC, routers)[0]


def test_work_grows_with_the_length_alone() -> None:
    """The longest datagram there is, full of empty options, of associations, and of them in each other."""
    for filling in (
        peers.option(99, b""),
        peers.association(b"", b"none"),
        peers.association(peers.address()),
    ):
        message = peers.message(REPLY, 1, more=filling * (65000 // len(filling)))
        assert effort.lines(lambda data=message: lease(message6.decode(data))) < 400_000  # type: ignore[misc]


USELESS = {
    "of-the-link": peers.prefix("fe80::"),
    "multicast": peers.prefix("ff02::"),
    "everything": peers.prefix("::", 0),
    "not-autonomous": peers.prefix(flags=0x80),
    "over": peers.prefix(valid=0, preferred=0),
    "not-64": peers.prefix(length=80),
    "too-long": peers.prefix(length=129),
    "preferred-longer-than-valid": peers.prefix(valid=1, preferred=2),
}


@pytest.mark.parametrize("case", USELESS)
def test_a_prefix_of_which_no_address_is_made(case: str) -> None:
    assert router(0, USELESS[case]).own_address(MAC) is None
    with pytest.raises(Denied):
        lease(None, router(0, USELESS[case]))


def test_a_route_to_everything_on_the_link_is_not_taken() -> None:
    assert lease(reply(), router(0, peers.prefix("::", 0))).routes == router_alone()


def router_alone() -> tuple[tuple[IPv6Network, IPv6Address], ...]:
    return ((IPv6Network("::/0"), ROUTER),)


# Leases.


def test_a_lease_of_a_server_and_a_router() -> None:
    message = reply(more=peers.option(23, IPv6Address("2001:db8:77::53").packed))
    found = lease(message, router(0x80, peers.prefix(flags=0x80)))
    assert (str(found.address), found.prefix_length, found.netmask) == (ADDRESS, 64, "")
    assert found.routes == router_alone()
    assert (found.bootfile, found.next_server) == (URL.decode(), "2001:db8:77::1")
    assert (found.server_id, found.seconds) == (SERVER, 3600)
    assert found.dns == (IPv6Address("2001:db8:77::53"),)


def test_what_is_on_the_link_is_what_the_router_says() -> None:
    """RFC 5942: an address of DHCP says nothing about its neighbours."""
    assert lease(reply(), router(0x80)).prefix_length == 128
    assert lease(reply(), router(0x80, peers.prefix(flags=0x40))).prefix_length == 128
    assert lease(reply()).prefix_length == 64, "without a router, there is nothing else to go by"
    other = lease(reply(), router(0x80, peers.prefix("2001:db8:99::")))
    assert (IPv6Network("2001:db8:99::/64"), None) in other.routes


def test_an_address_of_ones_own() -> None:
    found = lease(reply(ia=b""), router(0x40, peers.prefix()))
    assert (found.address, found.prefix_length, found.bootfile) == (OWN, 64, URL.decode())
    assert lease(None, router(0, peers.prefix(valid=0xFFFFFFFF))).seconds is None


def test_of_several_routers_the_default_ones_count() -> None:
    far = b"\x18\2\x30\0" + (600).to_bytes(4, "big") + IPv6Address("2001:db8:99::").packed[:8]
    second = dataclasses.replace(router(0, far, lifetime=0), router=IPv6Address("fe80::2"))
    found = lease(reply(), router(0x80, peers.prefix()), second)
    assert found.routers == (ROUTER,)
    assert found.routes[1:] == ((IPv6Network("2001:db8:99::/48"), IPv6Address("fe80::2")),)


@pytest.mark.parametrize("url", [URL + b"\0", b" " + URL + b"\0\0junk"])
def test_what_servers_put_around_a_url(url: bytes) -> None:
    assert lease(reply(url=url)).bootfile == URL.decode()


def test_a_url_that_is_none() -> None:
    found, remarks = lease_of(reply(url=ESCAPES), SERVER, IAID, MAC, ())
    assert found.bootfile == "" and len(remarks) == 1 and remarks[0].isprintable()
    assert lease(reply(url=b"tftp://[::g]/x")).next_server is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\0\3a=1\0\5b=two", ("a=1", "b=two")),
        (b"\0\3a=1\0\6b=two", ()),
        (b"\0\4a\x1b=1", ()),
        (b"", ()),
    ],
)
def test_parameters_of_the_boot_file(value: bytes, words: tuple[str, ...]) -> None:
    assert lease(reply(more=peers.option(60, value))).parameters == words
