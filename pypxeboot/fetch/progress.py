"""How far a download is, as log lines."""

from __future__ import annotations

import logging
import threading
import time
from typing import TextIO

from pypxeboot.text import size_text

log = logging.getLogger(__name__)

LOG_LINE_SECONDS = 5.0  # between lines about one download, in a log


class Progress:
    """How far the downloads are: one line that moves on a terminal, a line now and then in a log."""

    def __init__(self, stream: TextIO, *, bar: bool) -> None:
        self._stream, self._bar = stream, bar
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._started = self._told = time.monotonic()
        self._width = 0

    def begin(self, name: str) -> None:
        """Count a new download, called ``name``."""
        with self._lock:
            if not self._done:
                self._started = self._told = time.monotonic()
            self._done[name] = 0

    def expect(self, name: str, size: int) -> None:
        """Note the size of a download, in bytes."""
        with self._lock:
            self._expected[name] = size

    def advance(self, name: str, count: int) -> None:
        """Count ``count`` more bytes of a download."""
        with self._lock:
            self._done[name] += count
            now = time.monotonic()
            if now - self._told >= (0.1 if self._bar else LOG_LINE_SECONDS):
                self._told = now
                self._tell(now)

    def end(self, name: str) -> None:
        """Take a download off the line, whether it succeeded or failed."""
        with self._lock:
            self._expected.setdefault(name, self._done.get(name, 0))
            if self._bar and self._width:
                self._stream.write("\r" + " " * self._width + "\r")
                self._stream.flush()
                self._width = 0

    def _tell(self, now: float) -> None:
        done = sum(self._done.values())
        rate = done / max(now - self._started, 0.001)
        known = all(name in self._expected for name in self._done)
        total = sum(self._expected.values()) if known else 0
        share = f" of {size_text(total)}" if total else ""
        line = f"{size_text(done)}{share}, {size_text(rate)}/s"
        if not self._bar:
            log.info("downloading: %s", line)
            return
        if total:
            filled = min(30, 30 * done // total)
            line = f"[{'#' * filled}{'.' * (30 - filled)}] {line}"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)
