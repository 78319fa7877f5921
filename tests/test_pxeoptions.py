"""Option 43 of PXE servers, and which answers of theirs count; numbers are of the table of bad inputs."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional

import pytest
from dhcp_peers import ACK, NAK, OFFER, OWN_MAC, message, option, standard
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import boot_server, pxe_options
from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.boot_server import BROADCAST, Question
from pypxeboot.dhcp.message import PXE_PORT, SERVER_PORT
from pypxeboot.dhcp.pxe_options import Control, Item, Prompt, boot_item, services
from pypxeboot.lease import Lease, PxeAnswer

ONE, TWO, STRANGER = (IPv4Address(f"10.77.0.{number}") for number in (4, 5, 66))
MENU = option(9, b"\x80\0\5Linux" + b"\x80\1\5Other" + b"\0\0\4Disk")
SERVERS = option(8, b"\x80\0\1" + ONE.packed + b"\x80\1\2" + ONE.packed + TWO.packed + b"\0\7\0")
FULL = (
    option(6, b"\3") + option(7, bytes((224, 0, 1, 2))) + SERVERS + MENU + option(10, b"\5Press F8") + b"\xff"
)


def test_everything_at_once() -> None:
    found = services(FULL)
    assert found.control == Control.NO_BROADCAST | Control.NO_MULTICAST
    assert found.multicast == IPv4Address("224.0.1.2")
    assert found.servers == {0x8000: (ONE,), 0x8001: (ONE, TWO), 7: ()}
    assert found.menu == (Item(0x8000, "Linux"), Item(0x8001, "Other"), Item(0, "Disk"))
    assert found.prompt == Prompt(5, "Press F8") and found.item is None


def test_bit_3_with_a_boot_file_means_no_menu() -> None:
    found = services(option(6, b"\x08") + MENU)
    assert not found.counts("pxelinux.0") and found.counts("")
    assert services(MENU).counts("pxelinux.0") and not services(b"").counts("")


def test_item_in_an_answer() -> None:
    assert services(boot_item(0x8001)).item == 0x8001
    assert services(option(71, b"\0")).item is None


BROKEN = {
    "14-length-past-the-end": b"\x06\xff\x03" + MENU,
    "14-no-length": MENU + b"\x06",
    "14-servers-cut": option(8, b"\x80\0\x09" + ONE.packed),
    "14-menu-cut": option(9, b"\x80\0\xf0Linux"),
    "14-control-of-two-bytes": option(6, b"\3\3"),
    "14-multicast-that-is-none": option(7, ONE.packed),
    "14-zero-lengths": b"\x09\0" * 700,
    "14-pads": b"\0" * 1400,
}


@pytest.mark.parametrize("case", BROKEN)
def test_14_broken_sub_options_are_not_there(case: str) -> None:
    assert services(BROKEN[case]) == services(b"")


def test_14_no_end_mark_is_an_end_too() -> None:
    assert services(FULL[:-1]) == services(FULL)


def test_14_menu_of_64_kib_is_bounded() -> None:
    found = services(option(9, (b"\x80\0\xff" + b"x" * 255) * 254))
    assert len(found.menu) == 64 and all(len(item.text) <= 83 for item in found.menu)


def test_texts_cannot_steer_a_terminal() -> None:
    found = services(option(9, b"\x80\0\5\x1b[2Jx") + option(10, b"\xff\x1b]0;x\x07\nforged"))
    assert found.prompt is not None
    assert all(text.isprintable() for text in (found.menu[0].text, found.prompt.text))


@given(st.binary(max_size=600))
def test_14_any_bytes_are_read(data: bytes) -> None:
    found = services(data)
    assert len(found.menu) <= 64 and all(item.text.isprintable() for item in found.menu)


MAC, XID = bytes.fromhex("525400abcdef"), 0x12345678
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


def test_lease_led_by_a_pxe_server() -> None:
    lease = Lease(
        address=TWO,
        prefix_length=24,
        server_id=TWO,
        next_server="10.77.0.5",
        bootfile="router.0",
        options={3: TWO.packed, 67: b"router.0", 210: b"kept/"},
    )
    options = {3: STRANGER.packed, 43: MENU, 209: b"conf", 54: ONE.packed}
    led = lease.with_boot_answer(PxeAnswer(ONE, "10.77.0.4", "pxelinux.0", options))
    assert (led.next_server, led.bootfile, led.server_id) == ("10.77.0.4", "pxelinux.0", TWO)
    assert led.options == {3: TWO.packed, 43: MENU, 209: b"conf", 210: b"kept/"}


def test_long_options_go_in_pieces() -> None:
    payload = dhcp.request(XID, MAC, [(53, b"\1"), (60, b"x" * 300)])
    assert dhcp.decode(payload).options[60] == b"x" * 300 and len(payload) >= 300
    assert len(pxe_options.boot_item(1)) == 7
