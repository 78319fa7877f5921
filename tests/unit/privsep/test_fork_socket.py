"""Work that a fork of a prepared process does for who asks at a socket, and who does it where that fails."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pypxeboot import __version__
from pypxeboot.privsep import fork_socket
from pypxeboot.privsep.fork_server import ForkServer
from pypxeboot.privsep.fork_socket import ForkSocket
from tests.support.ground import tools, wait_until

SECONDS = 60
ASK = """
import os, sys
from pypxeboot.privsep import fork_socket
status = fork_socket.ask(sys.argv[1], sys.argv[2:], b"<domain/>" * 100000)
os.write(1, f"{'here' if status is None else status}\\n".encode())
"""
ANOTHER = """
import os, socket, sys
os.setuid(65534)
end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
end.connect(sys.argv[1])
print(end.recv(100))
"""
LISTENER = """
import os, socket, sys
os.setuid(65534)
end = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
end.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
end.listen()
print("it listens", flush=True)
who, _ = end.accept()
try:
    who.send(sys.argv[2].encode())
    print(socket.recv_fds(who, 1000, 3)[:2])
except OSError as why:
    print("it has gone")
"""


def work(argv: Sequence[str], data: bytes) -> int:
    """What is done: tell of itself, on the standard output of who asks."""
    told = (
        f"{os.getppid()} {'prepared' in sys.modules} {len(data)} {Path.cwd()} {os.environ.get('WORD')} "
        f"{os.getpriority(os.PRIO_PROCESS, 0)} {Path('/proc/self/fd/0').readlink()}\n"
    )
    os.write(1, told.encode())
    if argv[0] == "sleep":
        signal.signal(signal.SIGTERM, lambda *_: Path(argv[1], "ended").touch() or sys.exit(8))
        Path(argv[1], "pid").write_text(str(os.getpid()))
        time.sleep(600)
    return int(argv[0])


@pytest.fixture
def server(short_tmp: Path, frozen: None) -> Iterator[ForkServer]:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    own = ForkServer(lambda: sys.modules.setdefault("prepared", sys), lambda _: 0, work)
    listen(own, short_tmp)
    yield own
    own.stop()


def listen(server: ForkServer, place: Path) -> Path:
    path = place / "socket"
    before = path.stat().st_ino if path.exists() else 0
    server.listen(str(path))
    wait_until(lambda: path.exists() and path.stat().st_ino != before, SECONDS, "it listens")
    return path


def begin(place: Path, *argv: object) -> subprocess.Popen[str]:
    """A process that asks."""
    return subprocess.Popen(
        [sys.executable, "-c", ASK, str(place / "socket"), *map(str, argv)],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/usr",
        env={**tools.ENVIRONMENT, "WORD": "a=b"},
        preexec_fn=lambda: os.nice(3),
    )


def asked(place: Path, *argv: object) -> list[str]:
    """The lines that it prints, the last of them the status."""
    return begin(place, *argv).communicate(timeout=SECONDS)[0].splitlines()


def sleeping(place: Path) -> tuple[subprocess.Popen[str], int]:
    """Who asks for something that takes long, and the process that does it."""
    running = begin(place, "sleep", place)
    wait_until(lambda: (place / "pid").exists() and (place / "pid").read_text(), SECONDS, "it runs")
    return running, int((place / "pid").read_text())


def test_it_is_as_if_it_had_been_started_by_who_asks(server: ForkServer, short_tmp: Path) -> None:
    told = f"{server.pid} True 900000 /usr a=b {min(os.nice(0) + 3, 19)} /dev/null"
    for status in ("0", "7"):
        assert asked(short_tmp, status, "x") == [told, status]


def test_nobody_listens(short_tmp: Path) -> None:
    assert asked(short_tmp, "0") == ["here"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:  # by who was killed
        left.bind(str(short_tmp / "socket"))
    assert asked(short_tmp, "0") == ["here"]


@pytest.mark.slow
def test_who_listens_says_nothing(short_tmp: Path) -> None:
    """Or is of another version."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.bind(str(short_tmp / "socket"))
        silent.listen()
        assert asked(short_tmp, "0") == ["here"]
        running = begin(short_tmp, "0")
        silent.accept()  # the first, which has gone
        other, _ = silent.accept()
        other.send(b"pypxeboot 0.0.1")
        assert running.communicate(timeout=SECONDS)[0] == "here\n"


def test_an_order_that_is_too_long(server: ForkServer, short_tmp: Path) -> None:
    assert asked(short_tmp, "0", "x" * 100_000, "x" * 100_000) == ["here"]


def test_who_connects_and_says_nothing_holds_nobody_up(server: ForkServer, short_tmp: Path) -> None:
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
    for one in silent:
        one.connect(str(short_tmp / "socket"))
    assert asked(short_tmp, "0")[-1] == "0"
    for one in silent:
        one.close()


@pytest.mark.parametrize(
    "order", [b"x", b"\0" * 100, b"0\0" * 3 + b"/", b"0\0000\0005\0/\0a", b"x" * 100_000, b"-1\0-1\0-1\0\0\0"]
)
def test_garbage(server: ForkServer, short_tmp: Path, order: bytes) -> None:
    for files in ([], [1], [0, 1, 2]):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as bad:
            bad.connect(str(short_tmp / "socket"))
            assert bad.recv(100).startswith(b"pypxeboot ")
            socket.send_fds(bad, [order], files)
            assert bad.recv(100) == b""
    assert asked(short_tmp, "0")[-1] == "0"


def test_another_user(server: ForkServer, short_tmp: Path) -> None:
    """Neither by the file's rights, nor where those are wide open."""
    path = short_tmp / "socket"
    assert path.stat().st_mode & 0o777 == 0o600
    if os.geteuid():
        pytest.skip("only root can be another user")
    for mode, word in ((0o600, "PermissionError"), (0o666, "b''")):
        path.chmod(mode)
        short_tmp.chmod(0o755)
        done = subprocess.run([sys.executable, "-c", ANOTHER, str(path)], capture_output=True, text=True)
        assert word in done.stdout + done.stderr


def test_another_user_listens(short_tmp: Path) -> None:
    """It gets no descriptor, and no word of the environment."""
    if os.geteuid():
        pytest.skip("only root can be another user")
    short_tmp.chmod(0o777)
    argv = [sys.executable, "-c", LISTENER, str(short_tmp / "socket"), f"pypxeboot {__version__}"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "it listens\n"
        assert asked(short_tmp, "0") == ["here"]
        assert other.communicate(timeout=SECONDS)[0] in ("it has gone\n", "(b'', [])\n")


def test_a_socket_that_cannot_be_put_there(short_tmp: Path) -> None:
    (short_tmp / "socket").mkdir()
    with pytest.raises(IsADirectoryError):
        ForkSocket(str(short_tmp / "socket"))
    assert [path.name for path in short_tmp.iterdir()] == ["socket"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_signals_of_who_asks_reach_the_work(
    server: ForkServer, short_tmp: Path, number: signal.Signals
) -> None:
    running, pid = sleeping(short_tmp)
    running.send_signal(number)
    said = running.communicate(timeout=SECONDS)[0].splitlines()
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), SECONDS, "the work has ended")
    assert said[1:] == ([] if number == signal.SIGKILL else [str(128 + number)])
    assert (short_tmp / "ended").exists() is (number in (signal.SIGTERM, signal.SIGKILL))


def test_work_that_is_killed_is_left_to_who_asked(server: ForkServer, short_tmp: Path) -> None:
    running, pid = sleeping(short_tmp)
    os.kill(pid, signal.SIGKILL)
    assert running.communicate(timeout=SECONDS)[0].endswith("\nhere\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_work_goes_on_without_the_server(server: ForkServer, short_tmp: Path, number: signal.Signals) -> None:
    running, pid = sleeping(short_tmp)
    if number == signal.SIGKILL:
        os.kill(server.pid, number)
        os.waitpid(server.pid, 0)
    server.stop()
    assert (short_tmp / "socket").exists() is (number == signal.SIGKILL)
    assert asked(short_tmp, "0") == ["here"]
    assert Path(f"/proc/{pid}").exists() and running.poll() is None
    running.terminate()
    assert running.wait(SECONDS) == 0 and (short_tmp / "ended").exists()


def test_a_successor_keeps_its_socket(server: ForkServer, short_tmp: Path) -> None:
    successor = ForkSocket(str(short_tmp / "socket"))
    server.stop()
    running = begin(short_tmp, "0")
    wait_until(lambda: select.select([successor], [], [], 0)[0], SECONDS, "somebody asks")
    connection = successor.accept()
    assert connection is not None
    connection.close()
    assert running.communicate(timeout=SECONDS)[0] == "here\n"
    successor.remove()
    assert list(short_tmp.iterdir()) == []


@pytest.mark.parametrize("kind", ["--net", "--mount", "--ipc"])
def test_who_asks_from_elsewhere_does_it_there(server: ForkServer, short_tmp: Path, kind: str) -> None:
    if os.geteuid():
        pytest.skip("namespaces need root")
    argv = [tools.need("unshare"), kind, sys.executable, "-c", ASK, str(short_tmp / "socket"), "0"]
    done = subprocess.run(argv, capture_output=True, text=True, env=tools.ENVIRONMENT)
    assert done.stdout == "here\n"


def test_it_joins_the_control_group_of_who_asks(server: ForkServer, short_tmp: Path) -> None:
    """What a service manager ends with the server's service is not to be the work of another's."""
    top = Path("/sys/fs/cgroup/unified")
    group = (top if top.is_dir() else top.parent) / f"pxtest-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as why:
        pytest.skip(f"no control groups to make: {why.strerror}")
    try:
        script = f'echo $$ >{group}/cgroup.procs && exec "$@"'
        argv = ["sh", "-c", script, "sh", sys.executable, "-c", ASK, str(short_tmp / "socket"), "sleep"]
        environment = tools.ENVIRONMENT
        with subprocess.Popen([*argv, str(short_tmp)], stdout=subprocess.PIPE, env=environment) as running:
            wait_until(
                lambda: (short_tmp / "pid").exists() and (short_tmp / "pid").read_text(), SECONDS, "it runs"
            )
            assert (short_tmp / "pid").read_text() in (group / "cgroup.procs").read_text().split()
            running.terminate()
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), SECONDS, "all have ended")
        group.rmdir()


def test_who_asks_imports_little() -> None:
    """By name and number: it is what the hook costs where a watch runs."""
    program = "import sys; own = set(sys.modules); import pypxeboot.commands.virt_hook; "
    program += "print(*set(sys.modules) - own)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", program], cwd=tools.ROOT, capture_output=True, text=True, check=True
    )
    names = set(done.stdout.split())
    assert {name for name in names if name.startswith("pypxeboot.")} == {
        "pypxeboot.commands",
        "pypxeboot.commands.virt_hook",
        "pypxeboot.privsep",
        "pypxeboot.privsep.fork",
        "pypxeboot.privsep.fork_socket",
        "pypxeboot.privsep.streams",
    }
    assert len(names) < 50 and not names & {"json", "logging", "pathlib", "re", "subprocess", "typing"}, names
    assert fork_socket.PATH.startswith("/run/pypxeboot/")
