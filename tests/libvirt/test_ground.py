"""The libvirtd that the tests of libvirt stand on: its guests boot, on either network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.ground import kernels
from tests.support.ground.libvirt import NETWORK, Libvirt, domain_xml, write_disk


def test_a_kernel_and_a_disk_boot(
    libvirt: Libvirt, probe_kernel: Callable[[str], bytes], disk_image: bytes
) -> None:
    kernel = libvirt.root / "lib/images/kernel"
    kernel.write_bytes(probe_kernel("direct"))
    boot = "<kernel>/var/lib/libvirt/images/kernel</kernel><cmdline>x=1</cmdline>"
    libvirt.define(domain_xml("direct", "52:54:00:00:00:01", network=NETWORK, os=boot))
    libvirt.define(domain_xml("disk", "52:54:00:00:00:02", disk=True))
    write_disk(libvirt, "disk", disk_image)
    for name in ("direct", "disk"):
        libvirt.virsh("start", name)
    (said,) = kernels.reports(libvirt.await_serial("direct", "PROBE end"))
    assert (said.tag, said.cmdline) == ("direct", "x=1")
    libvirt.await_serial("disk", "PROBE disk")
    libvirt.virsh("send-key", "disk", "KEY_R")
    libvirt.await_serial("disk", "PROBE disk", times=2)


def test_guests_outlive_libvirtd(libvirt: Libvirt, disk_image: bytes) -> None:
    libvirt.define(domain_xml("guest", "52:54:00:00:00:01", disk=True))
    write_disk(libvirt, "guest", disk_image)
    libvirt.virsh("start", "guest")
    before = libvirt.qemu("guest")
    libvirt.stop(9)
    assert Path(f"/proc/{before}").exists()
    libvirt.start()
    assert libvirt.state("guest") == "running" and libvirt.qemu("guest") == before
