"""What a boot costs that a prepared process forks, as those under ``pypxeboot-virt watch``: processor time.

    scripts/bench watch

Prints the processor time (s) of a boot and of all that it starts, and what part that is of the time that the
import of scapy takes in the same round; then the same of libvirt's hook that boots a domain, with and without
such a process.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from pypxeboot.commands import boot, command, hook_operation, virt_domain
from pypxeboot.config import max_boots
from pypxeboot.host import early
from pypxeboot.privsep import fork_socket
from pypxeboot.privsep.fork_server import ForkServer
from tests.support import hooked
from tests.support.ground import servers, tools
from tests.support.ground.net import MAC, Site
from tests.support.storm import spread, tree

_SIZES = (4 << 10, 1 << 20)  # bytes; the second is 714 packets and as many answers


def run(argv: Sequence[str]) -> int:
    """Boot as ``pypxeboot`` does, in a process that has imported it."""
    process = early.start_client(argv, max_boots.look_up)
    try:
        return command.run(boot.read, argv, process)
    finally:
        if process is not None:
            process.stop()


def prepare() -> None:
    """Import what ``pypxeboot-virt watch`` imports beforehand."""
    virt_domain.prepare()


def used_by_children() -> float:
    """The processor time of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(out: str, count: int) -> None:
    """Boot so many times in the network namespace of this process; print the figures."""

    def counted(argv: Sequence[str]) -> int:
        """Boot in a process of its own, so that it and all that it starts can be counted."""
        pid = os.fork()
        if not pid:
            status = 1
            try:
                status = run(argv)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with open(f"{out}/used", "a") as file:  # noqa: PTH123
            file.write(f"{used_by_children()}\n")
        return status

    server = ForkServer(prepare, counted)
    ratios, own = [], []
    for number in range(count):
        program = server.start(
            ["-q", "--mac", MAC, "--bridge", "br0", "--output", f"{out}/r", "--output-directory", out]
        )
        while program is not None and program.poll() is None:
            time.sleep(0.005)
        if program is None or program.poll():
            raise SystemExit("the boot failed")
        used = float(Path(out, "used").read_text().splitlines()[number])
        before = used_by_children()
        subprocess.run([sys.executable, "-c", "import scapy.layers.dhcp"], check=True)
        own.append(used)
        ratios.append(used / (used_by_children() - before))
    server.stop()
    sys.stdout.write(f": a boot under watch costs {spread(own)} s of processor, ")
    sys.stdout.write(f"{spread(ratios)} of that of import scapy.layers.dhcp\n")


def measure_hook(out: str, count: int) -> None:
    """Have the hook boot a domain so many times, by itself and by a fork; print the figures.

    What it leaves on the host is in file systems of this process' own mount namespace.
    """
    for place in ("/run/pypxeboot", "/var/lib/libvirt", "/var/lib/pypxeboot"):
        Path(place).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)

    def counted(argv: Sequence[str], xml: bytes) -> int:
        status = hook_operation.run(argv, xml)
        used = resource.getrusage(resource.RUSAGE_SELF)
        Path(out, "used").write_text(str(used.ru_utime + used.ru_stime + used_by_children()))
        return status

    def ratio(argv: Sequence[str], text: str = "") -> float:
        """The processor time of a program and of its fork, as part of that of the import."""
        Path(out, "used").write_text("0")
        before = used_by_children()
        subprocess.run([sys.executable, "-c", *argv], input=text, text=True, check=True)
        used = used_by_children() - before + float(Path(out, "used").read_text())
        before = used_by_children()
        subprocess.run([sys.executable, "-c", "import scapy.layers.dhcp"], check=True)
        return used / (used_by_children() - before)

    xml = hooked.xml().replace("<metadata>", f"<uuid>{uuid4()}</uuid><metadata>")
    hook = ["from pypxeboot.commands.virt_hook import run; run()", "guest", "prepare", "begin", "-"]
    alone = [ratio(hook, xml) for _ in range(count)]
    server = ForkServer(prepare, run, counted)
    server.listen(fork_socket.PATH)
    while not Path(fork_socket.PATH).exists():
        time.sleep(0.05)
    forked = [ratio(hook, xml) for _ in range(count)]
    server.stop()
    sys.stdout.write(f"  a boot by libvirt's hook costs {spread(alone)} of that import, ")
    sys.stdout.write(f"{spread(forked)} with watch\n")


def main(count: int) -> None:
    """Make a site for each size of an initrd, and measure on it."""
    for size in _SIZES:
        with tempfile.TemporaryDirectory() as place, Site(Path(place)) as site:
            root = servers.plant(Path(place) / "root", {**tree(), "initrd": os.urandom(size)})
            servers.start(site, "dnsmasq", root)
            (Path(place) / "out").mkdir()
            sys.stdout.write(f"\nan initrd of {size >> 10} KiB by TFTP")
            sys.stdout.flush()
            argv = [sys.executable, "-m", "tests.support.forked_boots", f"{place}/out", str(count)]
            for more in ([], ["hook"]):
                subprocess.run(["ip", "netns", "exec", site.hyp, *argv, *more], cwd=tools.ROOT, check=True)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        (measure_hook if sys.argv[3:] else measure)(sys.argv[1], int(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
