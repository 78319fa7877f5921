"""What DHCPv6 servers and routers say: the decoders, and the lease that is made of it."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import message6
from pypxeboot.dhcp.lease6 import lease_of
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Denied, Option
from tests.support.peers import dhcp6 as peers
from tests.support.peers.dhcp6 import (
    ADDRESS,
    ADVERTISE,
    DUID,
    ESCAPES,
    MAC,
    NO_ADDRESS,
    REPLY,
    SERVER,
)
from tests.support.samples.dhcp6 import IAID, reply

# Messages.


def test_what_is_encoded_is_decoded() -> None:
    options = ((Option.CLIENT_ID, DUID), (Option.IA_NA, message6.association(IAID, IPv6Address(ADDRESS))))
    message = message6.decode(message6.encode(message6.MessageType6.REQUEST, 0xABCDEF, options))
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
