"""The XML of libvirt's domains and networks: what is read of it, and what a boot makes of it."""

from __future__ import annotations

from pypxeboot.virt import domain_xml
from pypxeboot.virt import smbios as domainsmbios

SYSINFO = (
    "<sysinfo type='smbios'><bios><entry name='vendor'>ACME, Inc.</entry></bios><system>"
    "<entry name='manufacturer'>Fedora</entry><entry name='uuid'>x</entry></system>"
    "<baseBoard><entry name='asset'>7</entry></baseBoard></sysinfo>"
)


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
