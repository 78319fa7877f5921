"""Power comes back: what libvirt starts by itself is held before the installed system begins to boot."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pypxeboot.virt import qemu_process
from tests.support.ground import tools, wait_until
from tests.support.ground.libvirt import NETWORK, Libvirt
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
    for at, name, what in re.findall(r"^([\d.]+) (\S+) (\w+) \d+$", clock.text(), re.MULTILINE):
        if name == "other":  # of the fixture
            continue
        if what == "resumed":
            begun.setdefault(name, float(at))
        elif what in ("suspended", "stopped") and name in begun:
            found.setdefault(name, float(at) - begun[name])
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
        try:
            watched.libvirt.await_serial(name, "entry=install", seconds=4 * SECONDS)
        except AssertionError as why:
            raise AssertionError(f"{why}\n{watched.server.text()}") from None
    return [name for name in names if "PROBE disk" in watched.libvirt.serial(name)]


def start_together(watched: Watched, names: list[str]) -> None:
    libvirt = watched.libvirt
    prefix = ["ip", "netns", "exec", libvirt.site.hyp, *libvirt._inside]
    argv = [*prefix, tools.need("virsh"), "--quiet", "-c", "qemu:///system", "start"]
    starts = [subprocess.Popen([*argv, name]) for name in names]
    assert [start.wait(4 * SECONDS) for start in starts] == [0] * len(names)


def destroy(watched: Watched, names: list[str]) -> None:
    for name in names:
        watched.libvirt.virsh("destroy", name)
    wait_until(lambda: not watched.left(), SECONDS, "nothing is left")


class Processors(threading.Thread):
    """Sees how much of a processor the first run of each domain has, until it is ended."""

    def __init__(self, libvirt: Libvirt) -> None:
        super().__init__(daemon=True)
        self._libvirt, self._first, self.had = libvirt, dict[str, int](), dict[str, float]()
        self.done = False

    def run(self) -> None:
        while not self.done:
            for path in (self._libvirt.root / "run/qemu").glob("guest*.pid"):
                with contextlib.suppress(OSError, ValueError):  # it has just begun, or ended
                    pid = self._first.setdefault(path.stem, int(path.read_text()))
                    threads = qemu_process.processors(pid)
                    self.had[path.stem] = sum(qemu_process.time_of(pid, each) for each in threads) / 1e9
            time.sleep(0.1)


def told(clock: Server, processors: Processors, booted: list[str]) -> str:
    """What is recorded of twenty starts."""
    processors.done = True
    texts = []
    for found in (gaps(clock), sorted(processors.had.values())):
        assert len(found) == 20, clock.text()
        texts.append(f"{statistics.median(found):.3f} s in the median, {found[-1]:.3f} s at most")
    return (
        f"twenty domains started at once: held after {texts[0]}, by when they had had "
        f"{texts[1]} of a processor; disks that booted: {len(booted)}"
    )


Record = Callable[[str, object], None]


@pytest.mark.parametrize("boot", ["network", "hd"])
def test_twenty_at_once(watched: Watched, clock: Server, record_property: Record, boot: str) -> None:
    """Each is held, or ended, before its boot begins.

    Where the network is the only boot device, no installed system begins to boot meanwhile, however late that
    is. Where the disk is in the order, that depends on when libvirtd tells of a start: how many is recorded.
    """
    names = define_twenty(watched, boot)
    watched.ready()
    processors = Processors(watched.libvirt)
    processors.start()
    start_together(watched, names)
    booted = await_boots(watched, names)
    record_property("told", told(clock, processors, booted))
    assert not (booted and boot == "network"), f"{booted}\n{clock.text()}"
    destroy(watched, names)


def test_twenty_at_once_by_the_hook(
    watched: Watched, clock: Server, record_property: Record, tmp_path: Path
) -> None:
    """With the hook no disk begins to boot, however late watch hears of a start: here, when all have."""
    names = define_twenty(watched, "hd")
    watched.libvirt.install_hook(tmp_path)
    watch = watched.ready().process
    processors = Processors(watched.libvirt)
    processors.start()
    os.kill(watch.pid, signal.SIGSTOP)
    start_together(watched, names)
    time.sleep(5)
    os.kill(watch.pid, signal.SIGCONT)
    booted = await_boots(watched, names)
    record_property("told", told(clock, processors, booted))
    assert not booted, clock.text()
    destroy(watched, names)


def policies(libvirt: Libvirt) -> set[int]:
    threads = qemu_process.processors(libvirt.qemu("guest"))
    return {os.sched_getscheduler(thread) for thread in threads}


def test_a_guest_that_goes_on_is_not_held(watched: Watched, tmp_path: Path) -> None:
    """It was not booted from the network, and is restored under watch."""
    libvirt = watched.libvirt
    libvirt.install_hook(tmp_path)
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    watched.define()
    libvirt.virsh("start", "guest")
    watched.await_boot("disk")
    libvirt.virsh("managedsave", "guest")
    watched.ready()
    libvirt.virsh("start", "guest")
    watched.server.wait_for("domain guest runs: its next boot is from the network", SECONDS)
    wait_until(lambda: not held(libvirt), SECONDS, "it is let go")
    assert policies(libvirt) == {os.SCHED_OTHER}
    libvirt.virsh("send-key", "guest", "KEY_R")
    watched.await_boot("install")


def test_a_watch_that_is_killed_meanwhile(watched: Watched, tmp_path: Path) -> None:
    """The guest is off, and the next watch boots it."""
    libvirt = watched.libvirt
    libvirt.install_hook(tmp_path)
    watched.define()
    watch = watched.ready().process
    os.kill(watch.pid, signal.SIGSTOP)
    libvirt.virsh("start", "guest")
    wait_until(lambda: libvirt.state("guest") == "shut off", SECONDS, "it is left to watch")
    watch.kill()
    watch.wait()
    watched.ready()
    watched.await_boot("install")
    assert not held(libvirt) and "PROBE disk" not in libvirt.serial("guest")


def test_a_start_that_is_paused_is_not_ended_by_the_hook(watched: Watched, tmp_path: Path) -> None:
    libvirt = watched.libvirt
    libvirt.install_hook(tmp_path)
    watched.define()
    watched.ready()
    libvirt.virsh("start", "--paused", "guest")
    wait_until(lambda: "<kernel>" in libvirt.live("guest"), SECONDS, "it is booted")
    wait_until(lambda: libvirt.state("guest") == "paused", SECONDS, "it is paused")
    wait_until(lambda: not held(libvirt), SECONDS, "nobody holds it")
    assert "PROBE" not in libvirt.serial("guest")
    libvirt.virsh("resume", "guest")
    watched.await_boot("install")


def held(libvirt: Libvirt) -> list[Path]:
    return list((libvirt.root / "run-pypxeboot/hook").glob("*.held"))


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
    destroy(watched, names)


def test_a_saved_guest_is_restored_before_watch_is_there(watched: Watched, tmp_path: Path) -> None:
    """As libvirt-guests saves them when the host goes down; this one was not booted from the network."""
    libvirt = watched.libvirt
    watched.server = libvirt.site.spawn(["sleep", "600"], "sleep.log")
    watched.define()
    libvirt.virsh("start", "guest")
    watched.await_boot("disk")
    libvirt.virsh("managedsave", "guest")
    libvirt.install_hook(tmp_path)
    libvirt.virsh("autostart", "guest")
    refused = libvirt.log().count("left to pypxeboot-virt watch")  # by the tests before this one
    libvirt.stop()
    (libvirt.root / "run/qemu/autostarted").unlink(missing_ok=True)
    watched.watch().wait_for("waiting for it", SECONDS)
    libvirt.start()
    wait_until(lambda: libvirt.state("guest") == "running", SECONDS, "it is restored")
    watched.server.wait_for("domain guest runs: its next boot is from the network", SECONDS)
    assert libvirt.log().count("left to pypxeboot-virt watch") == refused
    notes = libvirt.root / "run-pypxeboot/hook"
    wait_until(lambda: not list(notes.glob("*")), SECONDS, "the hook has forgotten that it was restored")
    libvirt.virsh("send-key", "guest", "KEY_R")
    watched.await_boot("install")
