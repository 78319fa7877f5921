"""Many guests at once: how long a rack takes to boot, against an earlier state of the project.

    scripts/bench storm [--guests N]... [--vs COMMIT] [--runs N] [--known]

The server is dnsmasq as it comes: it pings each address for three seconds before it gives it to a guest that
is new to it (--known: the rack comes up again), and answers fifty transfers at a time. It runs
in namespaces of its own, with a /run/pypxeboot of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.ground import servers, tools
from tests.support.ground.net import BRIDGE, Site

CLONE_NEWNET = 0x40000000
SERVER = "10.78.0.1"
_PREFIX = "52:54:00:5a"
_CONFIG = "DEFAULT a\nLABEL a\n LINUX kernel\n INITRD initrd\n"
_LONGEST = 900.0  # s


@dataclass(frozen=True)
class Storm:
    """What came of one: seconds till the last guest had booted, MiB at most, how many did not boot."""

    seconds: float
    mib: float
    processor: float
    failed: int
    told: str


def tree() -> dict[str, bytes]:
    """The files of a small boot."""
    kernel = bytearray(2048)
    kernel[0x1F1:0x1F2], kernel[0x202:0x208] = b"\1", b"HdrS\x0f\2"
    initrd = os.urandom(1 << 20)
    return {"pxelinux.cfg/default": _CONFIG.encode(), "kernel": bytes(kernel), "initrd": initrd}


def mac(number: int) -> str:
    """The MAC address of a guest."""
    return f"{_PREFIX}:{number >> 8:02x}:{number & 255:02x}"


def serve(site: Site, root: Path, known: int) -> None:
    """Start dnsmasq as it comes: with nothing but what this network needs. So many guests have leases."""
    leases = site.fresh("leases")
    expiry = int(time.time()) + 86400
    rows = [f"{expiry} {mac(n)} 10.78.{1 + (n >> 7)}.{1 + (n & 127)} * *\n" for n in range(known)]
    leases.write_text("".join(rows))
    site.ip(f"addr add {SERVER}/16 dev srv0", namespace=site.srv)
    argv = ["dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--user=root"]
    argv += ["--pid-file=", "--port=0", "--interface=srv0", "--bind-interfaces", "--enable-tftp"]
    argv += [f"--tftp-root={root}", "--dhcp-boot=pxelinux.0", f"--dhcp-leasefile={leases}"]
    argv += ["--dhcp-range=10.78.1.1,10.78.9.250,255.255.0.0,1h"]
    site.spawn(argv, "dnsmasq.log").wait_for("TFTP root is")


def start(
    site: Site, checkout: Path, number: int, out: Path, words: Sequence[str]
) -> subprocess.Popen[bytes]:
    """Start the boot of one guest by the project as it is in ``checkout``."""
    libc = ctypes.CDLL(None, use_errno=True)
    out.mkdir()
    argv = [sys.executable, "-m", "pypxeboot", "--mac", mac(number)]
    argv += ["--bridge", BRIDGE, "--output", f"{out}/result", "--output-directory", str(out), *words]
    with open(f"/run/netns/{site.hyp}") as namespace, (out / "log").open("wb") as log:  # noqa: PTH123
        handle = namespace.fileno()
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=out,
            env={**os.environ, "PYTHONPATH": str(checkout)},
            preexec_fn=lambda: libc.setns(handle, CLONE_NEWNET) and os._exit(99),
        )


def storm(site: Site, checkout: Path, guests: int, words: Sequence[str] = ()) -> Storm:
    """Boot so many guests at once."""
    out = Path(tempfile.mkdtemp(dir=site.directory))
    began, before = time.monotonic(), os.times()
    running = [start(site, checkout, number, out / str(number), words) for number in range(guests)]
    most = 0.0
    while any(process.poll() is None for process in running):
        if time.monotonic() > began + _LONGEST:
            for process in running:
                process.kill()
        most = max(most, memory())
        time.sleep(0.1)
    seconds, after = time.monotonic() - began, os.times()
    failed = [number for number, process in enumerate(running) if process.returncode]
    told = (out / str(failed[0]) / "log").read_text("utf-8", "replace")[-1500:] if failed else ""
    shutil.rmtree(out)
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Storm(seconds, most, processor, len(failed), told)


def memory() -> float:
    """Return how many MiB all boots take that run now: what they share counts once."""
    total = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if _PREFIX.encode() in (process / "cmdline").read_bytes():
                rows = (process / "smaps_rollup").read_text().splitlines()
                total += next(int(row.split()[1]) for row in rows if row.startswith("Pss:"))
    return total / 1024


@contextlib.contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """The project as it was at a commit."""
    with tempfile.TemporaryDirectory(prefix="pypxeboot-storm-") as place:
        archive = subprocess.run(["git", "archive", commit, "pypxeboot"], cwd=tools.ROOT, check=True,
                                 capture_output=True)  # fmt: skip
        subprocess.run(["tar", "-x", "-C", place], input=archive.stdout, check=True)
        yield Path(place)


def spread(values: Sequence[float]) -> str:
    """``median (least-most)``."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def compare(site: Site, checkouts: dict[str, Path], guests: int, runs: int, words: Sequence[str]) -> None:
    """Boot so many guests by each state of the project in turn, and print what came of it."""
    found: dict[str, list[Storm]] = {name: [] for name in checkouts}
    for _ in range(runs):
        for name, checkout in checkouts.items():
            found[name].append(storm(site, checkout, guests, words if name == "this" else ()))
    for name, storms in found.items():
        line = f"  {guests:4} guests, {name:10} {spread([s.seconds for s in storms])} s, "
        line += f"processors {spread([s.processor for s in storms])} s, "
        line += f"{spread([s.mib for s in storms])} MiB"
        line += f", {sum(s.failed for s in storms)} of {guests * runs} failed"
        if name != "this":
            pairs = list(zip(found["this"], storms))
            line += f"; this is {spread([own.seconds / other.seconds for own, other in pairs])} of its time"
            line += f", {spread([own.mib / other.mib for own, other in pairs])} of its memory"
        sys.stdout.write(line + "\n")
        sys.stdout.write("".join(f"{s.told}\n" for s in storms if s.told))
        sys.stdout.flush()


def main() -> int:
    """Parse, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--guests", type=int, action="append", metavar="N", help="(1, 16, 64 and 256)")
    parser.add_argument("--vs", metavar="COMMIT", help="boot by that state of the project, too")
    parser.add_argument("--known", action="store_true", help="the server has given the guests leases before")
    parser.add_argument("--runs", type=int, default=1, help="rounds; the figures are medians (1)")
    parser.add_argument("--max-boots", metavar="N", help="that are under way at a time")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    words = ["--max-boots", options.max_boots] if options.max_boots else []
    with contextlib.ExitStack() as undo:
        place = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="pypxeboot-storm-")))
        site = undo.enter_context(Site(place))
        guests = options.guests or [1, 16, 64, 256]
        serve(site, servers.plant(place / "root", tree()), max(guests) if options.known else 0)
        checkouts = {"this": tools.ROOT}
        if options.vs:
            checkouts[options.vs] = undo.enter_context(checkout_of(options.vs))
        for count in guests:
            compare(site, checkouts, count, options.runs, words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
