"""Option 43 of PXE servers, and which answers of theirs count; numbers are of the table of bad inputs."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional

import pytest

from pypxeboot.dhcp import boot_server
from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.boot_server import BROADCAST, Question
from pypxeboot.dhcp.message import PXE_PORT, SERVER_PORT
from pypxeboot.dhcp.pxe_options import boot_item, services
from pypxeboot.lease import PxeAnswer
from tests.support.peers.dhcp import ACK, NAK, OFFER, OWN_MAC, message, option, standard
from tests.support.samples.pxe_options import MAC, MENU, ONE, SERVERS, STRANGER, TWO, XID

PROXY = Question(((ONE, PXE_PORT),), None, frozenset({ONE}))
CLASS = {"o60": b"PXEClient"}


def answer(
    question: Question,
    kind: int = ACK,
    sender: tuple[IPv4Address, int] = (ONE, PXE_PORT),
    fields: Optional[dict[str, object]] = None,
    **options: bytes,
) -> Optional[PxeAnswer]:
    values = {"yiaddr": "0.0.0.0", "siaddr": "10.77.0.4", "file": b"pxelinux.0", **(fields or {})}
    payload = message(standard(kind, "10.77.0.4", **{**CLASS, **options}), **values)  # type: ignore[arg-type]
    return boot_server.answer(question, dhcp.decode(payload), sender, mac=MAC, xid=XID, client=b"PXEClient")


@pytest.mark.parametrize("kind", [OFFER, ACK])
def test_13_answer_of_the_one_that_was_asked(kind: int) -> None:
    found = answer(PROXY, kind)
    assert found is not None and (found.next_server, found.bootfile) == ("10.77.0.4", "pxelinux.0")


def test_13_answers_of_others_are_ignored() -> None:
    assert answer(PROXY, sender=(STRANGER, PXE_PORT)) is None
    assert answer(PROXY, sender=(ONE, SERVER_PORT)) is None
    assert answer(PROXY, NAK) is None
    assert answer(PROXY, o60=b"MSFT 5.0") is None
    assert answer(PROXY, fields={"xid": XID ^ 1}) is None
    assert answer(PROXY, fields={"mac": OWN_MAC}) is None
    assert answer(PROXY, fields={"op": 1}) is None
    assert answer(PROXY, fields={"file": b""}) is None, "nothing in it"
    assert answer(PROXY, fields={"file": b""}, o43=MENU) is not None


def test_answer_of_a_boot_server_has_the_item() -> None:
    question = Question(((BROADCAST, SERVER_PORT),), 0x8000)
    right = {"o43": boot_item(0x8000)}
    for sender in ((ONE, PXE_PORT), (STRANGER, SERVER_PORT)):
        assert answer(question, ACK, sender, **right) is not None
    assert answer(question, ACK) is None, "a DHCP server's, about the address"
    assert answer(question, ACK, o43=boot_item(0x8001)) is None
    assert answer(question, OFFER, **right) is None
    assert answer(question, ACK, (ONE, 69), **right) is None


def test_whom_sub_option_6_lets_be_asked() -> None:
    group = IPv4Address("224.0.1.2")
    listed, cast = (ONE, PXE_PORT), {(group, PXE_PORT), (BROADCAST, SERVER_PORT)}
    body = SERVERS + option(7, group.packed)
    for control, others in ((0, cast), (1, {(group, PXE_PORT)}), (2, {(BROADCAST, SERVER_PORT)}), (3, set())):
        asked = boot_server.of_boot_servers(services(option(6, bytes((control,))) + body), 0x8000)
        assert set(asked.targets) == {listed, *others}
        assert asked.trusted == (None if others else {ONE})
    asked = boot_server.of_boot_servers(services(option(6, b"\4") + body), 0x8000)
    assert asked.trusted == {ONE} and cast < set(asked.targets), "only servers of the list are believed"


def test_what_is_asked() -> None:
    options = {57: b"\5\xc0", 60: b"PXEClient:Arch:00000:UNDI:002001", 93: b"\0\0", 55: bytes(range(1, 40))}
    asked = dhcp.decode(boot_server.request(PROXY, ONE, MAC, XID, TWO, options, 1))
    assert (asked.type, asked.ciaddr, asked.server_id, asked.chaddr) == (3, TWO, ONE, MAC)
    assert {57, 60, 93, 55} < set(asked.options) and 43 not in asked.options
    item = Question(((ONE, PXE_PORT),), 0x8001)
    asked = dhcp.decode(boot_server.request(item, ONE, MAC, XID, TWO, options, 1))
    assert services(asked.options[43]).item == 0x8001 and asked.server_id is None
