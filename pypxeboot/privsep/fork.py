"""A child process with no more than it needs."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import suppress

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class ClientProcess:
    """A running client: ``pid``, ``end``, our end of the socket pair to it, and how it was started."""

    def __init__(self, pid: int, end: socket.socket, *, new_network: bool, raw_frames: bool) -> None:
        self.pid, self.end = pid, end
        self.new_network, self.raw_frames = new_network, raw_frames

    def stop(self) -> None:
        """The client is gone when this returns; a second time it does nothing."""
        if self.pid:
            self.end.close()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self.pid = 0  # it may be another's by now


def open_standard_streams() -> None:
    """Some toolstacks start programs with 0, 1 or 2 closed; no file of ours may take their place.

    To write a result to a standard output that was closed remains an error.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))


def keep_only(*descriptors: int) -> None:
    """Close every other one: the host side's open files are no business of a process that it forks."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in descriptors:
            with suppress(OSError):  # the descriptor of the listing itself
                os.close(int(name))
