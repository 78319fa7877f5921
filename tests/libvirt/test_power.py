"""Power comes back: what libvirt starts by itself is held before the installed system begins to boot."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ground import tools, wait_until
from tests.support.ground.libvirt import NETWORK
from tests.support.ground.net import Server
from tests.support.watched import SECONDS, Watched

# Says when each domain begins to run, and when it is suspended.
_CLOCK = """
import libvirt, time
libvirt.virEventRegisterDefaultImpl()
connection = libvirt.open("qemu:///system")
names = {2: "started", 3: "suspended", 4: "resumed", 5: "stopped"}
def hear(_c, domain, event, detail, _o):
    print(f"{time.monotonic():.4f} {domain.name()} {names.get(event, event)} {detail}", flush=True)
connection.domainEventRegisterAny(None, 0, hear, None)
print("ready", flush=True)
while True:
    libvirt.virEventRunDefaultImpl()
"""


@pytest.fixture
def clock(watched: Watched) -> Server:
    libvirt = watched.libvirt
    argv = [*libvirt._inside, sys.executable, "-c", _CLOCK]
    server = libvirt.site.spawn(argv, "clock.log", namespace=libvirt.site.hyp)
    server.wait_for("ready")
    return server


def gaps(clock: Server) -> list[float]:
    """Seconds from the first resumption of each domain to the suspension (or the end) that follows it."""
    begun: dict[str, float] = {}
    found: dict[str, float] = {}
    for time, name, what in re.findall(r"^([\d.]+) (\S+) (\w+) \d+$", clock.text(), re.MULTILINE):
        if what == "resumed":
            begun.setdefault(name, float(time))
        elif what in ("suspended", "stopped") and name in begun:
            found.setdefault(name, float(time) - begun[name])
    return sorted(found.values())


def define_twenty(watched: Watched, boot: str) -> list[str]:
    names = [f"guest{number}" for number in range(20)]
    for number, name in enumerate(names):
        network = NETWORK if number % 2 else None
        watched.define(name, f"52:54:00:00:01:{number:02x}", network=network, boot=boot)
    return names


def await_boots(watched: Watched, names: list[str]) -> list[str]:
    """Wait until all run what the network gave them; return those whose disk began to boot."""
    for name in names:
        watched.libvirt.await_serial(name, "entry=install", seconds=2 * SECONDS)
    return [name for name in names if "PROBE disk" in watched.libvirt.serial(name)]


@pytest.mark.parametrize("boot", ["network", "hd"])
def test_twenty_at_once(
    watched: Watched, clock: Server, record_property: Callable[[str, object], None], boot: str
) -> None:
    """Each is held, or ended, before its boot begins.

    Where the network is the only boot device, no installed system begins to boot meanwhile, however late that
    is. Where the disk is in the order, that depends on when libvirtd tells of a start: how many is recorded.
    """
    libvirt, names = watched.libvirt, define_twenty(watched, boot)
    watched.ready()
    prefix = ["ip", "netns", "exec", libvirt.site.hyp, *libvirt._inside]
    argv = [*prefix, tools.need("virsh"), "--quiet", "-c", "qemu:///system", "start"]
    starts = [subprocess.Popen([*argv, name]) for name in names]
    assert [start.wait(SECONDS) for start in starts] == [0] * 20
    booted = await_boots(watched, names)
    found = gaps(clock)
    text = f"{statistics.median(found):.3f} s in the median, {found[-1]:.3f} s at most"
    record_property("told", f"twenty domains started at once: held after {text}; disks that booted: {booted}")
    assert len(found) == 20 and not (booted and boot == "network"), f"{booted}\n{clock.text()}"
    for name in names:
        libvirt.virsh("destroy", name)
    wait_until(lambda: not watched.left(), SECONDS, "nothing is left")


_POLICIES = """
import os
from pypxeboot.virt import qemu_process
threads = qemu_process.processors(qemu_process.process("guest"))
for change in (qemu_process.slow_down, qemu_process.let_go):
    change("guest")
    print(*sorted({os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK for thread in threads}))
"""


def test_a_guest_that_is_held_hardly_runs(watched: Watched) -> None:
    """Its processors are bounded (SCHED_DEADLINE) or idle ones, and are as others when it goes on."""
    libvirt = watched.libvirt
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    watched.define(opt_in="")
    libvirt.virsh("start", "guest")
    run = libvirt.run(sys.executable, "-c", _POLICIES, env={"PYTHONPATH": str(tools.ROOT)}).ok()
    held, goes_on = run.stdout.decode().split()
    assert held in (str(os.SCHED_IDLE), "6") and goes_on == str(os.SCHED_OTHER)
    watched.await_boot("disk")


def test_twenty_that_libvirtd_starts(watched: Watched, tmp_path: Path) -> None:
    """By the hook none begins before watch is there, disks in the boot order or not."""
    libvirt, names = watched.libvirt, define_twenty(watched, "hd")
    libvirt.install_hook(tmp_path)
    for name in names:
        libvirt.virsh("autostart", name)
    libvirt.stop()
    (libvirt.root / "run/qemu/autostarted").unlink(missing_ok=True)  # it does so once until the host reboots
    watched.watch().wait_for("waiting for it", SECONDS)
    libvirt.start()
    assert not await_boots(watched, names)
    assert libvirt.log().count("left to pypxeboot-virt watch") >= 20
    for name in names:
        libvirt.virsh("destroy", name)
    wait_until(lambda: not watched.left(), SECONDS, "nothing is left")
