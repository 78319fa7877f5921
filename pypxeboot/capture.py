"""``--pcap``: a process in the guest's network that writes every frame of the conversation to a file.

The kernel keeps frames from the moment on that :meth:`Capture.start` returns, so the first DISCOVER is
among them.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

from pypxeboot import frames, sandbox
from pypxeboot.errors import PxeBootError, UsageError

log = logging.getLogger(__name__)

_BUFFER = 64 << 20  # bytes that the kernel may hold while the file is written: a fast download outruns Python
_FILE_SIZE = 1 << 40  # a capture may be as long as the conversation
_LAST_FRAMES = 5.0  # seconds to write what is still waiting at the end


class Capture:
    """One capture file; it is complete once :meth:`stop` has returned."""

    def __init__(self, path: Path) -> None:
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(path, flags, 0o600)
        except OSError as why:
            raise UsageError(f"cannot write {path}: {why.strerror}") from None
        self._path, self._pid, self._stop = path, 0, -1

    def start(self, pid: int, interface: str, mac: bytes, ids: tuple[int, int]) -> None:
        """Begin, in the network namespace of process ``pid``.

        Frames without ``mac`` (if any) are left out.
        """
        ready, tell_ready = os.pipe()
        stopped, self._stop = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            status = 1
            try:
                os.close(self._stop)
                for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                    signal.signal(number, signal.SIG_IGN)  # what there is belongs into the file
                sandbox.enter_network(pid)
                socket = frames.FrameSocket(_BUFFER)
                socket.bind(interface, promiscuous=True, protocol=frames.ETH_P_ALL)
                os.write(tell_ready, b"1")
                frames.preload()
                sandbox.lock_up(*ids, file_size=_FILE_SIZE)
                sandbox.die_with_parent()
                if os.getppid() == parent:
                    _write_frames(socket, self._file, stopped, mac)
                    status = 0
            finally:
                os._exit(status)
        os.close(tell_ready)
        os.close(stopped)
        began = os.read(ready, 1)
        os.close(ready)
        if not began:
            raise PxeBootError(f"cannot capture on {interface}")

    def stop(self) -> None:
        """Write what is still waiting, and end."""
        if self._pid:
            os.close(self._stop)
            end = time.monotonic() + _LAST_FRAMES + 1
            while time.monotonic() < end and os.waitpid(self._pid, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)
            self._pid = 0
        os.close(self._file)


def _write_frames(socket: frames.FrameSocket, file: int, stopped: int, mac: bytes) -> None:
    capture = frames.CaptureFile(file)
    end = None
    while end is None or time.monotonic() < end:
        readable = select.select([socket, stopped] if end is None else [socket], [], [], 0 if end else None)[
            0
        ]
        if stopped in readable:
            end = time.monotonic() + _LAST_FRAMES
        elif not readable:
            break
        if socket in readable:
            frame, when = socket.receive_stamped()
            if mac in frame[:100]:
                capture.write(frame, when)
    lost = socket.lost()
    if lost:
        log.warning("the capture lacks %d frames: they came faster than they could be written", lost)
