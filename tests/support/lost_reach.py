"""Every way out of the sandbox that an audit has found, tried by a lost client."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    from tests.support.lost_client import Lost

VICTIM = os.environ.get("VICTIM", "")
"""A file of the host's that is none of the client's business."""


def error_of(attempt: Callable[[], object]) -> str:
    """What an attempt came to: ``done``, or why not."""
    try:
        return f"done: {attempt()!r}"
    except OSError as why:
        return why.strerror or str(why)
    except BaseException as why:
        return type(why).__name__


def call_or_raise(status: int) -> int:
    """What a function of the C library returned. Raises OSError."""
    if status < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return status


def _connect(path: str) -> object:
    with socket.socket(socket.AF_UNIX) as end:
        return end.connect(path)


def whatever_is_in_reach(lost: Lost) -> None:
    """Try every way out that an audit has found, and tell what came of each."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: Any) -> str:
        done = libc.syscall(number, *arguments)
        return "done" if done >= 0 else os.strerror(ctypes.get_errno())

    neighbour = int(os.environ["NEIGHBOUR"])
    attempts: dict[str, Callable[[], object]] = {
        "read the host's users": lambda: Path("/etc/passwd").read_text(),
        "ask for a file of root": lambda: Path(VICTIM).stat(),
        "look at another process": lambda: Path(f"/proc/{neighbour}/exe").readlink(),
        "list the root": lambda: list(Path("/").iterdir()),
        "connect to a socket of the host": lambda: _connect(os.environ["SOCKET"]),
        "connect to an abstract socket": lambda: _connect(f"\0{os.environ['SOCKET']}"),
        "speak to hypervisors": lambda: socket.socket(40, socket.SOCK_STREAM),
        "speak to the kernel's crypto": lambda: socket.socket(38, 5, 0),
        "speak to netfilter": lambda: socket.socket(16, socket.SOCK_RAW, 12),
        "signal another process of the uid": lambda: os.kill(neighbour, 0),
        "renice another process": lambda: os.setpriority(os.PRIO_PROCESS, neighbour, 19),
        "pin another process": lambda: os.sched_setaffinity(neighbour, {0}),
        "signal the parent": lambda: os.kill(os.getppid(), 0),
        "hold another process": lambda: os.pidfd_open(neighbour),
        "start a program": lambda: os.execv("/bin/true", ["true"]),
        "start a process": os.fork,
        "type into a terminal": lambda: fcntl.ioctl(2, 0x5412, b"x"),
        "make a terminal its own": lambda: os.open("/dev/tty", os.O_RDWR),
        "own a signal to another process": lambda: fcntl.fcntl(0, fcntl.F_SETOWN, neighbour),
        "outlive the host side": lambda: call_or_raise(libc.prctl(1, 0, 0, 0, 0)),
        "write a file": lambda: Path("/tmp/lost-client").write_text("x"),
        "map a file": lambda: os.memfd_create("x") if hasattr(os, "memfd_create") else call(319, b"x", 0),
    }
    found = {name: error_of(attempt) for name, attempt in attempts.items()}
    if os.uname().machine == "x86_64":
        found["make a user namespace"] = call(272, 0x10000000)
        found["read the starter's keys"] = call(250, 10, -3, b"user", b"lost-secret", 0)
        found["make shared memory"] = call(29, 0x6878, 4096, 0o1600)
        found["keep the host's disks busy"] = call(162)
        found["io_uring"] = call(425, 8, bytes(200))
        found["bpf"] = call(321, 0, bytes(200), 120)
        found["userfaultfd"] = call(323, 1)
        found["perf"] = call(298, bytes(200), 0, -1, -1, 0)
        found["ptrace"] = call(101, 16, neighbour, 0, 0)
    lost.tell(found)
    lost.output("kernel")
    lost.result()
