"""Starting and ending the client process, before anything slow is imported.

A boot is bound by what has to be imported before the first DISCOVER can go out, and most of that is scapy.
So the client process is forked first of all, and imports it while the host side reads its arguments and
makes the link.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Optional

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


def start(*, new_network: bool, raw_frames: bool) -> ClientProcess:
    """Fork the client; it waits for its orders (``client.main``).

    ``new_network``: in a namespace of its own; ``raw_frames``: it will do DHCP itself, so scapy is wanted.
    """
    parent = os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return ClientProcess(pid, ours, new_network=new_network, raw_frames=raw_frames)
    status = 1
    try:
        keep_only(theirs.fileno())
        os.setsid()  # with root's terminal as its own it could type into root's shell (TIOCSTI)
        os.dup2(2, 1)  # what it prints is for the log
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        from pypxeboot import client

        status = client.main(theirs, parent, new_network=new_network, raw_frames=raw_frames)
    except Exception as why:  # of an import: everything later is the client's own to tell
        os.write(2, f"pypxeboot: the client process cannot start: {why!r}\n".encode(errors="replace"))
    finally:
        os._exit(status)


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


def start_early(argv: Sequence[str], *, told: bool = False) -> Optional[ClientProcess]:
    """The client of an ordinary boot, on a mere look at ``argv``; None where that does not tell enough.

    ``told``: it is known that there will be a MAC.
    """
    text = " ".join(argv)
    unusual = ("--link", "--ip", "--udhcpc", "--help", "--version", "--show-config")
    told = told or "mac" in text or "bootloader." in text  # or libxl's configuration may tell the MAC
    if os.geteuid() != 0 or not told or "-h" in argv or any(word in text for word in unusual):
        return None
    return start(new_network=True, raw_frames=True)


def keep_only(*descriptors: int) -> None:
    """Close every other one: the host side's open files are no business of a process that it forks."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        if int(name) > 2 and int(name) not in descriptors:
            with suppress(OSError):  # the descriptor of the listing itself
                os.close(int(name))
