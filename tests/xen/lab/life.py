"""What becomes of a guest after its first boot: saved, migrated, renamed, its file edited, rebooted by xl."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

from dom0 import (
    CONFIGS,
    LOGS,
    Guest,
    bootloader_log,
    checksum,
    failed,
    note,
    nothing_left,
    run,
    said,
    wait_for,
)

XL_CONF = Path("/etc/xen/xl.conf")


def created_in_its_folder(guest: Guest) -> None:
    """``xl create NAME.cfg`` as sudo starts it: without PWD, and not in the foreground."""
    done = run("env", "-u", "PWD", "-C", str(CONFIGS), "xl", "create", f"{guest.name}.cfg")
    assert done.returncode == 0


def saveable(name: str) -> Guest:
    """A guest that is up, can be suspended, and reboots when it goes on; its bootloader has no arguments."""
    guest = Guest(name, "pvh", 64, bootloader_args="", on_reboot='"restart"', shadow_memory="16")
    guest.boots("probe-pvh", "n=1 probe=suspend")
    created_in_its_folder(guest)
    wait_for(lambda: "PROBE suspend=" in guest.said)
    port = guest.said.partition("PROBE suspend=")[2].partition("\n")[0]
    run("xenstore-write", f"/local/domain/{guest.domid()}/device/suspend/event-channel", port)
    guest.boots("probe-pvh", "n=2")
    guest.config.unlink()
    return guest


def boots_again(guest: Guest, name: str) -> None:
    """The domain of that name asks the server again, with the MAC that it had, and is gone in the end."""
    wait_for(lambda: "PROBE cmdline=[BOOT_IMAGE=probe-pvh n=2]" in said(name))
    note(bootloader_log())
    assert f"requesting info for MAC address {guest.mac}" in bootloader_log()
    wait_for(lambda: run("xl", "domid", name).returncode != 0)
    nothing_left()


def test_reboot_after_save_and_restore() -> None:
    """Its file is gone by then, and no xl create is above the bootloader."""
    guest = saveable("saved")
    assert run("xl", "save", guest.name, "/run/saved.img").returncode == 0
    assert guest.domid() is None
    assert run("xl", "restore", "/run/saved.img").returncode == 0
    Path("/run/saved.img").unlink()
    boots_again(guest, guest.name)


def test_reboot_after_rename() -> None:
    """Its section in pypxeboot.conf is that of its former name."""
    guest = saveable("former")
    database = Path("/etc/pypxeboot.conf")
    database.write_text("[former]\nappend = by=section\n")
    try:
        assert run("xl", "save", guest.name, "/run/saved.img").returncode == 0
        assert run("xl", "restore", "-p", "/run/saved.img").returncode == 0
        assert run("xl", "rename", guest.name, "renamed").returncode == 0
        guest.boots("probe-pvh", "n=3")
        assert run("xl", "unpause", "renamed").returncode == 0
        wait_for(lambda: "PROBE cmdline=[BOOT_IMAGE=probe-pvh n=3 by=section]" in said("renamed"))
        wait_for(lambda: run("xl", "domid", "renamed").returncode != 0)
    finally:
        database.unlink()
        Path("/run/saved.img").unlink()
    nothing_left()


def test_reboot_after_migrate() -> None:
    """To this very host, by xl migrate-receive. A PV guest would need a Xen that can shadow its memory."""
    guest = saveable("moved")
    assert run("xl", "migrate", "-s", "", guest.name, "xl migrate-receive").returncode == 0
    boots_again(guest, guest.name)


def test_reboot_after_the_file_was_edited() -> None:
    """libxl reboots with the MAC that it stored, and so asks pypxeboot."""
    guest = Guest("edited", bootloader_args="", on_reboot='"restart"')
    guest.boots("probe-pv", "n=1 probe=reboot")
    created_in_its_folder(guest)
    guest.settings["vif"] = '["mac=00:16:3e:ff:00:09,bridge=nobr"]'
    guest.write()
    wait_for(lambda: "n=1" in guest.said)
    guest.boots("probe-pv", "n=2")
    wait_for(lambda: "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said)
    wait_for(lambda: guest.domid() is None)
    nothing_left()


@contextlib.contextmanager
def xl_conf(text: str) -> Iterator[None]:
    """These lines at the end of xl.conf."""
    shutil.copy(XL_CONF, "/run/xl.conf")
    with XL_CONF.open("a") as file:
        file.write(f"\n{text}\n")
    try:
        yield
    finally:
        shutil.copy("/run/xl.conf", XL_CONF)


def test_vif_of_which_xl_conf_tells_the_rest() -> None:
    guest = Guest("defaults", bootloader_args="", vif="")
    with guest.config.open("a") as file:
        file.write(f'vif+=["mac={guest.mac}"]\n')
    guest.boots("probe-pv", "n=1")
    with xl_conf('vif.default.script="vif-quick"\nvif.default.bridge="xenbr0"'):
        assert guest.create().returncode == 0
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=1]" in guest.said, guest.said
    assert "bridge xenbr0, script vif-quick from" in bootloader_log(), bootloader_log()
    nothing_left()


def test_vif_whose_backend_is_another_domain() -> None:
    other = Guest("netdom")
    other.boots("probe-pv", "probe=sleep")
    assert run("xl", "create", str(other.config)).returncode == 0
    guest = Guest("behind", bootloader_args="")
    guest.settings["vif"] = f'["mac={guest.mac},bridge=xenbr0,script=vif-quick,backend={other.name}"]'
    guest.write()
    try:
        done = guest.create()
        log = bootloader_log()
    finally:
        run("xl", "destroy", other.name)
    failed(guest, done, "backend=netdom", "not on this host", log=log)


def test_crash_of_a_guest_that_is_started_again() -> None:
    guest = Guest("crashed", on_crash='"restart"')
    guest.boots("probe-pv", "n=1 probe=crash")
    created_in_its_folder(guest)
    wait_for(lambda: "n=1" in guest.said)
    guest.boots("probe-pv", "n=2")
    wait_for(lambda: "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said)
    wait_for(lambda: guest.domid() is None)
    nothing_left()


def test_create_paused() -> None:
    """All is downloaded by then, and nothing of the guest has run."""
    guest = Guest("paused")
    guest.boots("probe-pv", "n=1")
    assert run("xl", "create", "-p", str(guest.config)).returncode == 0
    guest.boots("probe-pv", "n=2")
    assert "PROBE" not in guest.said
    assert run("xl", "unpause", guest.name).returncode == 0
    wait_for(lambda: "PROBE cmdline=[BOOT_IMAGE=probe-pv n=1]" in guest.said)
    wait_for(lambda: guest.domid() is None)
    nothing_left()


def test_second_domain_of_one_name() -> None:
    """xl refuses it, and no boot is begun."""
    guest = Guest("twice")
    guest.boots("probe-pv", "n=1 probe=sleep")
    assert run("xl", "create", str(guest.config)).returncode == 0
    logs = sorted(LOGS.glob("bootloader.*.log"))
    try:
        done = run("xl", "create", str(guest.config))
    finally:
        run("xl", "destroy", guest.name)
    assert done.returncode != 0 and "already exists" in done.stdout
    assert sorted(LOGS.glob("bootloader.*.log")) == logs
    nothing_left()


def diskless(name: str) -> Guest:
    return Guest(name, "pvh", disk="", bootloader="", bootloader_args="", on_reboot='"restart"')


def kept(guest: Guest) -> set[str]:
    return {path.name for path in Path("/var/lib/pypxeboot", guest.name).iterdir()}


def end_monitor(guest: Guest) -> None:
    """End the xl that would start a guest again which always reboots, and then the guest."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if str(guest.config).encode() in words and any(word.endswith(b"xl") for word in words[:2]):
                os.kill(int(entry.name), signal.SIGKILL)
    wait_for(lambda: run("xl", "destroy", guest.name).returncode != 0)


def test_reboot_of_a_diskless_guest() -> None:
    """xl opens the files again that pypxeboot-xl left, and the server is not asked."""
    guest = diskless("again")
    guest.boots("probe-pvh", "n=1 probe=reboot", "small")
    assert run("pypxeboot-xl", "create", str(guest.config)).returncode == 0
    guest.boots("probe-pvh", "n=2")
    wait_for(lambda: guest.said.count("PROBE up") > 1)
    end_monitor(guest)
    assert "n=2" not in guest.said and guest.said.count(f"PROBE ramdisk {checksum('small')}") > 1
    nothing_left()


def test_files_of_a_diskless_guest_that_was_renamed() -> None:
    """Another domain has its name by then, and nobody takes away what it will open when it reboots."""
    guest = diskless("name")
    guest.boots("probe-pvh", "n=1 probe=sleep", "small")
    assert run("pypxeboot-xl", "create", str(guest.config)).returncode == 0
    first = kept(guest)
    assert run("xl", "rename", guest.name, "former").returncode == 0
    assert run("pypxeboot-xl", "create", str(guest.config)).returncode == 0
    both = kept(guest)
    assert first < both and len(both) == 4, (first, both)
    for name in ("former", guest.name):
        run("xl", "destroy", name)
    guest.boots("probe-pvh", "n=3")
    assert run("pypxeboot-xl", "create", str(guest.config), "--", "-F").returncode == 0
    assert len(kept(guest)) == 1 and not kept(guest) & both
    nothing_left()
