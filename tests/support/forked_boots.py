"""What a boot costs that a prepared process forks, as those under ``pypxeboot-virt watch``: processor time.

    python -m tests.support.forked_boots MAC OUT COUNT    (in a namespace with br0 and servers)

Prints the processor time (s) of a boot and all that it starts, the median of COUNT, and what the import of
scapy takes in the same run.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence

from pypxeboot.commands import boot, command, virt_domain
from pypxeboot.config import max_boots
from pypxeboot.host import early
from pypxeboot.privsep.fork_server import ForkServer


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
    virt_domain.import_all()


def used_by_children() -> float:
    """The processor time of all children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(mac: str, out: str, count: int) -> None:
    """Measure."""

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
    base = ["--mac", mac, "--bridge", "br0", "--output", f"{out}/result", "--output-directory", out]
    for _ in range(count):
        program = server.start(base)
        assert program is not None
        while program.poll() is None:
            time.sleep(0.005)
        assert program.poll() == 0
    server.stop()
    with open(f"{out}/used") as file:  # noqa: PTH123
        used = [float(line) for line in file][-count:]
    before = used_by_children()
    subprocess.run([sys.executable, "-c", "import scapy.layers.dhcp"], check=True)
    sys.stdout.write(f"{sorted(used)[len(used) // 2]} {used_by_children() - before}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
