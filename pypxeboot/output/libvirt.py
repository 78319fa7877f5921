"""The ``<os>`` element of a libvirt domain.

Source: libvirt's docs/formatdomain.rst, "Direct kernel boot". What starts a domain by libvirt itself is
``pypxeboot-virt``.
"""

from __future__ import annotations

from xml.etree import ElementTree

from pypxeboot.output.direct import boot_of
from pypxeboot.output.request import OutputRequest
from pypxeboot.output.xml import writable
from pypxeboot.result import BootResult

_ARCHITECTURES = {"i386": "i686", "arm64": "aarch64"}


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the element, without a machine type. Raises HandoverError."""
    guest = request.guest
    system = ElementTree.Element("os")
    kind = "hvm" if guest.hypervisor == "kvm" else "xen" if request.guest_type == "pv" else "xenpvh"
    arch = _ARCHITECTURES.get(guest.processor, guest.arch)
    ElementTree.SubElement(system, "type", arch=arch).text = kind
    boot = boot_of(result, "libvirt")
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
