"""Boots that wait for their turn under ``pypxeboot-virt watch``: what happens to their domains meanwhile."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pypxeboot.virt.records import marks
from tests.support.ground import tools, wait_until
from tests.support.ground.libvirt import Libvirt, domain_xml, need_python
from tests.support.ground.net import Server
from tests.support.hooked import define, said, serve
from tests.support.watched import SECONDS, Watched

VIRT = "pypxeboot.commands.virt"
QUIET = "quiet0"


@pytest.fixture
def queue(watched: Watched) -> Iterator[Watched]:
    """The only place for boots is that of ``first``, whose network has no server; ``guest`` runs."""
    libvirt = watched.libvirt
    ip, hyp = libvirt.site.ip, libvirt.site.hyp
    ip(f"link add {QUIET} type bridge", f"link set {QUIET} up", namespace=hyp)
    watched.define("first", "52:54:00:00:00:02", bridge=QUIET)
    watched.define()
    watched.watch("--max-boots", "1").wait_for("connected to", SECONDS)
    libvirt.virsh("start", "guest")
    watched.await_boot("install")
    libvirt.virsh("start", "first")
    wait_until(lambda: "booting" in status(watched, "first"), SECONDS, "the first boots")
    yield watched
    ip(f"link del {QUIET}", namespace=hyp)


@pytest.fixture
def full(watched: Watched) -> Iterator[Watched]:
    """The only place for boots of this host is that of ``first``, which somebody starts by hand."""
    libvirt = watched.libvirt
    ip, hyp = libvirt.site.ip, libvirt.site.hyp
    ip(f"link add {QUIET} type bridge", f"link set {QUIET} up", namespace=hyp)
    watched.define("first", "52:54:00:00:00:02", opt_in="", bridge=QUIET)
    first = libvirt.spawn(VIRT, "start", "--max-boots", "1", "first", log="first.log")
    first.wait_for("requesting", SECONDS)
    keep(first)
    yield watched
    end(first)
    ip(f"link del {QUIET}", namespace=hyp)


def keep(boot: Server) -> None:
    """Have a boot stand still in its place: one that is slow lets others have it."""
    boot.process.send_signal(signal.SIGSTOP)


def end(boot: Server) -> None:
    boot.process.send_signal(signal.SIGCONT)
    boot.stop()


def status(watched: Watched, name: str) -> str:
    return watched.libvirt.pypxeboot(VIRT, "status", name).ok().stdout.decode()


def cancel(watched: Watched, name: str) -> str:
    return watched.libvirt.pypxeboot(VIRT, "cancel", name).ok().stdout.decode()


def test_a_reboot_that_waits_is_cancelled(queue: Watched) -> None:
    queue.libvirt.virsh("reset", "guest")
    queue.server.wait_for("domain guest reboots", SECONDS)
    assert "state      waiting" in status(queue, "guest")
    assert "domain guest is not booted" in cancel(queue, "guest")
    cancel(queue, "first")
    queue.server.wait_for("domain guest is off .its boot was cancelled", SECONDS)
    queue.await_off()


@pytest.mark.parametrize("by_virsh", [False, True])
def test_a_domain_that_is_held_for_its_boot_is_ended(queue: Watched, by_virsh: bool) -> None:
    """It is suspended until it is its turn: virsh can destroy it, and it stays off."""
    libvirt = queue.libvirt
    queue.define("second", "52:54:00:00:00:03")
    libvirt.virsh("start", "--paused", "second")
    queue.server.wait_for("domain second was started", SECONDS)
    libvirt.virsh("destroy", "second") if by_virsh else cancel(queue, "second")
    why = "destroyed" if by_virsh else "its boot was cancelled"
    if by_virsh:
        queue.server.wait_for(f"domain second is off .{why}", SECONDS)
    cancel(queue, "first")
    queue.server.wait_for(f"domain second is off .{why}", SECONDS)
    libvirt.virsh("reset", "guest")  # its turn is behind that
    queue.says("other")
    queue.await_boot("other")
    assert libvirt.names() == {"guest"} and "domain second is started" not in queue.server.text()


def test_a_boot_that_waits_for_a_place_on_the_host_is_cancelled(full: Watched) -> None:
    """Watch has begun it, and somebody else's boot has the place."""
    libvirt = full.libvirt
    full.define()
    full.watch("--max-boots", "1").wait_for("connected to", SECONDS)
    libvirt.virsh("start", "--paused", "guest")
    turn = libvirt.root / "run-pypxeboot/places/turn"
    wait_until(lambda: marks.is_locked(turn), SECONDS, "it waits for its turn")
    assert "(by watch) is ended" in cancel(full, "guest")
    full.server.wait_for("guest: error: ended by SIGTERM while it waited for its turn", SECONDS)
    full.server.wait_for("domain guest is not started", SECONDS)
    wait_until(lambda: "guest" not in libvirt.names(), SECONDS, "it is off")
    wait_until(lambda: not list((libvirt.root / "run-pypxeboot/watch").iterdir()), SECONDS, "forgotten")


@pytest.mark.parametrize("word", ["name", "uuid"])
@pytest.mark.parametrize("command", ["start", "run"])
def test_a_boot_by_hand_that_waits_for_a_place_on_the_host_is_cancelled(
    full: Watched, command: str, word: str
) -> None:
    """By the word that it was begun with, or another."""
    libvirt = full.libvirt
    full.define(opt_in="")
    words = (command, "--max-boots", "1", "guest")
    full.server = waiting = libvirt.spawn(VIRT, *words, log="waiting.log")
    waiting.wait_for("this boot waits for its turn", SECONDS)
    name = libvirt.virsh("domuuid", "guest").strip() if word == "uuid" else "guest"
    assert f"(by {command}) is ended" in cancel(full, name)
    assert waiting.process.wait(SECONDS) == 8, waiting.text()
    assert "ended by SIGTERM while it waited for its turn" in waiting.text()
    boots = libvirt.root / "run-pypxeboot/boots"
    assert libvirt.state("guest") == "shut off" and not list(boots.glob("waits.*"))
    refused = libvirt.pypxeboot(VIRT, "cancel", "guest")
    assert refused.rc == 2 and "domain guest is not being booted" in refused.stderr


def test_a_boot_that_somebody_has_stopped_is_cancelled(full: Watched) -> None:
    """By SIGSTOP, which is how ``full`` has the first keep the only place."""
    full.server = next_one = full.libvirt.spawn(VIRT, "run", "--max-boots", "1", "guest", log="next.log")
    full.define(opt_in="")
    next_one.wait_for("this boot waits for its turn", SECONDS)
    cancel(full, "first")
    full.await_boot("install")
    full.libvirt.virsh("destroy", "guest")
    assert next_one.process.wait(SECONDS) == 0


def test_a_boot_that_cannot_begin_ends_what_was_held_for_it(watched: Watched) -> None:
    """Its interface is on no bridge; it is told once, and nobody tries for ever."""
    xml = watched.xml().replace("<interface type='bridge'>", "<interface type='user'>")
    watched.libvirt.define(xml.replace("<source bridge='br0'/>", ""))
    watched.ready()
    watched.libvirt.virsh("start", "--paused", "guest")
    watched.server.wait_for("an interface of type user is on no bridge", SECONDS)
    watched.server.wait_for("domain guest is not started", SECONDS)
    watched.await_off()
    assert watched.server.text().count("domain guest was started") == 1


# The hook of a host whose boots are one at a time.
HOOK = """
from pypxeboot.host import admission
admission.default_limit = lambda: 1
from pypxeboot.commands.virt_hook import run
run()
"""


class HookInQueue:
    """The hook waits for the only place for a boot of ``guest``; ``first`` has it, and ``second`` is next."""

    def __init__(self, libvirt: Libvirt, place: Path, second: str) -> None:
        self.libvirt = libvirt
        (place / "hook.py").write_text(HOOK)
        (place / "pypxeboot-virt-hook").write_text(
            f'#!/bin/sh\nPYTHONPATH={tools.ROOT} exec {sys.executable} {place}/hook.py "$@"\n'
        )
        define(libvirt)
        libvirt.define(domain_xml("first", "52:54:00:00:00:02", bridge=QUIET))
        self.first = self.start("first", "--timeout", "600")
        self.first.wait_for("requesting", SECONDS)
        keep(self.first)
        self.second = self.start(second)
        self.second.wait_for("this boot waits for its turn", SECONDS)
        argv = [*libvirt._inside, tools.need("virsh"), "-c", "qemu:///system", "start", "guest"]
        self.virsh = libvirt.site.spawn(argv, "start.log", namespace=libvirt.site.hyp)
        turn = libvirt.root / "run-pypxeboot/places/turn"
        wait_until(lambda: f"{turn.stat().st_ino}" in waiters(), SECONDS, "the hook waits")

    def start(self, name: str, *words: str) -> Server:
        return self.libvirt.spawn(VIRT, "start", "--max-boots", "1", *words, name, log=f"{name}-by-hand.log")


def waiters() -> set[str]:
    """The inodes of files for whose locks somebody waits, by the kernel's list."""
    rows = map(str.split, Path("/proc/locks").read_text().splitlines())
    return {row[6].rpartition(":")[2] for row in rows if row[1] == "->"}


@pytest.fixture
def hook_in_queue(
    hooked: Libvirt, tmp_path: Path, probe_kernel: Callable[[str], bytes]
) -> Iterator[Callable[[str], HookInQueue]]:
    need_python()
    ip, hyp, made = hooked.site.ip, hooked.site.hyp, []
    ip(f"link add {QUIET} type bridge", f"link set {QUIET} up", namespace=hyp)
    serve(hooked, probe_kernel("queue"))

    def make(second: str) -> HookInQueue:
        made.append(HookInQueue(hooked, tmp_path, second))
        return made[-1]

    yield make
    for one in made:
        end(one.first)
        one.second.stop()
    ip(f"link del {QUIET}", namespace=hyp)


def test_a_boot_of_the_hook_that_waits_for_a_place_is_cancelled(
    hook_in_queue: Callable[[str], HookInQueue],
) -> None:
    waiting = hook_in_queue("first")
    done = waiting.libvirt.pypxeboot(VIRT, "cancel", "guest").ok().stdout.decode()
    assert "the boot of domain guest (by hook) is ended" in done
    assert waiting.virsh.process.wait(SECONDS) == 1 and "ended by SIGTERM" in waiting.virsh.text()
    assert waiting.first.process.poll() is None and waiting.libvirt.state("guest") == "shut off"


def test_a_place_whose_boot_waits_for_libvirt_is_given_to_the_hook(
    hook_in_queue: Callable[[str], HookInQueue],
) -> None:
    """libvirt says nothing of a domain while its hook runs: each would wait for the other, for ever."""
    waiting = hook_in_queue("guest")
    end(waiting.first)
    waiting.second.wait_for("this boot has not begun in 15 s: others have its turn", SECONDS)
    assert waiting.virsh.process.wait(SECONDS) == 0, waiting.virsh.text()
    assert said(waiting.libvirt).tag == "queue"
    assert waiting.second.process.wait(SECONDS) == 7 and "domain guest is running" in waiting.second.text()
