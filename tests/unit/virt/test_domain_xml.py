"""The XML of libvirt's domains and networks: what is read of it, and what a boot makes of it."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.config.retry import NEVER, Retry
from pypxeboot.errors import UsageError
from pypxeboot.virt import domain_xml
from pypxeboot.virt.domain_xml import NAMESPACE, Interface, Network, Wish
from tests.support.samples.domains import DISK, FIRST, SECOND, xml


def test_a_domain() -> None:
    found = domain_xml.domain(xml())
    assert (found.name, found.uuid, found.kind) == ("web", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", "kvm")
    assert (found.system, found.arch, found.has_disk, found.wish) == ("hvm", "x86_64", True, None)
    assert found.interface == Interface("bridge", "52:54:00:00:00:01", {"bridge": "br0"})


def test_the_interface_that_boots_is_the_first_of_the_order() -> None:
    both = domain_xml.domain(xml(devices=FIRST + SECOND))
    found = both.interface
    assert len(both.interfaces) == 1  # the other is not in the order
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
    ("element", "mebibytes"),
    [
        ("<memory>65536</memory>", 64),
        ("<memory unit='KiB'>65536</memory>", 64),
        ("<memory unit='k'>65536</memory>", 64),
        ("<memory unit='MiB'> 64 </memory>", 64),
        ("<memory unit='M'>64</memory>", 64),
        ("<memory unit='G'>2</memory>", 2048),
        ("<memory unit='GB'>1</memory>", 953),
        ("<memory unit='bytes'>67108864</memory>", 64),
        ("<memory unit='b'>1</memory>", None),  # less than one of them
        ("<memory unit='parsec'>64</memory>", None),
        ("<memory>-1</memory>", None),
        ("<memory>much</memory>", None),
        ("<memory/>", None),
        ("", None),
    ],
)
def test_the_memory_in_its_units(element: str, mebibytes: Optional[int]) -> None:
    domain = xml()
    if element:
        domain.append(domain_xml.parse(element))
    assert domain_xml.domain(domain).memory == mebibytes


_EMPTY_DRIVE = "<disk device='cdrom'/>"


@pytest.mark.parametrize(
    ("boot", "devices", "disk"),
    [
        ("<boot dev='network'/><boot dev='hd'/>", FIRST + DISK, True),
        ("<boot dev='network'/>", FIRST + DISK, False),  # libvirt starts QEMU with -boot strict=on
        ("<boot dev='hd'/>", FIRST, False),
        ("<boot dev='cdrom'/>", FIRST + _EMPTY_DRIVE, False),
        ("", FIRST + DISK.replace("<source", "<boot order='1'/><source"), True),
        ("", SECOND + DISK, False),
        ("", FIRST + DISK, True),
    ],
)
def test_what_boots_without_us(boot: str, devices: str, disk: bool) -> None:
    root = xml(devices=devices)
    system = root.find("os")
    assert system is not None
    for element in system.findall("boot"):
        system.remove(element)
    system.extend(domain_xml.parse(f"<os>{boot}</os>"))
    assert ("disk" in domain_xml.without_us(root)) is disk


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
        (f"<p:boot xmlns:p='{NAMESPACE}' retry='5, 60'/>", Wish(retry=Retry(5, 60))),
        ("<pypxeboot:boot xmlns:pypxeboot='urn:another'/>", None),
        ("<p:boot xmlns:p='urn:pypxeboot:live:1'/>", None),
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
    "trunk": (
        "<bridge name='b'/><vlan><tag id='7'/><tag id='8'/></vlan>",
        Network("n", "b", None, domain_xml.TRUNK),
    ),
    "trunk of one": (
        "<bridge name='b'/><vlan trunk='yes'><tag id='7'/></vlan>",
        Network("n", "b", None, domain_xml.TRUNK),
    ),
    "trunk with a native VLAN": (
        "<bridge name='b'/><vlan trunk='yes'><tag id='7'/><tag id='8' nativeMode='untagged'/></vlan>",
        Network("n", "b", None, "8"),
    ),
    "trunk with a native VLAN that is tagged": (
        "<bridge name='b'/><vlan trunk='yes'><tag id='7'/><tag id='8' nativeMode='tagged'/></vlan>",
        Network("n", "b", None, domain_xml.TRUNK),
    ),
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


def test_a_boot_on_a_trunk_needs_a_native_vlan() -> None:
    assert (domain_xml.untagged("8"), domain_xml.untagged(None)) == ("8", None)
    with pytest.raises(UsageError, match="trunk") as why:
        domain_xml.untagged(domain_xml.TRUNK)
    assert "nativeMode" in str(why.value.hint)


@pytest.mark.parametrize(
    ("element", "said"),
    [
        (f"<p:boot xmlns:p='{NAMESPACE}' lable='install'/>", 'lable in <p:boot .*lable="install"'),
        (f"<p:boot xmlns:p='{NAMESPACE}'><label>a</label></p:boot>", "<label> in <p:boot"),
        (f"<p:bot xmlns:p='{NAMESPACE}' label='a'/>", "<p:bot .* which is not <pypxeboot:boot"),
        ("<p:boot xmlns:p='urn:pypxeboot:domain:2'/>", "urn:pypxeboot:domain:2.* which is not"),
        (f"<p:boot xmlns:p='{NAMESPACE}' order='disk network'/>", "disk network.*order="),
        (f"<p:boot xmlns:p='{NAMESPACE}' retry='soon'/>", "retry in .*soon"),
        (f"<p:boot xmlns:p='{NAMESPACE}'/><boot xmlns='{NAMESPACE}'/>", "a second time"),
    ],
)
def test_an_opt_in_that_is_not_understood_names_its_line(element: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        domain_xml.domain(xml(metadata=element))


@pytest.mark.parametrize(
    ("text", "retry"), [("-1", NEVER), ("5000", Retry(5, 5)), ("0", Retry(1, 1)), ("x", None)]
)
def test_the_reboot_timeout_of_libvirt(text: str, retry: Optional[Retry]) -> None:
    found = domain_xml.parse(
        domain_xml.serialised(xml()).replace("</os>", f"<bios rebootTimeout='{text}'/></os>")
    )
    assert domain_xml.domain(found).retry == retry


def test_the_order_of_interfaces_and_a_link_that_is_down() -> None:
    first = FIRST.replace("</interface>", "<boot order='3'/><link state='down'/></interface>")
    found = domain_xml.domain(xml(devices=first + SECOND)).interfaces
    assert [(item.mac, item.down) for item in found] == [
        ("52:54:00:00:00:02", False),
        ("52:54:00:00:00:01", True),
    ]
