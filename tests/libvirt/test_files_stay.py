"""Kernel and initrd stay while anything names them: state files, snapshots, definitions, running domains."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ground import Run, kernels, tools
from tests.support.ground.libvirt import Libvirt, domain_xml, need_python
from tests.support.ground.simple import INITRDS

MAC = "52:54:00:00:00:01"
CONFIG = """\
DEFAULT a
LABEL a
 KERNEL vmlinuz
 APPEND of=a
 INITRD i1,i2
LABEL b
 KERNEL vmlinuz
 APPEND of=b
"""
STATE = "/var/lib/libvirt/images/guest.save"
FILES = "lib/boot/pypxeboot"
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/var/lib/libvirt/images/q.qcow2'/><target dev='vda' bus='virtio'/></disk>"
)


@pytest.fixture
def served(libvirt: Libvirt, probe_kernel: Callable[[str], bytes]) -> Libvirt:
    need_python()
    tree = {"pxelinux.cfg/default": CONFIG, "vmlinuz": probe_kernel("stays"), **INITRDS}
    libvirt.serve(tree)
    return libvirt


def define(libvirt: Libvirt, *, disk: bool = False) -> None:
    if disk:
        image = libvirt.root / "lib/images/q.qcow2"
        argv = [tools.need("qemu-img"), "create", "-q", "-f", "qcow2", str(image), "16M"]
        subprocess.run(argv, check=True)
        image.chmod(0o666)
    libvirt.define(domain_xml("guest", MAC, devices=DISK if disk else ""))


def virt(libvirt: Libvirt, *args: str) -> Run:
    return libvirt.pypxeboot("pypxeboot.commands.virt", *args)


def boot(libvirt: Libvirt, label: str) -> None:
    """Boot the entry, and wait until the guest runs it."""
    before = libvirt.serial("guest").count("PROBE end")
    virt(libvirt, "start", "--label", label, "guest").ok()
    assert f"of={label}" in said(libvirt, before + 1)


def said(libvirt: Libvirt, times: int) -> str:
    return kernels.reports(libvirt.await_serial("guest", "PROBE end", times))[-1].cmdline


def names(libvirt: Libvirt) -> set[Path]:
    return {path for path in (libvirt.root / FILES).glob("*/*") if path.name != "saved"}


def test_a_state_file(served: Libvirt) -> None:
    """It is restored at once, after another boot, and after the domain is gone; then it is given up."""
    define(served)
    boot(served, "a")
    first = names(served)
    served.virsh("save", "guest", STATE)
    boot(served, "b")
    assert names(served) > first
    second = names(served) - first
    served.virsh("destroy", "guest")
    served.virsh("restore", STATE)
    assert served.state("guest") == "running"
    served.virsh("reset", "guest")
    assert "of=a" in said(served, 3)
    served.virsh("destroy", "guest")
    boot(served, "b")
    assert first < names(served) and not names(served) & second  # that of the second boot is nobody's
    served.virsh("destroy", "guest")
    served.virsh("undefine", "guest")
    told = virt(served, "clean").ok().stdout.decode()
    assert "stay for a state file" in told and "in 2 files" in told and names(served) == first
    served.virsh("restore", STATE)
    uuid = next(iter(first)).parent.name
    assert not virt(served, "clean", "-n", uuid).ok().stdout and names(served) == first  # it runs
    served.virsh("destroy", "guest")
    told = virt(served, "clean", "-n", uuid).ok().stdout.decode()
    assert told.count("would remove") == 2 and names(served) == first
    assert virt(served, "clean", uuid).ok().stdout.decode().count("removed") == 2
    assert not list((served.root / FILES).iterdir())
    assert virt(served, "clean", "nosuch").rc == 2


def test_what_was_saved_and_not_restored_stays_until_it_is_given_up(served: Libvirt) -> None:
    define(served)
    boot(served, "a")
    served.virsh("save", "guest", STATE)
    served.stop()
    served.start()  # from then on it does not say any more why the guest is off
    assert "stay for a state file" in virt(served, "clean").ok().stdout.decode() and names(served)
    assert virt(served, "clean", "guest").ok().stdout.decode().count("removed") == 2
    assert not list((served.root / FILES).iterdir())


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_a_snapshot_with_memory(served: Libvirt, running: bool) -> None:
    define(served, disk=True)
    boot(served, "a")
    first = names(served)
    served.virsh("snapshot-create-as", "guest", "s1")
    served.virsh("destroy", "guest")
    boot(served, "b")
    assert names(served) > first
    if not running:
        served.virsh("destroy", "guest")
    served.virsh("snapshot-revert", "guest", "s1", "--running")
    assert served.state("guest") == "running"
    served.virsh("reset", "guest")
    assert "of=a" in said(served, 3)
    served.virsh("destroy", "guest")
    virt(served, "clean").ok()
    assert names(served) == first
    served.virsh("snapshot-delete", "guest", "s1")
    virt(served, "clean").ok()
    assert not names(served)


def test_a_checkpoint(served: Libvirt, tmp_path: Path) -> None:
    define(served, disk=True)
    boot(served, "a")
    first = names(served)
    served.virsh("checkpoint-create-as", "guest", "c1")
    served.virsh("destroy", "guest")
    boot(served, "b")
    assert names(served) > first
    served.virsh("destroy", "guest")
    served.virsh("checkpoint-delete", "guest", "c1", "--metadata")
    virt(served, "clean").ok()
    assert not names(served)


def test_the_xml_of_a_run_is_defined(served: Libvirt, tmp_path: Path) -> None:
    """As ``virsh edit`` of a copy, or a backup of it, has it: also under another name."""
    define(served)
    boot(served, "a")
    path = tmp_path / "live.xml"
    copy = served.live("guest").replace("<name>guest<", "<name>copy<").partition("<uuid>")
    path.write_text(copy[0] + copy[2].partition("</uuid>")[2].replace(MAC, "52:54:00:00:00:09"))
    served.virsh("define", str(path))
    path.write_text(served.live("guest"))
    served.virsh("define", str(path))
    first = names(served)
    served.virsh("destroy", "guest")
    virt(served, "clean").ok()
    served.virsh("start", "guest")
    assert "of=a" in said(served, 2)
    served.virsh("destroy", "guest")
    boot(served, "b")
    assert "of=b" in served.live("guest") and served.live("guest").count("PXE: ") == 1
    served.virsh("destroy", "guest")
    served.virsh("undefine", "guest")
    virt(served, "clean").ok()
    assert names(served) == first
    served.virsh("start", "copy")
    served.virsh("destroy", "copy")
    served.virsh("undefine", "copy")
    virt(served, "clean").ok()
    assert not names(served)
