"""A libvirt domain's XML."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from pypxeboot.virt import domain_xml

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
