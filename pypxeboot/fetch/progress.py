"""How far a download is, as log lines."""

from __future__ import annotations

import logging
import threading
import time
from typing import Optional, TextIO

from pypxeboot.text import size_text

log = logging.getLogger(__name__)

LOG_LINE_SECONDS = 5.0  # between lines about one download, in a log


class Progress:
    """How far the downloads are: lines to ``stream`` that each take the place of the one before.

    Those begin with a carriage return. Without a stream, a line now and then goes to the log.
    """

    def __init__(self, stream: Optional[TextIO]) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._started = self._told = time.monotonic()
        self._shown = False

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
            if now - self._told >= (LOG_LINE_SECONDS if self._stream is None else 0.1):
                self._told = now
                self._tell(now)

    def end(self, name: str) -> None:
        """Take a download off the line, whether it succeeded or failed."""
        with self._lock:
            self._expected.setdefault(name, self._done.get(name, 0))
            if self._stream is not None and self._shown:
                self._stream.write("\r\n")
                self._stream.flush()
                self._shown = False

    def _tell(self, now: float) -> None:
        done = sum(self._done.values())
        rate = done / max(now - self._started, 0.001)
        known = all(name in self._expected for name in self._done)
        total = sum(self._expected.values()) if known else 0
        share = f" of {size_text(total)}" if total else ""
        line = f"{size_text(done)}{share}, {size_text(rate)}/s"
        if self._stream is None:
            log.info("downloading: %s", line)
            return
        if total:
            filled = min(30, 30 * done // total)
            line = f"[{'#' * filled}{'.' * (30 - filled)}] {line}"
        self._stream.write(f"\r{line}\n")
        self._stream.flush()
        self._shown = True
