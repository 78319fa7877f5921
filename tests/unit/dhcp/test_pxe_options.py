"""Option 43 of PXE servers, and which answers of theirs count; numbers are of the table of bad inputs."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp import pxe_options
from pypxeboot.dhcp.pxe_options import Control, Item, Prompt, boot_item, services
from pypxeboot.lease import Lease, PxeAnswer
from tests.support.peers.dhcp import option
from tests.support.samples.pxe_options import MAC, MENU, ONE, SERVERS, STRANGER, TWO, XID

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
