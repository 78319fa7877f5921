"""The XML of libvirt's domains and networks: what is read of it, and what a boot makes of it."""

from __future__ import annotations

import pytest

from pypxeboot.errors import HandoverError
from pypxeboot.virt import domain_xml, live_xml
from pypxeboot.virt.domain_xml import NAMESPACE, Wish
from tests.support.samples.domains import DISK, QEMU, SECOND, xml


def test_xml_of_a_boot() -> None:
    stored = xml(metadata=f"<p:boot xmlns:p='{NAMESPACE}'/>")
    before = domain_xml.serialised(stored)
    direct = {"kernel": "/k", "initrd": "/i", "cmdline": 'a="<&>" b', "dtb": None}
    live = live_xml.booting(stored, direct, {"action": "boot", "label": "install", "config": ""}, again=True)
    assert domain_xml.serialised(stored) == before
    assert live_xml.told(stored) is None and live_xml.told(live) == {"action": "boot", "label": "install"}
    again = domain_xml.parse(domain_xml.serialised(live))
    assert [again.findtext(f"os/{name}") for name in direct] == ["/k", "/i", 'a="<&>" b', None]
    assert again.findtext("on_reboot") == "destroy"
    assert again.findtext("description") == "a <web> server\nPXE: boot install"
    assert live_xml.told(again) == live_xml.told(live) and domain_xml.domain(again).wish == Wish()
    assert f'xmlns:qemu="{QEMU}"' in domain_xml.serialised(live)
    assert '<qemu:commandline><qemu:arg value="-s" /></qemu:commandline>' in domain_xml.serialised(live)


def test_xml_of_the_local_disk() -> None:
    live = live_xml.booting(xml(devices=DISK + SECOND), None, {"action": "localboot"}, again=False)
    system = live.find("os")
    assert system is not None
    assert [(e.tag, e.get("dev")) for e in system] == [("type", None), ("boot", "hd")]
    assert live.find("devices/interface/boot") is None and live.findtext("on_reboot") == "restart"


def test_only_the_network_was_in_the_order() -> None:
    root = domain_xml.parse(
        "<domain><os/><devices><interface><boot order='1'/></interface></devices></domain>"
    )
    live = live_xml.booting(root, None, {}, again=False)
    assert live.find("os/boot[@dev='hd']") is not None


def test_the_live_xml_can_be_made_of_itself() -> None:
    once = live_xml.booting(xml(), None, {"action": "localboot"}, again=False)
    twice = live_xml.booting(once, {"kernel": "/k"}, {"action": "boot"}, again=False)
    assert domain_xml.serialised(twice).count("pypxeboot-live:booted ") == 1


@pytest.mark.parametrize("text", ["\x00", "a\x1bb", "\r", "\udc80", "\uffff"])
def test_what_xml_cannot_hold(text: str) -> None:
    with pytest.raises(HandoverError, match="XML cannot"):
        live_xml.booting(xml(), {"kernel": "/k", "cmdline": text}, {}, again=False)
