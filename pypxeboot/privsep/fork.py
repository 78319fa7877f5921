"""The one place where pypxeboot forks: a child process with no more than it needs.

Imported before the client process is forked, so it must stay light.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

_F_SETPIPE_SZ = 1031  # fcntl.F_SETPIPE_SZ, which Python 3.9 does not have
_PIPE_SIZE = 1 << 20  # bytes of log that may wait while the host side is busy
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Child:
    """A running child process: ``pid``, and ``end``, our end of the socket pair to it.

    ``log`` is the descriptor from which the lines that it logs are read (``log_pipe.LogPipe``).
    """

    def __init__(self, pid: int, end: socket.socket, log: int) -> None:
        self.pid, self.end, self.log = pid, end, log

    def stop(self, patience: float = 0.0) -> None:
        """End the process: hang up, give it ``patience`` seconds to end by itself, and kill it then.

        It is gone when this returns. A second call does nothing.
        """
        if not self.pid:
            return
        self.end.close()
        with suppress(ChildProcessError):
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if os.waitpid(self.pid, os.WNOHANG) != (0, 0):
                    self.pid = 0  # it may be another's by now
                    return
                time.sleep(0.01)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.pid = 0


def fork(
    body: Callable[[socket.socket, int], int],
    *,
    name: str,
    keep: tuple[int, ...] = (),
    ignore_signals: bool = False,
) -> Child:
    """Start a process that calls ``body(end, parent)`` and ends with the exit status that it returns.

    ``end`` is the child's end of a pair of SOCK_SEQPACKET sockets, ``parent`` the process number of this
    process (for :func:`pypxeboot.privsep.sandbox.lock_up`). Of the open files the child has these and those
    that ``keep`` lists. It has no terminal and reads nothing, and what it prints or logs goes into a pipe:
    lines of it are for whoever reads :attr:`Child.log`. ``name`` stands in the line that it writes when
    ``body`` raises. With ``ignore_signals`` it goes on when the host side is asked to end.
    """
    parent = os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log_reader, log_writer = os.pipe()
    with suppress(OSError):  # the limit of an unprivileged user
        fcntl.fcntl(log_writer, _F_SETPIPE_SZ, _PIPE_SIZE)
    pid = os.fork()
    if pid:
        theirs.close()
        os.close(log_writer)
        return Child(pid, ours, log_reader)
    status = 1
    try:
        os.setsid()  # with root's terminal as its own it could type into root's shell (TIOCSTI)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log_writer, 2)
        os.dup2(log_writer, 1)
        _keep_only(theirs.fileno(), *keep)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN if ignore_signals else signal.SIG_DFL)
        status = body(theirs, parent)
    except Exception as why:
        os.write(2, f"{name} failed: {why!r}\n".encode(errors="replace"))
    finally:
        os._exit(status)


def leave_behind(body: Callable[[], object]) -> None:
    """Start a process that calls ``body``, and outlives this one; of its files it has standard error alone.

    Raises OSError.
    """
    if os.fork():
        return
    try:
        os.setsid()
        os.chdir("/")
        for number in (0, 1):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        _keep_only()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        body()
    except Exception as why:
        os.write(2, f"pypxeboot: failed: {why!r}\n".encode(errors="replace"))
    finally:
        os._exit(0)


def _keep_only(*descriptors: int) -> None:
    """Close every file but these and the standard streams: the host side's are none of the child's."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in descriptors:
            with suppress(OSError):  # the descriptor of the listing itself
                os.close(int(name))
