"""The ``<os>`` element of a libvirt domain.

Source: libvirt's docs/formatdomain.rst, "Direct kernel boot". What starts a domain by libvirt itself is
``pypxeboot-virt``.
"""

from __future__ import annotations

from typing import Optional
from xml.etree import ElementTree

from pypxeboot.guest import Guest
from pypxeboot.output.direct import boot_of
from pypxeboot.output.xml import writable
from pypxeboot.result import Artifacts

_ARCHITECTURES = {"i386": "i686", "arm64": "aarch64"}


def render(artifacts: Artifacts, guest: Guest, guest_type: Optional[str]) -> bytes:
    """The element, without a machine type; ``guest_type`` is pv, pvh, or None. Raises HandoverError."""
    system = ElementTree.Element("os")
    kind = "hvm" if guest.hypervisor == "kvm" else "xen" if guest_type == "pv" else "xenpvh"
    arch = _ARCHITECTURES.get(guest.processor, guest.arch)
    ElementTree.SubElement(system, "type", arch=arch).text = kind
    boot = boot_of(artifacts, "libvirt")
    if boot is None:
        if guest.processor not in (
            "x86_64",
            "i386",
        ):  # others have firmware only if told
            system.set("firmware", "efi")
        ElementTree.SubElement(system, "boot", dev="hd")
    else:
        values = {"kernel": boot.kernel, "initrd": boot.ramdisk, "cmdline": boot.cmdline, "dtb": boot.dtb}
        for name, value in values.items():
            if value:
                ElementTree.SubElement(system, name).text = writable(name, value)
    ElementTree.indent(system)
    return ElementTree.tostring(system, "unicode").encode() + b"\n"
