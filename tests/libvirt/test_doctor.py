"""``pypxeboot doctor DOMAIN``: MAC and bridge are those of the domain."""

from __future__ import annotations

from tests.support.ground import BRIDGE
from tests.support.ground.kernels import dummy
from tests.support.ground.libvirt import Libvirt, domain_xml, need_python

MAC = "52:54:00:00:00:01"


def test_the_doctor_about_a_domain(libvirt: Libvirt) -> None:
    need_python()
    libvirt.serve(
        {"pxelinux.cfg/default": "DEFAULT a\nLABEL a\nKERNEL vmlinuz\n", "vmlinuz": dummy("vmlinuz")}
    )
    libvirt.define(domain_xml("guest", MAC))
    run = libvirt.pypxeboot("pypxeboot.__main__", "doctor", "guest")
    told = run.stdout.decode()
    assert run.rc == 0 and f"{MAC} is free, and has joined {BRIDGE}" in told, str(run)
    assert libvirt.pypxeboot("pypxeboot.__main__", "doctor", "nosuch").rc == 2
    libvirt.site.assert_nothing_left()
