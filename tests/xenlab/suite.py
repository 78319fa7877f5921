"""Tests that run in the lab's dom0, under the real xl: ``suite.py [TEST...]``.

Every test prints one line, ``@ ok NAME`` or ``@ FAIL NAME: why``; what else may help stands behind ``| ``.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

SERVED = Path("/srv/tftp")
LOGS = Path("/var/log/xen")
CONFIGS = Path("/etc/xen/t")
LIB = Path("/var/lib/xen")
SERVER = "192.0.2.1"
DISK = "/dev/loop7"

# An xl that waits for the guest's end, and all that emulation makes slow.
PATIENCE = 150


class Guest:
    """One guest: its configuration, its place on the server, and what it said."""

    numbers = iter(range(1, 250))

    def __init__(self, name: str, kind: str = "pv", memory: int = 64, **settings: str) -> None:
        number = next(self.numbers)
        self.name, self.kind = name, kind
        self.mac = f"00:16:3e:00:00:{number:02x}"
        self.address = f"192.0.2.{number + 100}"
        self.config = CONFIGS / f"{name}.cfg"
        self.settings = {
            "name": f'"{name}"',
            "type": f'"{kind}"',
            "memory": str(memory),
            "bootloader": '"pypxeboot"',
            "bootloader_args": f'["mac={self.mac},bridge=xenbr0"]',
            "disk": f'["phy:{DISK},xvda,r"]',
            "vif": f'["mac={self.mac},bridge=xenbr0,script=vif-quick"]',
            "on_crash": '"destroy"',
            **settings,
        }
        self.write()

    def write(self) -> None:
        lines = [f"{key}={value}\n" for key, value in self.settings.items() if value]
        self.config.write_text("".join(lines))

    def served(self, text: str) -> None:
        """What the server has for this guest's MAC."""
        path = SERVED / "pxelinux.cfg" / f"01-{self.mac.replace(':', '-')}"
        path.write_text(text)

    def boots(self, kernel: str, append: str, initrd: str = "") -> None:
        """One label, with everything on it."""
        ramdisk = f"  INITRD {initrd}\n" if initrd else ""
        self.served(f"DEFAULT l\nLABEL l\n  KERNEL {kernel}\n{ramdisk}  APPEND {append}\n")

    def create(self, *more: str, env: Optional[dict[str, str]] = None) -> subprocess.CompletedProcess[str]:
        """``xl create -F``: ends when the guest does."""
        return run("xl", "create", "-F", str(self.config), *more, env=env)

    def start(self, *argv: str, **more: Any) -> subprocess.Popen[str]:
        """The same in the background."""
        return subprocess.Popen(
            argv or ["xl", "create", "-F", str(self.config)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", **more,
        )  # fmt: skip

    @property
    def said(self) -> str:
        """What the guest wrote to its console so far."""
        path = LOGS / f"guest-{self.name}.log"
        return path.read_text("utf-8", "replace").replace("\r", "") if path.exists() else ""

    def domid(self) -> Optional[int]:
        """Its number, while it is there."""
        done = subprocess.run(["xl", "domid", self.name], capture_output=True, text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else None


def run(*argv: str, env: Optional[dict[str, str]] = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=PATIENCE, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip
    note(f"$ {' '.join(argv)}: {done.returncode}\n{done.stdout}")
    return done


def note(text: str) -> None:
    for line in text.splitlines():
        print("|", line)


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def bootloader_log() -> str:
    """What the last bootloader wrote to its terminal."""
    logs = sorted(LOGS.glob("bootloader.*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1].read_bytes().decode("utf-8", "replace") if logs else ""


def ports() -> set[str]:
    lines = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0].partition("@")[0] for line in lines.splitlines()} - {"lo", "xenbr0"}


def leftovers() -> list[str]:
    """Links, files and processes that a boot should not leave."""
    found = [f"link {name}" for name in ports()]
    found += [f"file {path}" for path in LIB.glob("bootloader.*")]
    run_directory = Path("/run/pypxeboot")
    found += [f"file {path}" for path in run_directory.rglob("*") if path.is_file()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            with contextlib.suppress(OSError):
                if b"pypxeboot" in (entry / "cmdline").read_bytes():
                    found.append(f"process {entry.name}")
    return found


def nothing_left() -> None:
    """Vifs go by hotplug scripts, a moment after their guest."""
    end = time.monotonic() + 20
    while leftovers() and time.monotonic() < end:
        time.sleep(0.2)
    assert not leftovers(), leftovers()


def failed(guest: Guest, done: subprocess.CompletedProcess[str], *words: str) -> None:
    """xl ended with 3, the guest is gone, and the log says why in a line that can be read."""
    log = bootloader_log()
    note(log)
    assert done.returncode == 3, f"xl ended with {done.returncode}"
    errors = [line.strip("\r") for line in log.split("\n") if line.startswith("pypxeboot: error: ")]
    assert len(errors) == 1, errors
    assert all(word in errors[0] for word in words), errors[0]
    assert "Traceback" not in log and guest.domid() is None
    nothing_left()


def checksum(name: str) -> str:
    data = (SERVED / name).read_bytes()
    return f"size={len(data)} crc32={zlib.crc32(data):08x}"


# -- the tests


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
    env = {"LIBXL_BOOTLOADER_RESTRICT": "1", "LIBXL_BOOTLOADER_USER": "nobody"}
    assert guest.create(env=env).returncode == 0
    assert "PROBE up" in guest.said
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
        out, _ = process.communicate(timeout=300)
        note(out)
    for guest in guests:
        assert f"n={guest.name} initrd=small]" in guest.said, f"{guest.name}: {guest.said}"
    nothing_left()


# -- the site


@contextlib.contextmanager
def disk_with_a_system(device: str) -> Iterator[None]:
    """A disk with a file system, and on it a kernel and a configuration that pygrub finds."""
    image, tree = Path("/tmp/system.img"), Path("/tmp/system")
    (tree / "boot/grub").mkdir(parents=True)
    shutil.copy("/boot/probe-pv", tree / "boot/vmlinuz")
    (tree / "boot/grub/menu.lst").write_text(
        "default 0\ntimeout 1\ntitle system\n  root (hd0)\n  kernel /boot/vmlinuz root=/dev/xvda from=disk\n"
    )
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mkfs.ext2", "-q", "-F", "-d", str(tree), str(image)], check=True)
    subprocess.run(["losetup", device, str(image)], check=True)
    try:
        yield
    finally:
        subprocess.run(["losetup", "-d", device], check=False)
        shutil.rmtree(tree)
        image.unlink()


def serve() -> None:
    (SERVED / "pxelinux.cfg").mkdir(parents=True)
    CONFIGS.mkdir(parents=True)
    for name in ("probe-pv", "probe-pvh", "linux", "linux-initrd"):
        os.link(f"/boot/{name}", SERVED / name)
    (SERVED / "pxelinux.0").write_bytes(b"never run")
    # Not compressed: libxl unpacks what it knows.
    (SERVED / "blob").write_bytes(Path("/usr/bin/python3.11").read_bytes()[:100_001])
    (SERVED / "small").write_bytes(b"small\n" * 100)
    subprocess.run(
        [
            "dnsmasq", "--conf-file=/dev/null", "--port=0", "--interface=xenbr0", "--bind-interfaces",
            "--dhcp-range=192.0.2.100,192.0.2.199,255.255.255.0,1h", "--dhcp-boot=pxelinux.0", "--no-ping",
            "--dhcp-authoritative", "--dhcp-host=00:16:3e:ff:*:*,ignore", "--enable-tftp",
            f"--tftp-root={SERVED}", "--log-dhcp", "--log-facility=/run/dnsmasq.log", "--user=root",
            "--pid-file=/run/dnsmasq.pid", "--dhcp-leasefile=/run/leases",
        ],
        check=True,
    )  # fmt: skip
    with Path("/boot/disk.img").open("wb") as file:
        file.truncate(4096)
    subprocess.run(["losetup", DISK, "/boot/disk.img"], check=True)


def main() -> None:
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
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
