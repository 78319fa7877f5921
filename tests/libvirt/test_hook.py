"""The hook, run by a real libvirtd: ``virsh start`` boots from the network."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Optional

import pytest

from tests.support.ground.kernels import checksum
from tests.support.ground.libvirt import NETWORK, Libvirt, domain_xml
from tests.support.ground.net import wait_until
from tests.support.ground.simple import INITRDS, JOINED
from tests.support.hooked import (
    CMDLINE,
    CONFIG,
    MAC,
    PLACE,
    WISH,
    await_gone,
    await_told,
    define,
    failing,
    kept,
    said,
    serve,
)
from tests.support.lost_scenarios import HANDOVER
from tests.support.samples.signatures import Authority


@pytest.mark.parametrize("network", [None, NETWORK], ids=["bridge", "network"])
def test_virsh_start_boots_from_the_network(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], network: Optional[str]
) -> None:
    serve(hooked, probe_kernel("by the hook"))
    place = define(hooked, network)
    stored = hooked.stored("guest")
    hooked.virsh("start", "guest")
    found = said(hooked)
    assert (found.tag, found.cmdline) == ("by the hook", CMDLINE)
    assert (found.size, found.checksum) == (len(JOINED), checksum(JOINED))
    assert sorted(path.name for path in place.iterdir()) == ["guest.cfg"]
    assert {path.name.partition(".")[0] for path in kept(hooked)} == {"kernel", "ramdisk", "config"}
    hooked.virsh("destroy", "guest")
    await_gone(hooked)
    assert hooked.stored("guest") == stored


def test_the_label_of_the_metadata(hooked: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    serve(hooked, probe_kernel("labelled"), CONFIG + "LABEL b\n KERNEL vmlinuz\n APPEND from=b\n")
    define(hooked, wish=" label='b'")
    hooked.virsh("start", "guest")
    found = said(hooked)
    assert (found.cmdline, found.size) == ("BOOT_IMAGE=vmlinuz from=b", 0)


def test_local_disk(hooked: Libvirt, disk_image: bytes) -> None:
    serve(hooked, b"none", "DEFAULT local\nLABEL local\n LOCALBOOT 0\n")
    place = define(hooked, disk=disk_image)
    hooked.virsh("start", "guest")
    hooked.await_serial("guest", "PROBE disk")
    assert [path.name for path in place.iterdir()] == ["guest.cfg"]


def test_the_disk_is_next_in_the_boot_order(hooked: Libvirt, disk_image: bytes) -> None:
    define(hooked, wish=" order='network disk'", disk=disk_image)
    hooked.virsh("start", "guest")
    hooked.await_serial("guest", "PROBE disk")


def test_verified_boot(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path, authority: Authority
) -> None:
    """The policy of pypxeboot.conf holds for the hook: a file without a signature starts nothing."""
    conf, program, kernel = tmp_path / "conf", tmp_path / "pypxeboot-virt-hook", probe_kernel("verified")
    conf.write_text(f"[guest]\nverify = required\ntrust = {authority.directory}/root.pem\nappend = mine=1\n")
    patch = f'from pypxeboot.config import files; files.DEFAULT = "{conf}"; from pypxeboot.commands.virt_hook'
    program.write_text(program.read_text().replace("from pypxeboot.commands.virt_hook", patch))
    serve(hooked, kernel)
    place = define(hooked)
    assert "there is no signature" in failing(hooked, "start", "guest") and not list(place.iterdir())
    for name, data in {"vmlinuz": kernel, **INITRDS}.items():
        (hooked.tftp / f"{name}.sig").write_bytes(authority.sign_file(data))
    hooked.virsh("start", "guest")
    found = said(hooked)
    assert (found.tag, found.cmdline, found.size) == ("verified", "mine=1", len(JOINED))


@pytest.mark.parametrize("network", [None, NETWORK], ids=["bridge", "network"])
def test_a_failure_is_one_line_of_virsh(hooked: Libvirt, network: Optional[str]) -> None:
    serve(hooked, b"this is no kernel")
    place = define(hooked, network)
    text = failing(hooked, "start", "guest")
    (line,) = [line for line in text.splitlines() if "pypxeboot: " in line]
    assert "not a kernel: it looks like text" in line
    assert not [line for line in text.splitlines() if "asked for" in line or "requesting" in line]
    assert not list(place.iterdir()) and not list((hooked.root / "run-pypxeboot").glob("hook/*"))


def test_a_guest_that_boots_nothing_is_not_started(hooked: Libvirt) -> None:
    serve(hooked, b"none", "DEFAULT local\nLABEL local\n LOCALBOOT 0\n")
    define(hooked)
    assert "the domain has none" in failing(hooked, "start", "guest")


def test_a_command_line_that_the_form_cannot_say(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes]
) -> None:
    serve(hooked, probe_kernel("never"), 'DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND q="1 2"\n')
    place = define(hooked)
    assert "holds a quote" in failing(hooked, "start", "guest")
    assert not list(place.iterdir())


def test_a_restored_guest_goes_on(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    """Nothing is asked of the network, and its files are there whatever it boots afterwards."""
    serve(hooked, probe_kernel("saved"))
    place = define(hooked)
    hooked.virsh("start", "guest")
    said(hooked)
    await_told(hooked)
    before = {path: path.read_bytes() for path in kept(hooked)}
    hooked.virsh("managedsave", "guest")
    hooked.pypxeboot("pypxeboot.commands.virt", "clean").ok()
    assert {path: path.read_bytes() for path in kept(hooked)} == before and not list(place.iterdir())
    hooked.serve({})
    hooked.virsh("start", "guest")
    assert hooked.state("guest") == "running"
    assert (tmp_path / "calls").read_text().split()[-4:] == ["restore", "prepare", "start", "started"]
    assert hooked.serial("guest").count("PROBE end") == 1
    hooked.virsh("reset", "guest")
    assert said(hooked, times=2).tag == "saved"
    hooked.virsh("destroy", "guest")
    await_gone(hooked)
    assert "pypxeboot: " in failing(hooked, "start", "guest")


def test_kernel_and_initrd_of_the_xml(hooked: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    """With the command line of the XML, or with that of the entry where there is a -readconfig."""
    serve(hooked, probe_kernel("in the XML"))
    system = f"<kernel>{PLACE}/k</kernel><initrd>{PLACE}/i</initrd><cmdline>static</cmdline>"
    hooked.define(domain_xml("guest", MAC, metadata=WISH.format(""), os=system))
    hooked.virsh("start", "guest")
    found = said(hooked)
    assert (found.tag, found.cmdline, found.size) == ("in the XML", "static", len(JOINED))
    hooked.virsh("destroy", "guest")
    hooked.virsh("undefine", "guest")
    words = ("-readconfig", f"{PLACE}/c")
    system = system.replace("<cmdline>static</cmdline>", "")
    hooked.define(domain_xml("guest", MAC, metadata=WISH.format(""), os=system, qemu=words))
    hooked.virsh("start", "guest")
    found = said(hooked, times=2)
    assert (found.cmdline, found.size) == (CMDLINE, len(JOINED))


def test_files_elsewhere_are_left_alone(hooked: Libvirt, probe_kernel: Callable[[str], bytes]) -> None:
    serve(hooked, probe_kernel("from the network"))
    own = hooked.root / "lib/images/kernel"
    own.write_bytes(probe_kernel("my own"))
    system = "<kernel>/var/lib/libvirt/images/kernel</kernel>"
    hooked.define(domain_xml("guest", MAC, metadata=WISH.format(""), os=system))
    hooked.virsh("start", "guest")
    assert said(hooked).tag == "my own"
    hooked.virsh("destroy", "guest")
    assert own.exists()


def test_the_watch_leaves_a_guest_of_the_hook_alone_until_it_reboots(
    hooked: Libvirt, probe_kernel: Callable[[str], bytes], tmp_path: Path
) -> None:
    pytest.importorskip("libvirt")
    serve(hooked, probe_kernel("first"))
    place = define(hooked)
    watch = hooked.spawn("pypxeboot.commands.virt", "watch", "-v", log="watch.log").wait_for("connected")
    hooked.virsh("start", "guest")
    assert said(hooked).tag == "first"
    wait_until(lambda: "destroy" in hooked.live("guest").partition("<on_reboot>")[2][:20], 20, "on_reboot")
    before = hooked.qemu("guest")
    serve(hooked, probe_kernel("second"))
    hooked.virsh("reset", "guest")
    assert said(hooked, times=2).tag == "second"
    assert hooked.qemu("guest") != before and "-readconfig" not in hooked.live("guest")
    assert not list(place.iterdir())
    watch.stop()


def test_without_its_program_other_domains_start(hooked: Libvirt, tmp_path: Path) -> None:
    (tmp_path / "pypxeboot-virt-hook").unlink()
    hooked.virsh("start", "other")
    define(hooked)
    assert shlex.quote("pypxeboot-virt-hook") in failing(hooked, "start", "guest")


@pytest.mark.parametrize("scenario", ["kernel_with_a_path", "kernel_that_was_not_opened"])
def test_a_lost_client_fills_nothing(hooked: Libvirt, tmp_path: Path, scenario: str) -> None:
    program = tmp_path / "pypxeboot-virt-hook"
    install = f'from tests.support.lost_client import install; install("{scenario}"); '
    program.write_text(program.read_text().replace("-c 'from", f"-c '{install}from"))
    place = define(hooked, NETWORK)
    text = failing(hooked, "start", "guest")
    assert "broke its contract" in text and HANDOVER[scenario][1] in text
    assert not list(place.glob("*"))
