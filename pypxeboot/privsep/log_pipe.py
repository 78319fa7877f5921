"""The lines that a locked-up process logs, as the host side writes them: printable, and not without end."""

from __future__ import annotations

import os
from contextlib import suppress

from pypxeboot.privsep import logs
from pypxeboot.text import printable

PROGRESS = b"\r"
"""What a line begins with that shows progress, and takes the place of the one before."""

_LONGEST = 10000  # bytes of a line: a command line has 8192 at most, and a name stands in front of it
_LINES = 50_000  # of one process; -vv of a boot with a thousand files has 10,000
_READ, _READS = 65536, 4  # bytes at once, and how often in a row


class LogPipe:
    """The reading end of the standard error of a locked-up process, which this closes in the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self._left = _LINES
        self._width = 0
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        """Return the file descriptor to wait for; -1 once the process has ended."""
        return self._descriptor

    def drain(self, *, to_end: bool = False) -> None:
        """Write to the log what there is by now; ``to_end``: of a process that has ended, all there is.

        A process that does not end may write faster than this reads: a bounded part of that is read.
        """
        reads = 0
        while self._descriptor >= 0 and (to_end or reads < _READS):
            reads += 1
            try:
                data = os.read(self._descriptor, _READ)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._write(line)
            if len(self._rest) > _LONGEST:
                self._write(self._rest)
                self._rest = b""

    def close(self) -> None:
        """Write the line that was not ended, and close the pipe."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            if self._rest:
                self._write(self._rest)
            self._show("")

    def _write(self, line: bytes) -> None:
        if line.startswith(PROGRESS):
            self._show(printable(line[1:200].decode("ascii", "replace"), 200))
            return
        self._left -= 1
        if self._left > 0:
            self._show("")
            logs.write_line(printable(line[:_LONGEST].decode("utf-8", "replace"), _LONGEST))
        elif not self._left:
            logs.write_line("more lines of the client process are not shown")

    def _show(self, text: str) -> None:
        """Let ``text`` take the place of the progress that is shown."""
        if (text or self._width) and logs.shows_progress():
            with suppress(OSError):
                logs.write_progress(text, self._width)
            self._width = len(text)
