"""Programs that a prepared process forks: what comes of them, and of those that are killed."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pypxeboot.privsep.fork_server import ForkedProgram, ForkServer
from tests.support.ground import wait_until

SECONDS = 60


def body(argv: Sequence[str]) -> int:
    """What the programs of these tests do."""
    if argv[0] == "sleep":
        Path(argv[1]).write_text(str(os.getpid()))
        time.sleep(600)
    if argv[0] == "raise":
        raise RuntimeError
    stdin = Path("/proc/self/fd/0").readlink()
    loaded = "prepared" in sys.modules
    Path(argv[1]).write_text(f"{os.getppid()} {os.nice(0)} {loaded} {stdin}")
    return int(argv[0])


@pytest.fixture
def server(frozen: None) -> Iterator[ForkServer]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    own = ForkServer(lambda: sys.modules.setdefault("prepared", sys), body)
    yield own
    own.stop()


def has_ended(pid: int) -> bool:
    """Whether a process is gone, but for whoever waits for it."""
    try:
        return not Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return True


def ended(program: ForkedProgram) -> int:
    """The exit code, once there is one."""
    wait_until(lambda: program.poll() is not None, SECONDS, "the end of a program")
    status = program.poll()
    assert status is not None
    return status


def start(server: ForkServer, *argv: object, niceness: int = 0) -> ForkedProgram:
    program = server.start([str(word) for word in argv], niceness)
    assert program is not None
    return program


def test_a_program_is_forked_by_who_has_all_imported(server: ForkServer, tmp_path: Path) -> None:
    programs = [start(server, code, tmp_path / str(code), niceness=3) for code in (0, 7)]
    assert [ended(program) for program in programs] == [0, 7]
    for code in (0, 7):
        assert (tmp_path / str(code)).read_text() == f"{server.pid} {min(os.nice(0) + 3, 19)} True /dev/null"


def test_a_program_that_raises_fails(server: ForkServer) -> None:
    assert ended(start(server, "raise")) == 1


def test_programs_end_by_signals_and_the_others_go_on(server: ForkServer, tmp_path: Path) -> None:
    one, other = (start(server, "sleep", tmp_path / name) for name in ("one", "other"))
    wait_until((tmp_path / "one").exists, SECONDS, "the first")
    wait_until((tmp_path / "other").exists, SECONDS, "the second")
    one.send_signal(signal.SIGTERM)
    assert ended(one) == -signal.SIGTERM
    assert other.poll() is None
    other.send_signal(signal.SIGKILL)
    assert ended(other) == -signal.SIGKILL


def test_the_end_of_a_program_wakes_who_waits(server: ForkServer, tmp_path: Path) -> None:
    heard: list[int] = []
    signal.signal(signal.SIGCHLD, lambda number, _frame: heard.append(number))
    try:
        assert ended(start(server, 0, tmp_path / "out")) == 0
        wait_until(lambda: heard, SECONDS, "SIGCHLD")
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def test_programs_end_with_who_started_them(tmp_path: Path) -> None:
    """As where it is killed: nobody would know of them any more."""
    server = ForkServer(lambda: None, body)
    start(server, "sleep", tmp_path / "pid")
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), SECONDS, "it runs")
    pid = int((tmp_path / "pid").read_text())
    server.stop()
    wait_until(lambda: has_ended(pid), SECONDS, "its end")


def test_too_many_processes(server: ForkServer, tmp_path: Path) -> None:
    """What cannot be forked has ended as for want of memory; the others go on, and so does the server."""
    groups = Path("/sys/fs/cgroup/pids")
    group = (groups if groups.is_dir() else groups.parent) / f"pxtest-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("2")
        (group / "cgroup.procs").write_text(str(server.pid))
    except OSError as why:
        pytest.skip(f"no control groups that count processes: {why.strerror}")
    try:
        running = start(server, "sleep", tmp_path / "pid")
        assert ended(start(server, 0, tmp_path / "0")) == -signal.SIGKILL
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        assert ended(running) == -signal.SIGTERM
        assert ended(start(server, 7, tmp_path / "7")) == 7
    finally:
        server.stop()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), SECONDS, "all have ended")
        group.rmdir()


def test_no_room_for_descriptors(frozen: None, tmp_path: Path) -> None:
    def leave_room() -> None:
        most = len(os.listdir("/proc/self/fd")) + 1  # noqa: PTH208
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    server = ForkServer(leave_room, body)
    try:
        running = [start(server, "sleep", tmp_path / str(number)) for number in range(4)]
        wait_until((tmp_path / "0").exists, SECONDS, "the first")
        assert ended(running[3]) == 1
        assert running[0].poll() is None
        running[0].send_signal(signal.SIGTERM)
        assert ended(running[0]) == -signal.SIGTERM
        assert ended(start(server, 7, tmp_path / "7")) == 7
    finally:
        server.stop()


def test_arguments_without_end(server: ForkServer, tmp_path: Path) -> None:
    """Whoever asks starts it otherwise; the server goes on."""
    assert server.start(["0", "x" * 150_000]) is None
    assert ended(start(server, 7, tmp_path / "out")) == 7


def test_a_server_that_was_killed(server: ForkServer, tmp_path: Path) -> None:
    program = start(server, "sleep", tmp_path / "pid")
    wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), SECONDS, "it runs")
    os.kill(server.pid, signal.SIGKILL)
    os.waitpid(server.pid, 0)
    assert ended(program) == 1
    assert server.start(["0", str(tmp_path / "out")]) is None
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
