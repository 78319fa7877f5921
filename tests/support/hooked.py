"""A libvirtd with the project's hook, and a domain that it boots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground import kernels, tools, wait_until
from tests.support.ground.kernels import Said
from tests.support.ground.libvirt import Libvirt, domain_xml, write_disk
from tests.support.ground.simple import INITRDS

PLACE = "/var/lib/libvirt/boot/pypxeboot-hook"
MAC = "52:54:00:00:00:01"
CONFIG = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND x=1  y='2' z=a,b\n INITRD i1,i2\n"
CMDLINE = "BOOT_IMAGE=vmlinuz x=1  y='2' z=a,b initrd=i1,i2"
WISH = "<pypxeboot:boot xmlns:pypxeboot='urn:pypxeboot:domain:1'{}/>"
SECONDS = 90  # for anything: the machine has others to serve


@pytest.fixture
def hooked(libvirt: Libvirt, tmp_path: Path) -> Iterator[Libvirt]:
    """A libvirtd with the hook as it is installed, and its program in PATH."""
    libvirt.install_hook(tmp_path)
    assert not (tmp_path / "calls").exists()  # for a domain that does not opt in
    yield libvirt
    for name in libvirt.names():
        libvirt.virsh("destroy", name)


def serve(libvirt: Libvirt, kernel: bytes, config: str = CONFIG) -> None:
    libvirt.serve({"pxelinux.0": b"x", "pxelinux.cfg/default": config.encode(), "vmlinuz": kernel, **INITRDS})


def xml(
    network: Optional[str] = None, wish: str = "", *, disk: bool = False, devices: str = "", mac: str = MAC
) -> str:
    """The domain ``guest``, which opts in and names a file of the hook."""
    words = ("-readconfig", f"{PLACE}/guest.cfg")
    wanted = WISH.format(wish)
    return domain_xml("guest", mac, network=network, metadata=wanted, qemu=words, disk=disk, devices=devices)


def define(libvirt: Libvirt, network: Optional[str] = None, wish: str = "", disk: bytes = b"") -> Path:
    """Define it; the directory of its files."""
    libvirt.define(xml(network, wish, disk=bool(disk)))
    if disk:
        write_disk(libvirt, "guest", disk)
    return libvirt.root / "lib/boot/pypxeboot-hook"


def kept(libvirt: Libvirt) -> set[Path]:
    """What is kept of the boots of all domains."""
    found = (libvirt.root / "lib/boot/pypxeboot").glob("*/*")
    return {path for path in found if path.name != "saved"}


def await_told(libvirt: Libvirt) -> None:
    """Wait until the run tells by which files it runs."""
    wait_until(lambda: "urn:pypxeboot:live:1" in libvirt.live("guest"), SECONDS, "its run tells of its boot")


def await_gone(libvirt: Libvirt) -> None:
    """Wait until no file of a boot is left."""
    place = libvirt.root / "lib/boot/pypxeboot-hook"
    wait_until(lambda: not kept(libvirt) and not list(place.glob("*")), SECONDS, "the files are gone")


def said(libvirt: Libvirt, times: int = 1) -> Said:
    return kernels.reports(libvirt.await_serial("guest", "PROBE end", times, seconds=SECONDS))[-1]


def failing(libvirt: Libvirt, *words: str) -> str:
    """What virsh says when the start fails."""
    run = libvirt.run(tools.need("virsh"), "--quiet", "-c", "qemu:///system", *words)
    assert run.rc == 1 and libvirt.state("guest") == "shut off"
    return run.stderr
