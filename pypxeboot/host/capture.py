"""Capture the guest's traffic for ``--pcap`` and ``-vv``, by a process in the guest's network.

The kernel keeps frames from the moment on that :meth:`Capture.start` returns, so the first DISCOVER is
among them.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Optional

from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.net import frames, pcap
from pypxeboot.privsep import locked_up
from pypxeboot.privsep.fork import Child
from pypxeboot.privsep.log_pipe import LogPipe
from pypxeboot.text import printable

log = logging.getLogger(__name__)

_BUFFER = 64 << 20  # bytes that the kernel may hold while the file is written: a fast download outruns Python
_FILE_SIZE = 1 << 40  # a capture may be as long as the conversation
_LOGGED = 1000  # frames in words: the whole of a boot but for its downloads
_LAST_FRAMES = 5.0  # seconds to write what is still waiting at the end


class Capture:
    """A capture of all frames into the file ``path``, if given; ``tell``: the first ones go to the log.

    ``ids`` are uid and gid of the process that captures. All frames are there once :meth:`stop` has returned.
    Raises UsageError for a file that cannot be written.
    """

    def __init__(self, path: Optional[Path], ids: tuple[int, int], *, tell: bool) -> None:
        self._file, self._ids, self._tell = -1, ids, tell
        self._child: Optional[Child] = None
        self._log: Optional[LogPipe] = None
        self._unused: Optional[Path] = None
        if path is not None:
            # Not blocking: a FIFO that nobody reads is an error.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            existed = path.exists()
            try:
                self._file = os.open(path, flags, 0o600)
            except OSError as why:
                raise UsageError(f"cannot write {path}: {why.strerror}") from None
            self._unused = None if existed else path

    def start(self, pid: int, interface: str, mac: bytes) -> LogPipe:
        """Start to capture on ``interface`` in the network namespace of process ``pid``.

        Of the frames are kept those in which the bytes ``mac`` are, or all if it is empty.
        Raises PxeBootError.
        """
        self._unused = None

        def listen(end: socket) -> frames.FrameSocket:
            listener = frames.FrameSocket(_BUFFER)
            listener.bind(interface, promiscuous=True, protocol=frames.ETH_P_ALL)
            end.send(b"1")
            pcap.preload(every_protocol=self._tell)
            return listener

        files = () if self._file < 0 else (self._file,)
        # What there is belongs into the file: signals do not end it, the host side does.
        self._child = locked_up.start(
            listen,
            lambda end, listener: self._write_frames(listener, end, mac),
            name="the capture",
            ids=self._ids,
            network_of=pid,
            file_size=_FILE_SIZE,
            keep=files,
            ignore_signals=True,
        )
        self._log = LogPipe(self._child.log)
        if not self._child.end.recv(1):
            raise PxeBootError(f"cannot capture on {interface}")
        return self._log

    def stop(self) -> None:
        """Write the frames that still wait, and end; remove a new file if the capture was never started."""
        if self._unused is not None:
            self._unused.unlink(missing_ok=True)
            self._unused = None
        if self._child is not None:
            self._child.stop(_LAST_FRAMES + 1)
        if self._log is not None:
            self._log.drain(to_end=True)
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_frames(self, listener: frames.FrameSocket, end: socket, mac: bytes) -> None:
        file = self._open_file()
        left = _LOGGED if self._tell else 0
        for frame, when in _receive_frames(listener, end):
            if mac not in frame[:100]:
                continue
            if file is not None:
                try:
                    file.write(frame, when)
                except OSError as why:
                    log.warning("the capture ends here: %s; the boot goes on", why.strerror)
                    file = None
            if left:
                log.debug("packet: %s", printable(pcap.summary(frame), 400))
                left -= 1
                if not left:
                    log.debug("packet: the first %d are shown; --pcap FILE keeps all", _LOGGED)
        lost = listener.lost_frames()
        if lost and file is not None:
            log.warning("the capture lacks %d frames: they came faster than they could be written", lost)

    def _open_file(self) -> Optional[pcap.CaptureFile]:
        try:
            return pcap.CaptureFile(self._file) if self._file >= 0 else None
        except OSError as why:
            log.warning("there is no capture: %s; the boot goes on", why.strerror)
            return None


def _receive_frames(listener: frames.FrameSocket, host_side: socket) -> Iterator[tuple[bytes, float]]:
    """Yield frames and their times until ``host_side`` hangs up and no frame waits any more.

    A time is in seconds since 1970.
    """
    end: Optional[float] = None
    while end is None or time.monotonic() < end:
        waited_for = [listener, host_side] if end is None else [listener]
        readable = select.select(waited_for, [], [], None if end is None else 0)[0]
        if host_side in readable:
            end = time.monotonic() + _LAST_FRAMES
        elif not readable:
            return
        if listener in readable:
            yield listener.receive_stamped()
