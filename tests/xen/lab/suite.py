"""Tests that run in the lab's dom0, under the real xl: ``suite.py [TEST...]``.

Every test prints one line, ``@ ok NAME`` or ``@ FAIL NAME: why``; what else may help stands behind ``| ``.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import zlib
from pathlib import Path

import grub
import life
import policy
import typed
from dom0 import (
    DISK,
    LIB,
    LOGS,
    PATIENCE,
    SERVED,
    SERVER,
    Console,
    Guest,
    bootloader_log,
    checksum,
    disk_with_a_system,
    failed,
    note,
    nothing_left,
    plain,
    ports,
    run,
    serve,
    wait_for,
)

DOWN = "\x1b[B"
RESTRICTED = {"LIBXL_BOOTLOADER_RESTRICT": "1", "LIBXL_BOOTLOADER_USER": "nobody"}
MENU = """\
UI menu.c32
MENU TITLE The lab
LABEL one
  MENU LABEL Boot the ^first
  KERNEL probe-pv
  APPEND n=1
LABEL two
  MENU LABEL Boot the ^second
  KERNEL probe-pv
  APPEND n=2
"""


def test_pv_guest() -> None:
    guest = Guest("pv")
    guest.boots("probe-pv", 'console=hvc0 "a b"  x=1', "blob")
    assert guest.create().returncode == 0
    assert "PROBE kind=pv\n" in guest.said
    assert 'PROBE cmdline=[BOOT_IMAGE=probe-pv console=hvc0 "a b"  x=1 initrd=blob]' in guest.said, guest.said
    assert f"PROBE ramdisk {checksum('blob')}" in guest.said, guest.said
    nothing_left()


def test_pvh_guest() -> None:
    guest = Guest("pvh", "pvh")
    guest.boots("probe-pvh", "console=hvc0 y=2", "blob,small")
    assert guest.create().returncode == 0
    assert "PROBE kind=pvh\n" in guest.said
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pvh console=hvc0 y=2 initrd=blob,small]" in guest.said, guest.said
    blob, small = (SERVED / "blob").read_bytes(), (SERVED / "small").read_bytes()
    joined = blob + bytes(-len(blob) % 4) + small
    assert f"PROBE ramdisk size={len(joined)} crc32={zlib.crc32(joined):08x}" in guest.said, guest.said
    nothing_left()


def test_log_that_a_person_can_read() -> None:
    guest = Guest("log")
    guest.boots("probe-pv", "n=1")
    assert guest.create().returncode == 0
    log = bootloader_log()
    note(log)
    assert f"pypxeboot: requesting info for MAC address {guest.mac}\r\n" in log
    assert f"from server {SERVER}\r\n" in log
    assert re.search(r"pypxeboot: entry l: boot, because it is the default\r\n", log)
    assert "\n" not in log.replace("\r\n", ""), "the terminal is raw: every line ends with CR LF"


def test_menu_by_keys_of_the_console() -> None:
    guest = Guest("menu")
    guest.served(MENU)
    console = Console("xl", "create", "-c", str(guest.config))
    console.wait_for("Boot the second")
    assert "The lab" in plain(console.text)
    console.press(DOWN, "\r")
    wait_for(lambda: "PROBE up" in guest.said)
    assert console.finish() == 0
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said, guest.said
    nothing_left()


def test_menu_of_a_console_attached_later() -> None:
    """xl console finds the bootloader's terminal in xenstore; what was drawn before is drawn again."""
    guest = Guest("attached")
    guest.served(MENU)
    process = guest.start()
    wait_for(lambda: guest.domid() is not None)
    log = LOGS / f"bootloader.{guest.domid()}.log"
    wait_for(lambda: log.exists() and "Boot the second" in plain(log.read_text("utf-8", "replace")))
    console = Console("xl", "console", guest.name)
    console.wait_for("Boot the second")
    console.press("s", "\r")
    out, _ = process.communicate(timeout=PATIENCE)
    note(out)
    os.kill(console.pid, signal.SIGKILL)
    console.finish()
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said, guest.said
    nothing_left()


def test_menu_that_counts_down_on_a_console_attached_later() -> None:
    """Whole, whenever somebody comes, although libxl keeps 4 KiB of what was drawn, and numbers tick."""
    guest = Guest("counting")
    guest.served(MENU.replace("MENU TITLE", "TIMEOUT 3000\nMENU TITLE"))
    process = guest.start()
    wait_for(lambda: guest.domid() is not None)
    log = LOGS / f"bootloader.{guest.domid()}.log"
    wait_for(lambda: log.exists() and "Boot the second" in plain(log.read_text("utf-8", "replace")))
    for _ in range(2):  # the second time all that libxl had kept is gone
        time.sleep(5)
        console = Console("xl", "console", guest.name)
        for words in ("The lab", "Boot the first", "Boot the second", "Automatic boot in"):
            console.wait_for(words)
        os.kill(console.pid, signal.SIGKILL)
        console.finish()
    console = Console("xl", "console", guest.name)
    console.wait_for("Boot the second")
    console.press("s", "\r")
    out, _ = process.communicate(timeout=PATIENCE)
    note(out)
    os.kill(console.pid, signal.SIGKILL)
    console.finish()
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said, guest.said
    nothing_left()


def test_console_of_a_guest_that_needs_no_keys() -> None:
    """xl -c waits for ever where a bootloader has ended before the console is attached."""
    guest = Guest("quick")
    guest.boots("probe-pv", "n=1")
    console = Console("xl", "create", "-c", str(guest.config))
    wait_for(lambda: "PROBE up" in guest.said)
    assert console.finish() == 0
    nothing_left()


def test_reboot_asks_the_server_again() -> None:
    guest = Guest("reboot", on_reboot='"restart"')
    guest.boots("probe-pv", "n=1 probe=reboot")
    process = guest.start()
    wait_for(lambda: "n=1" in guest.said)
    guest.boots("probe-pv", "n=2")
    out, _ = process.communicate(timeout=PATIENCE)
    note(out)
    assert process.returncode == 0
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=2]" in guest.said, guest.said
    nothing_left()


def test_identity_is_what_libxl_knows() -> None:
    """UUID of xenstore: in the name of the configuration, and as SYSUUID."""
    uuid = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
    guest = Guest("uuid", uuid=f'"{uuid}"')
    (SERVED / "pxelinux.cfg" / uuid).write_text("DEFAULT l\nLABEL l\n  KERNEL probe-pv\n  SYSAPPEND 6\n")
    assert guest.create().returncode == 0
    assert (
        f"BOOTIF=01-{guest.mac.replace(':', '-')} SYSUUID=2e1f3a8c-6d5b-7f4e-9a0b-1c2d3e4f5a6b" in guest.said
    )
    nothing_left()


def test_local_disk_by_pygrub() -> None:
    """LOCALBOOT: the kernel on the disk's own file system."""
    guest = Guest("disk", disk='["phy:/dev/loop6,xvda,r"]')
    guest.served("DEFAULT hd\nLABEL hd\n  LOCALBOOT 0\n")
    with disk_with_a_system("/dev/loop6"):
        assert guest.create().returncode == 0
    note(bootloader_log())
    assert "pypxeboot: dropping to pygrub for local boot" in bootloader_log()
    assert "PROBE cmdline=[root=/dev/xvda from=disk]" in guest.said, guest.said
    nothing_left()


def test_local_disk_without_a_system() -> None:
    guest = Guest("blank")
    guest.served("DEFAULT hd\nLABEL hd\n  LOCALBOOT 0\n")
    failed(guest, guest.create(), "pygrub", DISK)


def test_mac_of_the_configuration() -> None:
    """Without bootloader_args: from the file that xl create was given."""
    guest = Guest("config", bootloader_args="")
    guest.boots("probe-pv", "n=1")
    assert guest.create().returncode == 0
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=1]" in guest.said, guest.said
    nothing_left()


def test_mac_of_a_libxl_that_tells_it() -> None:
    """patches/libxl-bootloader-vifs.patch; the bootloader has the environment of xl, so xl's own will do."""
    guest = Guest("told", bootloader_args="", vif="")
    guest.boots("probe-pv", "n=1")
    guest.create(env={"XEN_VIF0_MAC": guest.mac, "XEN_VIF0_BRIDGE": "xenbr0"})
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=1]" in guest.said, guest.said
    nothing_left()


def test_kernel_of_the_other_type() -> None:
    """Where libxl would say no more than "Invalid kernel"."""
    guest = Guest("wrong")
    guest.boots("probe-pvh", "n=1")
    failed(guest, guest.create(), "probe-pvh cannot boot as PV: it boots as PVH only")
    guest = Guest("wrong-too", "pvh")
    guest.boots("probe-pv", "n=1")
    failed(guest, guest.create(), "probe-pv cannot boot as PVH: it boots as PV only")


def test_kernel_for_neither() -> None:
    guest = Guest("neither")
    guest.boots("neither", "n=1")
    (SERVED / "neither").write_bytes((SERVED / "probe-pv").read_bytes().replace(b"Xen\0", b"Xxx\0"))
    failed(guest, guest.create(), "neither cannot boot as PV: it says nothing of Xen")
    guest.settings["bootloader_args"] = f'["mac={guest.mac},bridge=xenbr0", "--no-kernel-check"]'
    guest.write()
    assert "Invalid kernel" in guest.create().stdout
    nothing_left()


def test_diskless_guest() -> None:
    """libxl runs no bootloader for it, so pypxeboot-xl resolves first."""
    guest = Guest("diskless", "pvh", disk="", bootloader="", bootloader_args="", extra='"n=2"')
    guest.boots("probe-pvh", r"""a="b c" d='e' f=\g $h""", "small")
    assert run("pypxeboot-xl", "create", "-v", str(guest.config), "--", "-F").returncode == 0
    line = r"""BOOT_IMAGE=probe-pvh a="b c" d='e' f=\g $h initrd=small n=2"""
    assert f"PROBE cmdline=[{line}]" in guest.said, guest.said
    assert f"PROBE ramdisk {checksum('small')}" in guest.said, guest.said
    nothing_left()
    kept = sorted(path.name.partition(".")[0] for path in Path("/var/lib/pypxeboot/diskless").iterdir())
    assert kept == ["kernel", "ramdisk"], kept


def test_diskless_guest_that_fails() -> None:
    guest = Guest("diskless2", "pvh", disk="", bootloader="", bootloader_args="")
    guest.boots("no-such-kernel", "n=1")
    done = run("pypxeboot-xl", "create", str(guest.config), "--", "-F")
    assert done.returncode == 6 and "no-such-kernel" in done.stdout
    assert guest.domid() is None and not list(Path("/var/lib/pypxeboot/diskless2").iterdir())
    nothing_left()


def test_restricted_mode() -> None:
    """libxl asks for another user by --runas, and for nobody's keys by --quiet."""
    guest = Guest("restricted")
    guest.boots("probe-pv", "n=1")
    assert guest.create(env=RESTRICTED).returncode == 0
    assert "PROBE up" in guest.said
    nothing_left()


def test_restricted_bootloader_says_its_reason_before_it_is_killed() -> None:
    guest = Guest("late", bootloader_args="")
    guest.settings["bootloader_args"] = '["mac=00:16:3e:ff:00:04,bridge=xenbr0"]'  # nobody answers
    guest.write()
    failed(guest, guest.create(env={**RESTRICTED, "LIBXL_BOOTLOADER_TIMEOUT": "60"}))


def test_restricted_local_disk_that_its_user_may_not_read() -> None:
    """pygrub ends with 0 then, and libxl would say that it cannot open the kernel."""
    guest = Guest("unread", disk='["phy:/dev/loop6,xvda,r"]')
    guest.served("DEFAULT hd\nLABEL hd\n  LOCALBOOT 0\n")
    with disk_with_a_system("/dev/loop6"):
        Path("/dev/loop6").chmod(0o600)
        failed(guest, guest.create(env=RESTRICTED), "PermissionError")
        assert "hint: libxl restricts the bootloader" in bootloader_log()


def test_pv_kernel_in_a_pvh_guest_with_pvshim() -> None:
    """Xen itself is that guest's kernel, and is given what was downloaded.

    Further it does not come here: it writes to a register that QEMU's processor does not have.
    """
    guest = Guest("shim", "pvh", 128, pvshim="1")
    guest.boots("probe-pvh", "n=1")
    failed(guest, guest.create(), "probe-pvh cannot boot as PV: it boots as PVH only")
    guest.boots("probe-pv", "n=1")
    assert guest.create().returncode == 0
    assert re.search(r"mod\[0\].cmdline: +'BOOT_IMAGE=probe-pv n=1'", guest.said), guest.said
    nothing_left()


def test_linux_guest_gets_the_same_address() -> None:
    guest = Guest("linux", "pv", 160, vif="")
    guest.settings["vif"] = f'["mac={guest.mac},bridge=xenbr0,script=vif-bridge"]'
    guest.write()
    guest.boots("linux", "console=hvc0 quiet mitigations=off", "linux-initrd")
    assert guest.create().returncode == 0
    assert "LINUX type=PV" in guest.said, guest.said
    ours = re.search(r"DHCP lease: ([0-9.]+)/", bootloader_log())
    assert ours and f"LINUX address={ours[1]} " in guest.said, (bootloader_log(), guest.said)
    nothing_left()


def test_no_server() -> None:
    guest = Guest("silent", bootloader_args="")
    guest.mac = "00:16:3e:ff:00:01"  # which the server is told to ignore
    guest.settings["bootloader_args"] = f'["mac={guest.mac},bridge=xenbr0", "--timeout=8"]'
    guest.write()
    failed(guest, guest.create(), "xenbr0")


def test_missing_kernel() -> None:
    guest = Guest("missing")
    guest.boots("no-such-kernel", "n=1")
    failed(guest, guest.create(), "no-such-kernel")


def test_the_guest_database_alone() -> None:
    """A domain that says nothing of a network: its name, which xenstore has, leads to the rest."""
    guest = Guest("known", bootloader_args="", vif="")
    guest.boots("probe-pv", "n=1")
    database = Path("/etc/pypxeboot.conf")
    database.write_text(f"[{guest.name}]\nmac = {guest.mac}\nbridge = xenbr0\nappend = n=2\n")
    try:
        assert guest.create().returncode == 0
    finally:
        database.unlink()
    assert "PROBE cmdline=[BOOT_IMAGE=probe-pv n=1 n=2]" in guest.said, guest.said
    nothing_left()


def test_vlans_of_a_filtering_bridge() -> None:
    """For which this kernel is needed; no domain is."""
    run("ip", "link", "add", "brv", "type", "bridge", "vlan_filtering", "1")
    run("ip", "netns", "add", "far")
    run("ip", "link", "add", "far0", "type", "veth", "peer", "name", "eth0", "netns", "far")
    run("ip", "link", "set", "far0", "master", "brv", "up")
    run("bridge", "vlan", "del", "dev", "far0", "vid", "1")
    run("bridge", "vlan", "add", "dev", "far0", "vid", "20", "pvid", "untagged")
    run("ip", "link", "set", "brv", "up")
    run("ip", "-n", "far", "addr", "add", "198.51.100.1/24", "dev", "eth0")
    run("ip", "-n", "far", "link", "set", "eth0", "up")
    argv = ["ip", "netns", "exec", "far", "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground"]
    argv += ["--port=0", "--user=root", "--pid-file=", "--dhcp-leasefile=/run/far.leases", "--no-ping"]
    argv += ["--enable-tftp", f"--tftp-root={SERVED}", "--dhcp-boot=pxelinux.0"]
    argv += ["--dhcp-range=198.51.100.10,198.51.100.20"]
    server = subprocess.Popen(argv)
    guest = Guest("vlan")
    guest.boots("probe-pv", "n=1")
    try:
        given = ("pypxeboot", "-v", "--json", "--mac", guest.mac, "--bridge", "brv")
        done = run(*given, "--vlan", "20", "-n")
        assert done.returncode == 0 and "198.51.100.1/pxelinux.cfg" in done.stdout
        assert run(*given, "--vlan", "21", "-n", "--timeout", "25").returncode == 3
    finally:
        server.kill()
        server.wait()
        run("ip", "netns", "del", "far")
        run("ip", "link", "del", "brv")
    nothing_left()


def test_destroyed_meanwhile() -> None:
    guest = Guest("destroyed", bootloader_args="")
    guest.settings["bootloader_args"] = '["mac=00:16:3e:ff:00:02,bridge=xenbr0"]'  # nobody answers
    guest.write()
    process = guest.start()
    wait_for(lambda: ports() and guest.domid() is not None)
    run("xl", "destroy", guest.name)
    out, _ = process.communicate(timeout=PATIENCE)
    note(out)
    assert process.returncode == 3
    nothing_left()


def test_interrupted_xl() -> None:
    """Ctrl-C kills xl at once; what it leaves itself is xl's, what the bootloader had is gone."""
    guest = Guest("interrupted", bootloader_args="")
    guest.settings["bootloader_args"] = '["mac=00:16:3e:ff:00:03,bridge=xenbr0"]'
    guest.write()
    process = guest.start(start_new_session=True)
    wait_for(ports)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    wait_for(lambda: not ports())
    run("xl", "destroy", guest.name)
    for path in LIB.glob("bootloader.*"):  # which xl leaves
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    nothing_left()


def test_ten_guests_at_once() -> None:
    guests = [Guest(f"many{number}", memory=32) for number in range(10)]
    for guest in guests:
        guest.boots("probe-pv", f"n={guest.name}", "small")
    processes = [guest.start() for guest in guests]
    for process in processes:
        out, _ = process.communicate(timeout=PATIENCE)
        note(out)
    for guest in guests:
        assert f"n={guest.name} initrd=small]" in guest.said, f"{guest.name}: {guest.said}"
    nothing_left()


def main() -> None:
    both = {**globals(), **vars(life), **vars(policy), **vars(grub), **vars(typed)}
    tests = {name: value for name, value in both.items() if name.startswith("test_")}
    serve()
    for name in sys.argv[1:] or tests:
        begin = time.monotonic()
        note(f"-- {name}")
        try:
            tests[name]()
        except Exception as why:
            note(traceback.format_exc())
            note(bootloader_log())
            text = " ".join(str(why).split()) or type(why).__name__
            print(f"@ FAIL {name}: {text[:300]}", flush=True)
        else:
            print(f"@ ok {name} ({time.monotonic() - begin:.0f} s)", flush=True)


main()
