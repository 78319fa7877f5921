"""The formats of direct kernel boot, as real runs hand them over."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree

from tests.support.ground import BRIDGE, MAC
from tests.support.ground.kernels import reports
from tests.support.ground.libvirt import Libvirt, domain_xml
from tests.support.ground.simple import INITRDS


def test_libvirt_boots_the_os_element(libvirt: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    """The element takes the place of the domain's own."""
    config = "DEFAULT a\nLABEL a\n KERNEL k\n APPEND x=<&> y='1 2'  z=\"q\" ]]>\n INITRD i1\n"
    libvirt.serve({"pxelinux.0": b"x", "pxelinux.cfg/default": config, "k": probe_kernel("os"), **INITRDS})
    out = libvirt.root / "lib/boot"
    run = libvirt.site.pypxeboot(
        *("--mac", MAC, "--bridge", BRIDGE, "--output-format", "libvirt", "--arch", "x86_64"),
        *("--output-directory", str(out)),
    )
    element = ElementTree.fromstring(run.ok().stdout)
    for child in element:
        child.text = (child.text or "").replace(str(out), "/var/lib/libvirt/boot")
    root = ElementTree.fromstring(domain_xml("guest", MAC))
    root.remove(root.find("os"))
    root.append(element)
    libvirt.define(ElementTree.tostring(root, "unicode"))
    libvirt.virsh("start", "guest")
    (said,) = reports(libvirt.await_serial("guest", "PROBE end"))
    assert (said.tag, said.data) == ("os", INITRDS["i1"])
    assert said.cmdline == "BOOT_IMAGE=k x=<&> y='1 2'  z=\"q\" ]]> initrd=i1"
