"""The real loaders in QEMU, on a site with real servers: about a second a boot.

The servers stay, and only the files change. The machine is a PC without a display, whose BIOS is on the
serial port; the kernel that it boots (``tests/data/kernel``) says what it was handed, and ends QEMU.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Optional

from tests.support.differ.case import Outcome
from tests.support.ground import kernels, servers, tools
from tests.support.ground.net import BRIDGE, MAC, UUID, Site

# iPXE's option ROM as QEMU finds it, unless another is named.
ROM = "pxe-virtio.rom"
# What spares iPXE its waits: for a router (13 s), for proxyDHCP (175.176), and at its banner (a key).
_ROUTER = ("--enable-ra", "--dhcp-range=fd77::,ra-only,64", "--ra-param=srv0,4,60")
_NO_PROXY = "--dhcp-option-force=encap:175,176,1b"
_BANNER = b"iPXE command line"
_DISK = b"PROBE disk"
# What is tried for ever: a line of that many letters, once more than there are seconds of patience. And after
# so many times its patience a machine that still says something is not waited for.
_LETTERS, _MOST = 12, 4
_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


class RealLab:
    """A site, and a machine that boots from it: a context manager.

    ``patience`` is how long, in seconds, the machine may say nothing before it counts as waiting for ever.
    """

    def __init__(self, directory: Path, boot_file: str, rom: Optional[Path] = None) -> None:
        self.directory, self.boot_file, self.rom = directory, boot_file, rom
        self._stack = ExitStack()
        self._kernel = self._disk = b""

    def __enter__(self) -> RealLab:
        build = self.directory / "build"
        build.mkdir(parents=True)
        self._kernel = kernels.build(build)
        (build / "disk").write_bytes(kernels.build_disk(build))
        self.site = self._stack.enter_context(Site(self.directory / "site"))
        self.root = servers.plant(self.site.directory / "root", {"none": b""})
        site = self.site
        site.ip("addr add fd77::1/64 dev srv0 nodad", namespace=site.srv)
        for namespace, link in ((site.srv, "srv0"), (site.hyp, "vsw")):
            # A BIOS checks checksums, which a virtual link leaves to the hardware that it has not.
            argv = ["ip", "netns", "exec", namespace, tools.need("ethtool"), "-K", link, "tx", "off"]
            subprocess.run(argv, capture_output=True, timeout=30)
        site.ip("tuntap add tap0 mode tap", f"link set tap0 master {BRIDGE} up")
        site.adopt("tap0")
        extra = [*_ROUTER, _NO_PROXY]
        servers.dnsmasq(site, self.root, servers.Offer(self.boot_file), names={"#": "10.77.0.1"}, extra=extra)
        servers.nginx(site, self.root)
        (self._access,) = site.directory.glob("*-nginx/access.log")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tagged(self, tag: str) -> bytes:
        """Return a kernel that says ``tag``, and has it at its end as those of the recorded boots."""
        return kernels.tagged(self._kernel, tag) + b"TAG=" + tag.encode() + b"\0"

    def boot(self, files: Mapping[str, bytes], patience: float) -> Outcome:
        """Serve ``files``, start the machine, and say what came of it."""
        for path in sorted(self.root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        for name, data in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        asked_before = self._access.stat().st_size
        console = self.directory / "console"
        console.unlink(missing_ok=True)
        screen = self._run(console, patience)
        with self._access.open("rb") as log:
            log.seek(asked_before)
            asked = re.findall(r'"(\S+ \S+) HTTP/[^"]*"', log.read().decode("latin-1"))
        said = kernels.reports(console.read_text("latin-1")) if console.exists() else []
        if not said:
            return Outcome(local=_DISK in screen, requests=tuple(asked))
        got = said[0]
        checksum = got.checksum if got.size else 0
        cmdline = got.cmdline.encode("latin-1").decode("utf-8", "surrogateescape")
        return Outcome(got.tag, cmdline, got.data, got.size, checksum, requests=tuple(asked))

    def _run(self, console: Path, patience: float) -> bytes:
        rom = "" if self.rom is None else f",romfile={self.rom}"
        disk = self.directory / "build" / "disk"
        argv = [
            *("ip", "netns", "exec", self.site.hyp, tools.need("qemu-system-x86_64"), "-nodefaults"),
            *("-machine", "pc,graphics=off,accel=tcg", "-m", "64", "-display", "none", "-vga", "none"),
            *("-no-reboot", "-no-user-config", "-uuid", UUID),
            *("-netdev", "tap,id=n0,ifname=tap0,script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=n0,mac={MAC},bootindex=1{rom}"),
            *("-drive", f"file={disk},format=raw,if=none,id=d0,readonly=on"),
            *("-device", "virtio-blk-pci,drive=d0,bootindex=2"),
            *("-serial", "stdio", "-debugcon", f"file:{console}", *kernels.DEBUG_EXIT),
        ]
        machine = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return _watch(machine, patience)
        finally:
            if machine.poll() is None:
                os.killpg(machine.pid, signal.SIGKILL)
            machine.communicate()


def _watch(machine: subprocess.Popen[bytes], patience: float) -> bytes:
    """Read the screen until the machine ends, is at its disk, or says nothing new.

    A key is pressed at each banner, which waits for one: before iPXE boots, and when it gives up.
    """
    assert machine.stdin is not None and machine.stdout is not None
    screen, pressed, quiet_since = b"", 0, _time_had(machine.pid)
    end = quiet_since + _MOST * patience
    while machine.poll() is None and _time_had(machine.pid) < end:
        if select.select([machine.stdout], [], [], 0.1)[0]:
            piece = os.read(machine.stdout.fileno(), 1 << 16)
            if not piece:
                break
            before, screen = len(screen), screen + _ESCAPES.sub(b"", piece)
            if screen[before:].strip(b" \r\n"):
                quiet_since = _time_had(machine.pid)
            if b"\n" in piece and _repeats(screen, int(patience) + 1):
                break
        if screen.count(_BANNER) > pressed:
            machine.stdin.write(b" ")
            machine.stdin.flush()
            pressed += 1
        if _DISK in screen or _time_had(machine.pid) - quiet_since > patience:
            break
    return screen


def _time_had(pid: int) -> float:
    """Return the time in seconds, less what the process has waited for a processor: a busy host is slow."""
    waited = [0]
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):
            waited.append(int(thread.read_text().split()[1]))
    return time.monotonic() - max(waited) / 1e9


def _repeats(screen: bytes, times: int) -> bool:
    """Whether the machine says the same again and again, ``times`` at least: it tries for ever what fails."""
    lines = [line.strip() for line in re.split(rb"[\r\n]+", screen)]
    counts = Counter(line for line in lines if len(re.findall(rb"[A-Za-z]", line)) >= _LETTERS)
    return bool(counts) and max(counts.values()) >= times
