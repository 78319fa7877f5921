"""The hook: what a guest was booted with stays while a state file, a snapshot or a definition needs it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ground import tools
from tests.support.ground.libvirt import Libvirt, need_python
from tests.support.hooked import await_gone, await_told, define, failing, kept, said, serve, xml

STATE = "/var/lib/libvirt/images/guest.save"
CONFIG = "DEFAULT {0}\nLABEL {0}\n KERNEL vmlinuz\n APPEND of={0}\n INITRD i1,i2\n"
DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
    "<source file='/var/lib/libvirt/images/q.qcow2'/><target dev='vda' bus='virtio'/></disk>"
)
Serve = Callable[[str], None]


@pytest.fixture
def says(hooked: Libvirt, probe_kernel: Callable[[str], bytes]) -> Serve:
    """From now on the servers have the guest boot an entry of that name."""
    need_python()
    return lambda label: serve(hooked, probe_kernel("stays"), CONFIG.format(label))


def define_qcow2(libvirt: Libvirt) -> None:
    """A domain whose disk can have snapshots."""
    image = libvirt.root / "lib/images/q.qcow2"
    subprocess.run([tools.need("qemu-img"), "create", "-q", "-f", "qcow2", str(image), "16M"], check=True)
    image.chmod(0o666)
    libvirt.define(xml(devices=DISK))


def boot(libvirt: Libvirt) -> str:
    """Start it; its command line, once it also tells of it."""
    before = libvirt.serial("guest").count("PROBE end")
    libvirt.virsh("start", "guest")
    await_told(libvirt)
    return said(libvirt, before + 1).cmdline


def reset(libvirt: Libvirt) -> str:
    before = libvirt.serial("guest").count("PROBE end")
    libvirt.virsh("reset", "guest")
    return said(libvirt, before + 1).cmdline


def clean(libvirt: Libvirt, *words: str) -> str:
    return libvirt.pypxeboot("pypxeboot.commands.virt", "clean", *words).ok().stdout.decode()


def test_a_state_file(hooked: Libvirt, says: Serve) -> None:
    """It is restored after another boot, and after the domain is gone; then it is given up."""
    says("a")
    define(hooked)
    assert "of=a" in boot(hooked)
    first = kept(hooked)
    hooked.virsh("save", "guest", STATE)
    says("b")
    assert "of=b" in boot(hooked)
    hooked.virsh("destroy", "guest")
    hooked.virsh("restore", STATE)
    assert "of=a" in reset(hooked)
    hooked.virsh("destroy", "guest")
    hooked.virsh("undefine", "guest")
    told = clean(hooked)
    assert "in 3 files stay for a state file" in told and kept(hooked) == first
    uuid = next(iter(first)).parent.name
    assert clean(hooked, uuid).count("removed") == 3
    await_gone(hooked)
    run = hooked.run(tools.need("virsh"), "-c", "qemu:///system", "restore", STATE)
    assert run.rc == 1 and "is not on this host" in run.stderr and not hooked.names("--all") - {"other"}


@pytest.mark.parametrize("running", [True, False], ids=["running", "off"])
def test_a_snapshot_with_memory(hooked: Libvirt, says: Serve, running: bool) -> None:
    says("a")
    define_qcow2(hooked)
    assert "of=a" in boot(hooked)
    first = kept(hooked)
    hooked.virsh("snapshot-create-as", "guest", "s1")
    hooked.virsh("destroy", "guest")
    says("b")
    assert "of=b" in boot(hooked)
    if not running:
        hooked.virsh("destroy", "guest")
    says("c")
    hooked.virsh("snapshot-revert", "guest", "s1", "--running")
    assert hooked.state("guest") == "running"
    assert "of=a" in reset(hooked)
    hooked.virsh("destroy", "guest")
    clean(hooked)
    assert kept(hooked) == first
    assert "of=c" in boot(hooked)  # a start is a start
    hooked.virsh("destroy", "guest")
    hooked.virsh("snapshot-delete", "guest", "s1")
    clean(hooked)
    await_gone(hooked)


def test_a_checkpoint_and_the_xml_of_a_run(hooked: Libvirt, says: Serve, tmp_path: Path) -> None:
    """Their files stay; what is defined by a dumped XML boots anew all the same."""
    says("a")
    define_qcow2(hooked)
    assert "of=a" in boot(hooked)
    first = kept(hooked)
    hooked.virsh("checkpoint-create-as", "guest", "c1")
    dumped = tmp_path / "dumped.xml"
    dumped.write_text(hooked.live("guest"))
    hooked.virsh("destroy", "guest")
    clean(hooked)
    assert kept(hooked) == first
    hooked.virsh("checkpoint-delete", "guest", "c1", "--metadata")
    hooked.virsh("define", str(dumped))
    clean(hooked)
    assert kept(hooked) == first
    says("b")
    assert "of=b" in boot(hooked)
    hooked.virsh("destroy", "guest")
    hooked.virsh("undefine", "guest")
    clean(hooked)
    await_gone(hooked)


def test_a_run_that_could_not_tell(hooked: Libvirt, says: Serve, tmp_path: Path) -> None:
    """What is saved before libvirt can be told by what it runs goes on while nothing else was booted."""
    program = tmp_path / "pypxeboot-virt-hook"
    silent = "from pypxeboot.virt.hook import aftermath; aftermath.begin = lambda *_: None; "
    program.write_text(program.read_text().replace("-c 'from", f"-c '{silent}from"))
    says("a")
    define(hooked)
    hooked.virsh("start", "guest")
    assert "of=a" in said(hooked).cmdline
    first = kept(hooked)
    clean(hooked)
    assert kept(hooked) == first
    hooked.virsh("save", "guest", STATE)
    clean(hooked)
    assert kept(hooked) == first
    says("b")
    hooked.virsh("restore", STATE)
    assert "of=a" in reset(hooked)
    hooked.virsh("destroy", "guest")
    assert "in 3 files stay for a state file" in clean(hooked)


def test_a_start_that_fails_leaves_nothing(hooked: Libvirt, says: Serve) -> None:
    says("a")
    hooked.define(xml(devices=DISK))  # without the image of its disk
    assert "q.qcow2" in failing(hooked, "start", "guest")
    await_gone(hooked)
