"""The address and what to boot, typed at the terminal where nobody on the network says them."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.client import by_hand
from pypxeboot.plan import Plan
from tests.support.recorded.replay import GUEST, TERMINAL, Replay
from tests.support.samples.by_hand import lease, typed


def test_address_with_a_prefix() -> None:
    found, shown = lease("10.77.0.5/24", "10.77.0.1", "10.77.0.53")
    assert found is not None and "netmask" not in shown and "no DHCP offer" in shown
    assert (str(found.address), found.prefix_length) == ("10.77.0.5", 24)
    assert [str(gateway) for _network, gateway in found.routes] == ["10.77.0.1"]
    assert [str(server) for server in found.dns] == ["10.77.0.53"]


def test_address_and_netmask_and_nothing_else() -> None:
    found, _shown = lease("10.77.0.5", "255.255.252.0", "", "")
    assert found is not None and (found.prefix_length, found.routes, found.dns) == (22, (), ())


def test_address_of_ipv6() -> None:
    found, _shown = lease("2001:db8::5", "2001:db8::1", "")
    assert found is not None and (str(found.address), found.prefix_length) == ("2001:db8::5", 64)


WRONG = ["10.77.0.999/24", "224.0.0.1/24", "10.77.0.5/0", "somewhere", "127.0.0.1/8"]


@pytest.mark.parametrize("text", WRONG)
def test_no_address_of_a_guest(text: str) -> None:
    keys = [*text, "enter", "ctrl-u", *"10.77.0.5/24", "enter", "enter", "enter"]
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=keys)
    found = replay.drive(by_hand.lease(""))
    assert found is not None and str(found.address) == "10.77.0.5"
    assert replay.printed.count("address, as") == 2


def test_gateway_of_the_other_family_is_none() -> None:
    keys = [*"10.77.0.5/24", "enter", *"fe80::1", "enter", "ctrl-u", "enter", "enter"]
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=keys)
    found = replay.drive(by_hand.lease(""))
    assert found is not None and found.routes == () and "not of IPv4" in replay.printed


def test_given_up() -> None:
    assert lease("ESC")[0] is None and lease("")[0] is None
    assert lease("10.77.0.5/24", "ESC")[0] is None
    assert Replay(lambda location: None).drive(by_hand.lease("why")) is None, "nobody is there"
    nonsense = ["x", "enter"] * 50
    replay = Replay(lambda location: None, terminal=TERMINAL, keys=nonsense)
    assert replay.drive(by_hand.lease("")) is None


@pytest.mark.parametrize(
    ("url", "bootfile", "prefix"),
    [
        ("http://h/vmlinuz", "http://h/vmlinuz", None),
        ("tftp://h/sub/pxelinux.0", "tftp://h/sub/pxelinux.0", None),
        ("http://h/sub/pxelinux.cfg/default", None, "http://h/sub/"),
        ("tftp://h/menu.cfg", None, "tftp://h/"),
    ],
)
def test_what_a_url_means(url: str, bootfile: Optional[str], prefix: Optional[str]) -> None:
    plan = typed(url).drive(by_hand.boot_file("", Plan(GUEST)))
    assert plan is not None and (plan.bootfile, plan.path_prefix) == (bootfile, prefix)
    assert plan.config == (None if bootfile else url)


def test_no_url() -> None:
    assert typed("ESC").drive(by_hand.boot_file("", Plan(GUEST))) is None
    assert typed("").drive(by_hand.boot_file("", Plan(GUEST))) is None
    replay = typed("vmlinuz", "ESC")
    assert replay.drive(by_hand.boot_file("", Plan(GUEST))) is None and "that is not a URL" in replay.printed
