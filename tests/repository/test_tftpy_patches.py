"""The patches for tftpy: its real source, patched, against itself and other programs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pypxeboot.fetch.tftp import client as tftp
from tests.support.ground import tools, wait_until
from tests.support.ground.sources import patched, source

pytestmark = pytest.mark.sources

CLIENT = """
import logging, sys, tftpy
acks = []
class Count(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith("Sending ack"): acks.append(1)
logging.getLogger("tftpy").addHandler(Count())
logging.getLogger("tftpy").setLevel(logging.INFO)
logging.lastResort = None
what, port, name, path, blksize, windowsize, losing = sys.argv[1:]
tftpy.TftpStates.NETWORK_UNRELIABILITY = int(losing)
options = {"blksize": int(blksize)}
if int(windowsize): options["windowsize"] = int(windowsize)
client = tftpy.TftpClient("127.0.0.1", int(port), options)
getattr(client, what)(name, path, timeout=1, retries=9)
print(len(acks))
"""
TFTP_SERVER = """
import sys, tftpy
tftpy.TftpStates.NETWORK_UNRELIABILITY = int(sys.argv[3])
tftpy.TftpServer(sys.argv[1]).listen("127.0.0.1", int(sys.argv[2]), timeout=1, retries=9)
"""


@pytest.fixture(scope="module")
def tftpy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return patched("tftpy", tmp_path_factory.mktemp("tftpy") / "tftpy")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script(where: Path, text: str, *args: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", text, *map(str, args)],
        env={**os.environ, "PYTHONPATH": str(where)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def acks(client: subprocess.Popen[str]) -> int:
    """How many ACKs a client sent that has done its work."""
    out, err = client.communicate(timeout=120)
    assert client.returncode == 0, err
    return int(out)


@contextmanager
def tftpy_server(where: Path, root: Path, losing: int = 0) -> Iterator[int]:
    port = free_port()
    process = script(where, TFTP_SERVER, root, port, losing)
    try:
        entry = f"0100007F:{port:04X}"
        wait_until(lambda: entry in Path("/proc/net/udp").read_text(), 20, "the server listens")
        yield port
    finally:
        process.kill()
        process.communicate()


def test_tftpys_own_tests_pass(tftpy: Path) -> None:
    with (tftpy / "tests/640KBFILE").open("wb") as file:  # which the release lacks
        file.write(os.urandom(640 * 1024))
    done = subprocess.run(
        [sys.executable, "tests/test.py"],
        cwd=tftpy,
        env={**os.environ, "PYTHONPATH": str(tftpy)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def disturbed(where: Path, target: Path) -> tuple[subprocess.Popen[str], list[bytes]]:
    """A download that strangers take part in, and what the stranger's port was told."""
    main, session, stranger, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(4))
    for end, address in (
        (main, "127.0.0.1"),
        (session, "127.0.0.1"),
        (stranger, "127.0.0.1"),
        (other, "127.0.0.2"),
    ):
        end.bind((address, 0))
        end.settimeout(5)
    client = script(where, CLIENT, "download", main.getsockname()[1], "f", target, 512, 0, 0)
    told: list[bytes] = []

    def serve_one() -> None:
        _request, peer = main.recvfrom(1024)
        session.sendto(b"\0\3\0\1" + b"1" * 512, peer)
        session.recvfrom(1024)
        for foreign in (stranger, other):
            foreign.sendto(b"\0\3\0\2" + b"wrong", peer)
            foreign.sendto(b"\xff", peer)
            foreign.sendto(b"\0\5\0\0stop\0", peer)
        time.sleep(0.2)
        session.sendto(b"\0\3\0\2right", peer)
        told.append(stranger.recv(1024))

    thread = threading.Thread(target=lambda: ignoring_timeouts(serve_one))
    thread.start()
    client.wait(30)
    thread.join()
    for end in (main, session, stranger, other):
        end.close()
    return client, told


def ignoring_timeouts(work: Any) -> None:
    try:
        work()
    except OSError:
        pass


def test_tftpy_strangers_do_not_disturb(tftpy: Path, tmp_path: Path) -> None:
    client, told = disturbed(tftpy, tmp_path / "f")
    acks(client)
    assert (tmp_path / "f").read_bytes() == b"1" * 512 + b"right"
    assert told[0][:4] == b"\0\5\0\5"


def test_tftpy_strangers_disturb_without_the_patch(tmp_path: Path) -> None:
    client, _told = disturbed(source("tftpy"), tmp_path / "f")
    client.communicate()
    assert client.returncode or (tmp_path / "f").read_bytes() != b"1" * 512 + b"right"


@pytest.mark.parametrize("what", ["download", "upload"])
@pytest.mark.parametrize(
    ("size", "blksize", "windowsize", "losing"),
    [
        (1_000_000, 1000, 16, 0),
        (1_000_001, 1000, 64, 0),
        (200_000, 500, 8, 40),
        (8 * 65536 + 100, 8, 64, 0),  # around the wrap of block numbers
    ],
)
def test_tftpy_windows(
    tftpy: Path, tmp_path: Path, what: str, size: int, blksize: int, windowsize: int, losing: int
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    here, there, data = tmp_path / "here", root / "f", os.urandom(size)
    (there if what == "download" else here).write_bytes(data)
    lossy = losing if what == "upload" else 0
    with tftpy_server(tftpy, root, losing if what == "download" else 0) as port:
        sent = acks(script(tftpy, CLIENT, what, port, "f", here, blksize, windowsize, lossy))
        wait_until(lambda: there.read_bytes() == here.read_bytes() == data, 30, "the same file on both sides")
    if what == "download" and not losing:
        assert sent <= size / blksize / windowsize + 3


def test_tftpy_windows_are_not_asked_for_unasked(tftpy: Path, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(100_000))
    with tftpy_server(tftpy, tmp_path) as port:
        assert acks(script(tftpy, CLIENT, "download", port, "f", tmp_path / "got", 1000, 0, 0)) == 102
    assert (tmp_path / "got").read_bytes() == bytes(100_000)


def test_tftpy_windows_with_other_programs(tftpy: Path, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    (tmp_path / "f").write_bytes(data)
    tmp_path.chmod(0o755)
    got: list[bytes] = []
    with tftpy_server(tftpy, tmp_path) as port:
        options = tftp.Options(windowsize=16)
        tftp.get(
            "127.0.0.1", b"f", lambda piece: got.append(bytes(piece)), port=port, limit=1 << 20,
            deadline=time.monotonic() + 30, options=options,
        )  # fmt: skip
    assert b"".join(got) == data
    argv = [
        "--daemon",
        "--no-fork",
        "--user",
        "root.root",
        "--bind-address",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    atftpd = subprocess.Popen([tools.need("atftpd"), *argv, "--logfile", "/dev/null", str(tmp_path)])
    try:
        entry = f"0100007F:{port:04X}"
        wait_until(lambda: entry in Path("/proc/net/udp").read_text(), 20, "atftpd listens")
        sent = acks(script(tftpy, CLIENT, "download", port, "f", tmp_path / "got", 1000, 16, 0))
    finally:
        atftpd.kill()
        atftpd.wait()
    assert (tmp_path / "got").read_bytes() == data and sent < 30
