"""UEFI HTTP boot: the client says HTTPClient, the server too, and the boot file is a URL."""

from __future__ import annotations

from pypxeboot.dhcp import identity
from pypxeboot.dhcp.client import Bound
from pypxeboot.dhcp.message import Type
from tests.support.peers.dhcp import OFFER
from tests.support.samples.dhcp import GUEST, client, give, of, sent, warnings

URL = {"o60": b"HTTPClient", "o67": b"http://10.77.0.1/boot.efi"}
HTTP = {57: b"\5\xc0", **identity.identity(GUEST, 16)}


def test_only_answers_for_http_clients_count() -> None:
    machine = client()
    machine.identity = HTTP
    machine.start(0.0)
    assert sent(give(machine, 0.1, o67=b"pxelinux.0", o60=b"PXEClient")) == []
    assert give(machine, 0.2, server="10.77.0.4", fields={"yiaddr": "0.0.0.0"}, o60=b"PXEClient") == []
    assert sent(give(machine, 0.3, server="10.77.0.5", **URL)) == [Type.REQUEST]
    (bound,) = of(give(machine, 0.4, 5, server="10.77.0.5", **URL), Bound)
    assert bound.lease.bootfile == "http://10.77.0.1/boot.efi"


def test_address_from_one_and_url_from_another() -> None:
    machine = client()
    machine.identity = HTTP
    machine.start(0.0)
    steps = give(machine, 0.1, o67=b"pxelinux.0")
    assert sent(steps) == [] and "not for HTTP boot" in warnings(steps)[0]
    steps = give(machine, 0.2, OFFER, "10.77.0.4", fields={"yiaddr": "0.0.0.0"}, **URL)
    assert sent(steps) == [Type.REQUEST]
    (bound,) = of(give(machine, 0.3, 5, o67=b"pxelinux.0"), Bound)
    assert bound.lease.bootfile == "" and [answer.bootfile for answer in bound.lease.pxe] == [
        URL["o67"].decode()
    ]
