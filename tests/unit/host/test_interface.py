"""What the host side lets a client do with its interface; the kernel is not told."""

from __future__ import annotations

import pytest

from pypxeboot.host.interface import ClientInterface
from pypxeboot.links import inner
from pypxeboot.links.link import Attached, AttachRequest, FoundLink, Link
from pypxeboot.privsep.messages import ConfigureInterface, SetVlan
from tests.support.recorded.replay import GUEST


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> ClientInterface:
    for name in ("configure", "add_vlan", "remove_vlan"):
        monkeypatch.setattr(inner, name, lambda *_: None)
    link = Link(FoundLink(Link, "br0", None), AttachRequest(GUEST, 0, print))
    return ClientInterface(link, Attached("veth", "pxe0", 1500, "br0"), 1, 0)


def test_vlans_have_an_end(interface: ClientInterface) -> None:
    """Not every kernel has VLANs, so that no client can be lost in a namespace that has too many."""
    errors = [interface.set_vlan(SetVlan(tag, remove=False)).error for tag in range(1, 100)]
    assert errors[:64] == [""] * 64 and set(errors[64:]) == {"there are 64 VLANs already"}
    assert interface.set_vlan(SetVlan(7, remove=True)).error == ""
    assert interface.set_vlan(SetVlan(99, remove=False)).error == ""


@pytest.mark.parametrize("tag", [0, 4095, 1 << 40])
def test_tags_that_are_none(interface: ClientInterface, tag: int) -> None:
    for remove in (False, True):
        with pytest.raises(ValueError, match=f"VLAN {tag}"):
            interface.set_vlan(SetVlan(tag, remove=remove))


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("0.0.0.0", 8),
        ("255.255.255.255", 32),
        ("127.0.0.1", 8),
        ("224.0.0.1", 4),
        ("::1", 128),
        ("ff02::1", 16),
    ]
    + [("10.77.0.9", 0), ("10.77.0.9", 33), ("fd00::1%lo", 64), ("10.77.0", 24), ("", 24)],
)
def test_addresses_that_no_guest_has(interface: ClientInterface, address: str, prefix: int) -> None:
    with pytest.raises(ValueError):
        interface.configure(ConfigureInterface(address, prefix, (), None))
