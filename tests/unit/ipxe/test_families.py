"""Scripts after those of well-known deployment systems (``trees/ipxe``), each run to the boot it leads to."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import ConfigError
from pypxeboot.ipxe import boot
from pypxeboot.lease import Lease
from pypxeboot.url import Location
from tests.support.recorded import boots as oracle
from tests.support.recorded import replay
from tests.support.recorded.ipxe_families import FAMILIES, TREES
from tests.support.recorded.replay import Replay

LEASE = Lease(
    address=IPv4Address("10.77.0.173"),
    prefix_length=24,
    server_id=IPv4Address("10.77.0.1"),
    next_server="10.77.0.1",
    bootfile="boot.ipxe",
    options={43: bytes((116, 8)) + b"10.0.0.7" + b"\xff"},
)


def run(family: str, start: str, **more: object) -> tuple[Choice, Replay]:
    """Run a family's first script from its web server."""
    root = TREES / family

    def get(location: Location) -> Optional[bytes]:
        path = root / location.path.partition("?")[0]
        if location.host != "10.77.0.1" or not path.is_file():
            return None
        text = path.read_text()
        return oracle.content(path.name, text.rstrip("\n") if text.startswith("@") else text)

    played = Replay(get)
    source = replay.BootSource(
        replay.Kind.IPXE, "10.77.0.1", "::", bootfile=Location("http", "10.77.0.1", start)
    )
    return played.drive(boot.boot(BootRequest(source, replay.GUEST, LEASE, **more))), played  # type: ignore[arg-type]


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_boots_what_it_should(family: str) -> None:
    expected = FAMILIES[family]
    choice, played = run(family, expected.start)
    if expected.kernel is None:
        assert choice.entry.action is Action.LOCALBOOT
        return
    assert choice.entry.action is Action.BOOT, played.log
    assert choice.entry.kernel is not None
    assert choice.entry.kernel.path == expected.kernel
    assert choice.entry.cmdline == expected.cmdline
    ramdisk = played.ramdisk or played.initrd(choice.entry)
    assert ramdisk == expected.ramdisk.encode()
    assert choice.reason is expected.reason
    assert set(expected.asked) <= set(played.asked)
    assert all(text in played.printed + "\n".join(played.log) for text in expected.said)


def test_every_tree_is_run() -> None:
    assert {path.name for path in TREES.iterdir()} == set(FAMILIES)


def test_phone_home_is_a_form() -> None:
    _, played = run("tinkerbell", "auto.ipxe")
    forms = [form for form in played.forms if form is not None]
    assert [form.body for form in forms] == [
        b"body=Device%20connected%20to%20DHCP%20system&type=provisioning.104.01"
    ]


@pytest.mark.parametrize("label", ["install", "distro-x86_64", "2"])
def test_an_item_can_be_asked_for(label: str) -> None:
    choice, _ = run("cobbler", "default.ipxe", label=label)
    assert choice.entry.cmdline.startswith("initrd=initrd.img inst.ks=")
    assert (choice.entry.label, choice.reason) == ("install", Reason.LABEL)


@pytest.mark.parametrize("label", ["nosuch", "0", "3", "Fedora 1"])
def test_an_item_that_is_not_there(label: str) -> None:
    with pytest.raises(ConfigError):
        run("cobbler", "default.ipxe", label=label)


def test_an_item_of_a_menu_below_can_be_asked_for() -> None:
    choice, _ = run("netbootxyz", "netboot.xyz.ipxe", label="local")
    assert choice.entry.action is Action.LOCALBOOT
