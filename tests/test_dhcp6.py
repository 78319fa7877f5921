"""What DHCPv6 servers and routers say: the decoders, and the lease that is made of it."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv6Address, IPv6Network
from typing import Any, Optional

import dhcp6_peers as peers
import effort
import pytest
from dhcp6_peers import ADDRESS, ADVERTISE, DUID, ESCAPES, MAC, NO_ADDRESS, REPLY, ROUTER, SERVER, URL
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import identity, identity6, message6, neighbor
from pypxeboot.dhcp.lease6 import lease_of
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Denied, Option
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease

UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
IAID = MAC[-4:]
OWN = IPv6Address("2001:db8:77:0:5054:ff:feab:cdef")


def reply(**changed: Any) -> message6.Message:
    return message6.decode(peers.message(REPLY, 1, **changed))


def router(flags: int = 0, options: bytes = b"", **changed: Any) -> neighbor.Advertisement:
    return neighbor.decode(peers.advertisement(flags, options, **changed), ROUTER, 255)


def lease(message: Optional[message6.Message], *routers: neighbor.Advertisement) -> Lease:
    return lease_of(message, SERVER, IAID, MAC, routers)[0]


# Messages.


def test_what_is_encoded_is_decoded() -> None:
    options = ((Option.CLIENT_ID, DUID), (Option.IA_NA, message6.association(IAID, IPv6Address(ADDRESS))))
    message = message6.decode(message6.encode(message6.Type.REQUEST, 0xABCDEF, options))
    assert (message.type, message.xid) == (3, 0xABCDEF)
    assert {code: values[0] for code, values in message.options.items()} == dict(options)


def test_an_option_that_runs_past_the_message_makes_it_void() -> None:
    whole = peers.message(ADVERTISE, 1)
    for cut in (whole[:-1], whole[:3], whole + b"\0", whole + peers.option(23, b"", 1)):
        with pytest.raises(BadMessage):
            message6.decode(cut)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_none(data: bytes) -> None:
    for payload in (
        data,
        peers.message(REPLY, 1, more=data),
        peers.message(REPLY, 1, ia=peers.option(3, data)),
    ):
        try:
            lease_of(message6.decode(payload), SERVER, IAID, MAC, ())
        except (BadMessage, Denied):
            pass


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_options_within_an_association(data: bytes, inside: bytes) -> None:
    for ia in (peers.association(data), peers.association(peers.address(inside=inside))):
        try:
            message6.address_of(reply(ia=ia), IAID)
        except (BadMessage, Denied) as why:
            assert str(why).isprintable()


def test_work_grows_with_the_length_alone() -> None:
    """The longest datagram there is, full of empty options, of associations, and of them in each other."""
    for filling in (
        peers.option(99, b""),
        peers.association(b"", b"none"),
        peers.association(peers.address()),
    ):
        message = peers.message(REPLY, 1, more=filling * (65000 // len(filling)))
        assert effort.lines(lambda data=message: lease(message6.decode(data))) < 400_000  # type: ignore[misc]


def test_the_address_is_that_of_the_own_association() -> None:
    other = peers.association(peers.address("2001:db8:77::bad"), b"\0\0\0\1")
    message = reply(ia=other + peers.association(peers.address(valid=0xFFFFFFFF)))
    assert message6.address_of(message, IAID) == (IPv6Address(ADDRESS), None)


DENIED = {
    "status-of-all": (reply(more=peers.status(NO_ADDRESS, b"none left")), "no address (none left)"),
    "status-of-association": (reply(ia=peers.association(peers.status(4))), "not on link"),
    "status-of-address": (reply(ia=peers.association(peers.address(inside=peers.status(1)))), "unspecified"),
    "unknown-status": (reply(more=peers.status(77)), "status 77"),
    "terminal": (
        reply(more=peers.status(1, ESCAPES)),
        r"unspecified (\x1b[2J\x1b]0;owned\x07\x0aforged: line)",
    ),
    "lifetime-0": (reply(ia=peers.association(peers.address(valid=0))), "no address in it"),
    "multicast": (reply(ia=peers.association(peers.address("ff02::1"))), "no address in it"),
    "loopback": (reply(ia=peers.association(peers.address("::1"))), "no address in it"),
    "of-the-link": (reply(ia=peers.association(peers.address("fe80::5"))), "no address in it"),
    "nothing": (reply(ia=b""), "no address in it"),
    "of-another": (reply(ia=peers.association(peers.address(), b"none")), "no address in it"),
}


@pytest.mark.parametrize("case", DENIED)
def test_no_address(case: str) -> None:
    message, words = DENIED[case]
    with pytest.raises(Denied) as caught:
        message6.address_of(message, IAID)
    assert str(caught.value) == words


def test_a_good_status_is_as_good_as_none() -> None:
    ia = peers.association(peers.address(inside=peers.status(0)) + peers.status(0))
    assert message6.address_of(reply(ia=ia, more=peers.status(0, b"fine")), IAID)[0] == IPv6Address(ADDRESS)


@pytest.mark.parametrize("duid", [None, b"", b"\0\3", bytes(131)])
def test_a_server_without_a_name_is_none(duid: Optional[bytes]) -> None:
    with pytest.raises(BadMessage):
        message6.server_duid(reply(server=duid))


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


# What the client says of itself.


def test_the_client_is_known_by_its_uuid_or_its_mac() -> None:
    assert identity6.client_duid(MAC, UUID) == bytes.fromhex("0004" + UUID.replace("-", ""))
    for uuid in (None, "00000000-0000-0000-0000-000000000000"):
        assert identity6.client_duid(MAC, uuid) == bytes.fromhex("00030001525400abcdef")


def test_the_words_of_firmware() -> None:
    """No BIOS has PXE over IPv6: x86-64 is 7 there."""
    said = identity6.identity(identity.identity(Guest("52:54:00:ab:cd:ef"), 0), "x86_64")
    name = b"PXEClient:Arch:00007:UNDI:003010"
    assert said == {16: b"\0\0\1\x57\0\x20" + name, 61: b"\0\7", 62: b"\1\3\x0a"}
    http = identity6.identity({**identity.identity(Guest("52:54:00:ab:cd:ef"), 16), 77: b"iPXE"}, "x86_64")
    assert http[61] == b"\0\x10" and http[15] == b"\0\4iPXE"
    assert http[16][6:] == b"HTTPClient:Arch:00016:UNDI:003001"


def test_a_class_of_the_administrators_stays() -> None:
    options = {**identity.identity(Guest("52:54:00:ab:cd:ef"), 0), 60: b"mine"}
    assert identity6.identity(options, "x86_64")[16] == b"\0\0\1\x57\0\4mine"
