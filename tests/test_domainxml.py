"""The XML of libvirt's domains and networks: what is read of it, and what a boot makes of it."""

from __future__ import annotations

from typing import Optional
from xml.etree.ElementTree import Element

import pytest

from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.virt import domain_xml, live_xml
from pypxeboot.virt import smbios as domainsmbios
from pypxeboot.virt.domain_xml import NAMESPACE, Interface, Network, Wish

QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
XML = f"""\
<domain type='kvm' xmlns:qemu='{QEMU}'>
  <name>web</name>
  <uuid>8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b</uuid>
  <metadata>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/>
    METADATA
  </metadata>
  <description>a &lt;web&gt; server</description>
  <os>
    <type arch='ARCH' machine='pc-q35-7.2'>hvm</type>
    <kernel>/old</kernel><cmdline>old</cmdline>
    <boot dev='network'/><boot dev='hd'/>
    OS
  </os>
  <on_reboot>restart</on_reboot>
  <devices>DEVICES</devices>
  <qemu:commandline><qemu:arg value='-s'/></qemu:commandline>
</domain>
"""
DISK = "<disk type='file' device='disk'><source file='/d'/></disk>"
FIRST = "<interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br0'/></interface>"
SECOND = (
    "<interface type='network'><mac address='52:54:00:00:00:02'/><source network='lab' portgroup='p'/>"
    "<vlan><tag id='42'/></vlan><boot order='1'/></interface>"
)


def xml(metadata: str = "", os: str = "", devices: str = FIRST + DISK, arch: str = "x86_64") -> Element:
    text = XML.replace("METADATA", metadata).replace("OS\n", os + "\n").replace("DEVICES", devices)
    return domain_xml.parse(text.replace("ARCH", arch))


def test_a_domain() -> None:
    found = domain_xml.domain(xml())
    assert (found.name, found.uuid, found.kind) == ("web", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", "kvm")
    assert (found.system, found.arch, found.has_disk, found.wish) == ("hvm", "x86_64", True, None)
    assert found.interface == Interface("bridge", "52:54:00:00:00:01", {"bridge": "br0"})


def test_the_interface_that_boots_is_the_first_of_the_order() -> None:
    found = domain_xml.domain(xml(devices=FIRST + SECOND)).interface
    source = {"network": "lab", "portgroup": "p"}
    assert found == Interface("network", "52:54:00:00:00:02", source, vlan="42")
    assert domain_xml.domain(xml(devices="")).interface is None


@pytest.mark.parametrize(
    ("devices", "has"),
    [
        (DISK, True),
        ("<disk device='lun'/>", True),
        ("<disk device='cdrom'/>", False),
        ("<disk device='cdrom'><source file='/iso'/></disk>", True),
        ("<disk device='floppy'><source file='/fd'/></disk>", False),
        ("", False),
    ],
)
def test_a_disk_to_boot_from(devices: str, has: bool) -> None:
    assert domain_xml.domain(xml(devices=devices)).has_disk is has


@pytest.mark.parametrize(
    ("libvirt", "ours"), [("i686", "i386"), ("aarch64", "arm64"), ("riscv64", "riscv64")]
)
def test_architectures(libvirt: str, ours: str) -> None:
    assert domain_xml.domain(xml(arch=libvirt)).arch == ours


@pytest.mark.parametrize(
    ("element", "wish"),
    [
        (f"<pypxeboot:boot xmlns:pypxeboot='{NAMESPACE}'/>", Wish()),
        (f"<boot xmlns='{NAMESPACE}' label='install' arch='arm64'/>", Wish("install", "arm64")),
        (f"<p:boot xmlns:p='{NAMESPACE}' order='network, disk'/>", Wish(disk=True)),
        ("<pypxeboot:boot xmlns:pypxeboot='urn:another'/>", None),
        (f"<p:other xmlns:p='{NAMESPACE}'/>", None),
    ],
)
def test_metadata(element: str, wish: Optional[Wish]) -> None:
    assert domain_xml.domain(xml(metadata=element)).wish == wish


@pytest.mark.parametrize("order", ["disk", "", "network network", "nfs"])
def test_orders_that_are_not_known(order: str) -> None:
    with pytest.raises(UsageError, match="boot order"):
        domain_xml.domain(xml(metadata=f"<p:boot xmlns:p='{NAMESPACE}' order='{order}'/>"))


NETWORKS = {
    "nat": ("<forward mode='nat'/><bridge name='virbr0'/>", Network("n", "virbr0", None)),
    "isolated": ("<bridge name='virbr1'/>", Network("n", "virbr1", None)),
    "bridge of the host": ("<forward mode='bridge'/><bridge name='br0'/>", Network("n", "br0", None)),
    "macvtap": ("<forward mode='bridge' dev='eth0'/>", Network("n", None, "eth0")),
    "macvtap pool": ("<forward mode='vepa'><interface dev='eth1'/></forward>", Network("n", None, "eth1")),
    "hostdev": ("<forward mode='hostdev' dev='eth0'/>", Network("n", None, None)),
    "vlan": (
        "<bridge name='b'/><vlan><tag id='7'/></vlan>",
        Network("n", "b", None, "7"),
    ),
    "port group": (
        "<bridge name='b'/><portgroup name='p'><vlan><tag id='9'/></vlan></portgroup>"
        "<portgroup name='q' default='yes'><vlan><tag id='8'/></vlan></portgroup>",
        Network("n", "b", None, "9"),
    ),
    "trunk": ("<bridge name='b'/><vlan><tag id='7'/><tag id='8'/></vlan>", Network("n", "b", None)),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_networks(case: str) -> None:
    text, network = NETWORKS[case]
    root = domain_xml.parse(f"<network><name>n</name>{text}</network>")
    assert domain_xml.network(root, "p") == network


BAD = {
    "nothing": "",
    "no XML": "<domain",
    "no tree": "<a/><b/>",
    "control": "<domain>\x01</domain>",
    "half a character": "<domain>\udc80</domain>",
    "entities": '<!DOCTYPE d [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><domain><name>&b;</name></domain>',
    "file": '<!DOCTYPE d SYSTEM "file:///etc/passwd"><domain/>',
    "depth": "<domain>" * 10000 + "</domain>" * 10000,
    "size": f"<domain><name>{'a' * domain_xml.MAX_SIZE}</name></domain>",
    "another thing": "<pool><name>a</name></pool>",
    "no name": "<domain><uuid>u</uuid></domain>",
}


@pytest.mark.parametrize("case", BAD)
def test_bad_xml(case: str) -> None:
    with pytest.raises(UsageError):
        domain_xml.domain(domain_xml.parse(BAD[case]))


def test_xml_of_a_boot() -> None:
    stored = xml(metadata=f"<p:boot xmlns:p='{NAMESPACE}'/>")
    before = domain_xml.serialised(stored)
    direct = {"kernel": "/k", "initrd": "/i", "cmdline": 'a="<&>" b', "dtb": None}
    live = live_xml.booting(stored, direct, {"action": "boot", "label": "install", "config": ""}, again=True)
    assert domain_xml.serialised(stored) == before
    assert not live_xml.is_ours(stored) and live_xml.is_ours(live)
    again = domain_xml.parse(domain_xml.serialised(live))
    assert [again.findtext(f"os/{name}") for name in direct] == ["/k", "/i", 'a="<&>" b', None]
    assert again.findtext("on_reboot") == "destroy"
    assert again.findtext("description") == "a <web> server\nPXE: boot install"
    assert live_xml.is_ours(again) and domain_xml.domain(again).wish == Wish()
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


SYSINFO = (
    "<sysinfo type='smbios'><bios><entry name='vendor'>ACME, Inc.</entry></bios><system>"
    "<entry name='manufacturer'>Fedora</entry><entry name='uuid'>x</entry></system>"
    "<baseBoard><entry name='asset'>7</entry></baseBoard></sysinfo>"
)


HOST = "<sysinfo type='smbios'><system><entry name='serial'>HOST</entry></system></sysinfo>"


def smbios(mode: str = "", machine: str = "pc-q35-7.2", kind: str = "kvm", more: str = "") -> list[str]:
    return domainsmbios.words(
        domain_xml.parse(
            f"<domain type='{kind}'>{SYSINFO}<os><type machine='{machine}'>hvm</type>"
            f"{mode and f'<smbios mode={mode!r}/>'}{more}</os></domain>"
        ),
        domain_xml.parse(
            "<sysinfo type='smbios'><system><entry name='serial'>HOST</entry></system></sysinfo>"
        ),
    )


def test_smbios() -> None:
    own = "type=1,manufacturer=QEMU,product=Standard PC (Q35 + ICH9,, 2009),version=pc-q35-7.2"
    assert smbios() == smbios("emulate") == [own]
    assert smbios("sysinfo") == [
        own,
        "type=0,vendor=ACME,, Inc.",
        "type=1,manufacturer=Fedora",
        "type=2,asset=7",
    ]
    assert smbios("host") == [own, "type=1,serial=HOST"]
    assert smbios(machine="pc-q35-rhel9.2.0") == ["type=1,manufacturer=Red Hat,product=KVM"]
    assert smbios(machine="pc-q35-jammy", more="<loader/>") == ["type=0,vendor="]
    assert smbios(machine="virt-7.2", kind="qemu")[0].endswith(
        "product=QEMU Virtual Machine,version=virt-7.2"
    )
    assert smbios(machine="virt-7.2")[-1] == "type=1,product=KVM Virtual Machine"
