"""The site in the lab's dom0: guests, their consoles, the server, and what a boot should not leave."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
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
GRUB = "00:16:3e:fe:00"  # how the MACs begin of guests whom the site has boot a GRUB

# An xl that waits for the guest's end, and all that emulation makes slow.
PATIENCE = 600


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
        return said(self.name)

    def domid(self) -> Optional[int]:
        """Its number, while it is there."""
        done = subprocess.run(["xl", "domid", self.name], capture_output=True, text=True, check=False)
        return int(done.stdout) if done.returncode == 0 else None


def said(name: str) -> str:
    """What the domain of that name wrote to its console so far."""
    path = LOGS / f"guest-{name}.log"
    return path.read_text("utf-8", "replace").replace("\r", "") if path.exists() else ""


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


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.1)


def bootloader_log() -> str:
    """What the last bootloader wrote to its terminal."""
    logs = sorted(LOGS.glob("bootloader.*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1].read_bytes().decode("utf-8", "replace") if logs else ""


def plain(text: str) -> str:
    """``text`` without what steers a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x0e\x0f]", "", text)


def ports() -> set[str]:
    lines = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    return {line.split()[0].partition("@")[0] for line in lines.splitlines()} - {"lo", "xenbr0"}


def leftovers() -> list[str]:
    """Links, files and processes that a boot should not leave."""
    found = [f"link {name}" for name in ports()]
    found += [f"file {path}" for path in LIB.glob("bootloader.*")]
    run_directory = Path("/run/pypxeboot")
    places = run_directory / "places"  # the locks of boots that wait for their turn stay
    files = (path for path in run_directory.rglob("*") if path.is_file() and places not in path.parents)
    found += [f"file {path}" for path in files]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != str(os.getpid()):
            with contextlib.suppress(OSError):
                if b"pypxeboot" in (entry / "cmdline").read_bytes():
                    found.append(f"process {entry.name}")
    return found


def nothing_left() -> None:
    """Vifs go by hotplug scripts, a moment after their guest."""
    end = time.monotonic() + 120
    while leftovers() and time.monotonic() < end:
        time.sleep(0.2)
    assert not leftovers(), leftovers()


def failed(guest: Guest, done: subprocess.CompletedProcess[str], *words: str, log: str = "") -> None:
    """xl ended with 3, the guest is gone, and the log says why in a line that can be read."""
    log = log or bootloader_log()
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


def sha256(name: str) -> str:
    return hashlib.sha256((SERVED / name).read_bytes()).hexdigest()


class Console:
    """xl on a terminal: what it shows, and keys for it."""

    def __init__(self, *argv: str) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execvp(argv[0], argv)
        self.text = ""

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in plain(self.text):
            assert time.monotonic() < end, f"{text!r} never came: {plain(self.text)!r}"
            self._read(0.2)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.descriptor, key.encode())
            self._read(0.3)

    def finish(self) -> int:
        """Wait for the end; the exit status."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self._read(0.2)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.descriptor)
                note(repr(self.text))
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError(f"xl hangs: {self.text!r}")

    def _read(self, seconds: float) -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            if select.select([self.descriptor], [], [], seconds)[0]:
                self.text += os.read(self.descriptor, 65536).decode("utf-8", "replace")


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
    (SERVED / "grub2").mkdir()
    (SERVED / "grub2/grubx64.efi").write_bytes(b"MZ, and never run")
    # Not compressed: libxl unpacks what it knows.
    (SERVED / "blob").write_bytes(Path("/usr/bin/python3.11").read_bytes()[:100_001])
    (SERVED / "small").write_bytes(b"small\n" * 100)
    subprocess.run(
        [
            "dnsmasq", "--conf-file=/dev/null", "--port=0", "--interface=xenbr0", "--bind-interfaces",
            "--dhcp-range=192.0.2.100,192.0.2.199,255.255.255.0,1h", "--dhcp-boot=pxelinux.0", "--no-ping",
            f"--dhcp-mac=set:grub,{GRUB}:*", "--dhcp-boot=tag:grub,grub2/grubx64.efi",
            "--dhcp-authoritative", "--dhcp-host=00:16:3e:ff:*:*,ignore", "--enable-tftp",
            f"--tftp-root={SERVED}", "--log-dhcp", "--log-facility=/run/dnsmasq.log", "--user=root",
            "--pid-file=/run/dnsmasq.pid", "--dhcp-leasefile=/run/leases",
        ],
        check=True,
    )  # fmt: skip
    with Path("/boot/disk.img").open("wb") as file:
        file.truncate(4096)
    subprocess.run(["losetup", DISK, "/boot/disk.img"], check=True)
