"""The QEMU of a domain as a process of this host: its guest's processors, and the log of its ends."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import struct
from contextlib import suppress
from pathlib import Path

from pypxeboot.privsep.libc import LIBC

# sched_setattr(2), sched(7): of every 100 ms a thread has 0.1 ms, and that at once. An idle host gives it no
# more; and on a busy one a guest that has QEMU's big lock gives that back, for which libvirt's commands wait.
# So in a minute it has what a firmware needs until it reads a disk.
_SYSCALLS = {"x86_64": 314, "aarch64": 274}
_DEADLINE, _RESET_ON_FORK = 6, 1  # SCHED_DEADLINE, SCHED_FLAG_RESET_ON_FORK
_RUNTIME, _PERIOD = 100_000, 100_000_000  # ns
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # struct sched_attr, version 0

_GOES_ON = frozenset((b"-incoming", b"-loadvm"))

_END_OF_LOG = 64 << 10  # bytes; a start has some 3 KiB there


def process(name: str) -> int:
    """Return the process of a domain that runs. Raises OSError and ValueError."""
    return int(Path("/run/libvirt/qemu", f"{name}.pid").read_text())


def has_ended(name: str) -> bool:
    """Whether the QEMU of a domain has ended, and libvirt has not seen to that yet."""
    try:
        stat = Path(f"/proc/{process(name)}/stat")
    except (OSError, ValueError):  # that is seen to
        return False
    try:
        return stat.read_text().rpartition(")")[2].split()[0] in "ZX"  # proc(5)
    except OSError:
        return True


def processors(pid: int) -> list[int]:
    """Return the threads of a QEMU that are its guest's processors. Raises OSError."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            if "CPU" in (task / "comm").read_text():  # "CPU 0/KVM", "ALL CPUs/TCG"
                found.append(int(task.name))
    return found


def goes_on(pid: int) -> bool:
    """Whether the guest of a QEMU does not begin: it is restored, arrives, or is reverted to a snapshot.

    Raises OSError.
    """
    return not _GOES_ON.isdisjoint(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))


def time_of(pid: int, thread: int) -> int:
    """Return how many ns of a processor a thread has had. Raises OSError and ValueError."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().partition(" ")[0])


def slow_down(name: str) -> None:
    """Let a guest have a thousandth of a processor, until it is suspended and destroyed.

    libvirt has the suspension wait for the end of the start. Where a thread may not be bounded (it is pinned,
    or there are too many), it has the processors that nobody else wants.
    """
    with suppress(OSError, ValueError):
        for thread in processors(process(name)):
            if not _bound(thread):
                os.sched_setscheduler(thread, os.SCHED_IDLE | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def let_go(name: str) -> None:
    """Undo that for a guest which goes on; what libvirt gave it (``<vcpusched>``) stays."""
    with suppress(OSError, ValueError):
        for thread in processors(process(name)):
            with suppress(ProcessLookupError):
                if os.sched_getscheduler(thread) & os.SCHED_RESET_ON_FORK:
                    os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))


def kill(name: str, pid: int) -> None:
    """Kill the QEMU of a domain that was slowed down. Raises OSError.

    A thread ends in its own time of a processor, so that some ms would be seconds.
    """
    os.kill(pid, signal.SIGKILL)
    let_go(name)


def _bound(thread: int) -> bool:
    number = _SYSCALLS.get(os.uname().machine)
    if number is None:
        return False
    values = (_ATTRIBUTES.size, _DEADLINE, _RESET_ON_FORK, 0, 0, _RUNTIME, _PERIOD, _PERIOD)
    attributes = ctypes.create_string_buffer(_ATTRIBUTES.pack(*values), _ATTRIBUTES.size)
    return int(LIBC.syscall(number, thread, attributes, 0)) == 0


def logged_end(name: str) -> str:
    """Return why a domain ended last, by libvirt's log of it: ``saved``...; "" if it tells of no end."""
    with suppress(OSError), Path(f"/var/log/libvirt/qemu/{name}.log").open("rb") as log:
        log.seek(max(0, os.fstat(log.fileno()).st_size - _END_OF_LOG))
        said = re.findall(rb"starting up|shutting down(?:, reason=([a-z ]+))?", log.read())
        return said[-1].decode() if said else ""
    return ""
