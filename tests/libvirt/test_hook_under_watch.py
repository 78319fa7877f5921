"""The hook where a ``pypxeboot-virt watch`` runs: a fork of its prepared process does the work."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ground import tools, wait_until
from tests.support.ground.libvirt import Libvirt, need_python
from tests.support.ground.net import Server
from tests.support.hooked import SECONDS, await_gone, await_told, define, failing, said, serve

# The hook, which also tells what the watch's process returned, and what itself had imported by then.
HOOK = """
import sys
from pypxeboot.privsep import fork_socket
ask = fork_socket.ask
def asked(*words):
    status = ask(*words)
    with open({told!r}, "a") as file:
        print(sys.argv[2], status, *sorted(n for n in sys.modules if n.startswith("pypxeboot.")), file=file)
    return status
fork_socket.ask = asked
from pypxeboot.commands.virt_hook import run
run()
"""
IMPORTED = {f"pypxeboot.{name}" for name in "commands commands.virt_hook privsep".split()} | {
    f"pypxeboot.privsep.{name}" for name in ("fork", "fork_socket", "streams")
}


class HookUnderWatch:
    """A libvirtd with the hook, and a watch."""

    def __init__(self, libvirt: Libvirt, place: Path) -> None:
        self.libvirt, self._told = libvirt, place / "told"
        self.socket = libvirt.root / "run-pypxeboot/watch.socket"
        self.notes = libvirt.root / "run-pypxeboot/boots"
        (place / "hook.py").write_text(HOOK.format(told=str(self._told)))
        (place / "pypxeboot-virt-hook").write_text(
            f'#!/bin/sh\nPYTHONPATH={tools.ROOT} exec {sys.executable} {place}/hook.py "$@"\n'
        )
        self.watch()

    def watch(self) -> None:
        self.server = self.libvirt.spawn("pypxeboot.commands.virt", "watch", "-v", log="watch.log")
        self.server.wait_for("connected to", SECONDS)
        wait_until(self.socket.exists, SECONDS, "it listens")

    def told(self) -> list[tuple[str, str, set[str]]]:
        """Each operation, what the watch's process returned, and what the hook had imported."""
        lines = self._told.read_text().splitlines() if self._told.exists() else []
        return [(words[0], words[1], set(words[2:])) for words in map(str.split, lines)]

    def begin(self) -> tuple[Server, int]:
        """A start of the guest, and the process that boots it, while the servers are away."""
        self.libvirt.site.ip("link set srv0 down", namespace=self.libvirt.site.srv)
        argv = [*self.libvirt._inside, tools.need("virsh"), "-c", "qemu:///system", "start", "guest"]
        starting = self.libvirt.site.spawn(argv, "start.log", namespace=self.libvirt.site.hyp)
        wait_until(lambda: self._note().startswith(tuple("123456789")), SECONDS, "it boots")
        return starting, int(self._note().split()[0])

    def _note(self) -> str:
        return "".join(path.read_text() for path in self.notes.glob("*"))

    def go_on(self) -> None:
        """The servers are there."""
        self.libvirt.site.ip("link set srv0 up", namespace=self.libvirt.site.srv)


@pytest.fixture
def under_watch(hooked: Libvirt, tmp_path: Path) -> Iterator[HookUnderWatch]:
    need_python()
    made = HookUnderWatch(hooked, tmp_path)
    yield made
    made.go_on()
    made.server.stop()
    wait_until(lambda: not made.socket.exists(), SECONDS, "no socket is left")


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_guest_is_booted_by_a_fork(
    under_watch: HookUnderWatch, probe_kernel: Callable[[str], bytes]
) -> None:
    """By a child of the watch's process; the hook itself imports next to nothing, and files come and go."""
    libvirt = under_watch.libvirt
    serve(libvirt, probe_kernel("forked"))
    define(libvirt)
    starting, pid = under_watch.begin()
    assert "watch" in Path(f"/proc/{parent(pid)}/cmdline").read_text().split("\0")
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, starting.process.pid)
    under_watch.go_on()
    assert starting.process.wait(SECONDS) == 0
    assert said(libvirt).tag == "forked"
    await_told(libvirt)
    libvirt.virsh("destroy", "guest")
    await_gone(libvirt)
    wait_until(lambda: len(under_watch.told()) == 4, SECONDS, "the hook has ended")
    for (operation, status, imported), name in zip(
        under_watch.told(), ("prepare", "start", "started", "release")
    ):
        assert (operation, status, imported) == (name, "0", IMPORTED)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_watch_that_ends_meanwhile(
    under_watch: HookUnderWatch, probe_kernel: Callable[[str], bytes], number: signal.Signals
) -> None:
    libvirt = under_watch.libvirt
    serve(libvirt, probe_kernel("alone"))
    define(libvirt)
    starting, pid = under_watch.begin()
    (watch,) = [p for p in [parent(parent(pid))] if "watch" in Path(f"/proc/{p}/cmdline").read_text()]
    os.kill(watch, number)
    under_watch.server.process.wait(SECONDS)
    wait_until(lambda: not under_watch.socket.exists(), SECONDS, "no socket is left")
    under_watch.go_on()
    assert starting.process.wait(SECONDS) == 0, starting.text()
    assert said(libvirt).tag == "alone"
    libvirt.virsh("destroy", "guest")
    await_gone(libvirt)


def test_a_process_that_is_killed_meanwhile(
    under_watch: HookUnderWatch, probe_kernel: Callable[[str], bytes]
) -> None:
    """As a service manager does with all that it counts to the watch: the hook boots the guest itself."""
    libvirt = under_watch.libvirt
    serve(libvirt, probe_kernel("again"))
    define(libvirt)
    starting, pid = under_watch.begin()
    server = parent(pid)
    os.kill(server, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    under_watch.go_on()
    assert starting.process.wait(SECONDS) == 0, starting.text()
    assert said(libvirt).tag == "again"
    assert "None" in {status for _, status, _ in under_watch.told()}
    libvirt.virsh("destroy", "guest")
    await_gone(libvirt)
    under_watch.server.stop()
    under_watch.watch()  # in place of the socket that was left


def test_a_boot_is_cancelled(under_watch: HookUnderWatch, probe_kernel: Callable[[str], bytes]) -> None:
    libvirt = under_watch.libvirt
    serve(libvirt, probe_kernel("never"))
    define(libvirt)
    starting, _ = under_watch.begin()
    done = libvirt.pypxeboot("pypxeboot.commands.virt", "cancel", "guest").ok().stdout.decode()
    assert "the boot of domain guest (by hook) is ended" in done
    assert starting.process.wait(SECONDS) == 1 and "pypxeboot: ended by SIGTERM" in starting.text()
    assert ("prepare", "8", IMPORTED) in under_watch.told()
    assert libvirt.state("guest") == "shut off" and not list(under_watch.notes.glob("*"))
    await_gone(libvirt)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_hook_that_is_ended_ends_its_boot(
    under_watch: HookUnderWatch, probe_kernel: Callable[[str], bytes], number: signal.Signals
) -> None:
    libvirt = under_watch.libvirt
    serve(libvirt, probe_kernel("never"))
    place = define(libvirt)
    starting, pid = under_watch.begin()
    (hook,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"{under_watch._told.parent}/hook.py".encode() in path.read_bytes().split(b"\0")
    ]
    os.kill(hook, number)
    assert starting.process.wait(SECONDS) == 1
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), SECONDS, "its boot has ended")
    assert not list(under_watch.notes.glob("*")) and not list(place.glob("*"))
    under_watch.go_on()
    serve(libvirt, probe_kernel("next"))
    libvirt.virsh("start", "guest")
    assert said(libvirt).tag == "next"


def test_a_failure_is_told_alike(under_watch: HookUnderWatch) -> None:
    """Whether watch runs or not: libvirt tells what the hook wrote, and its exit code."""
    libvirt = under_watch.libvirt
    serve(libvirt, b"this is no kernel")
    define(libvirt)
    forked = failing(libvirt, "start", "guest")
    under_watch.server.stop()
    wait_until(lambda: not under_watch.socket.exists(), SECONDS, "no socket is left")
    assert failing(libvirt, "start", "guest") == forked and "pypxeboot: " in forked
    assert [status for operation, status, _ in under_watch.told() if operation == "prepare"] == ["7", "None"]
