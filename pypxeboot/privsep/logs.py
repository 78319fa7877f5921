"""Lines for the reader of the log, on standard error."""

from __future__ import annotations

import logging
import os
import sys
import termios
import threading
from collections import deque
from collections.abc import Sequence
from typing import Optional, TextIO

from pypxeboot.limits import NOTICE

_HELD_TEXT = 1 << 20  # characters; the oldest lines of more are lost


class _Hold(logging.Filter):
    """Keeps lines back while a picture is on the terminal."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.held: Optional[deque[logging.LogRecord]] = None
        self.size = 0  # characters in them

    def filter(self, record: logging.LogRecord) -> bool:
        with self.lock:
            if self.held is not None:
                self.held.append(record)
                self.size += len(record.getMessage())
                while self.size > _HELD_TEXT and len(self.held) > 1:
                    self.size -= len(self.held.popleft().getMessage())
            return self.held is None


_hold = _Hold()
_format = "pypxeboot: %(message)s"


def configure(level: int) -> None:
    """Let every line of ``level`` and above go to standard error as ``pypxeboot: ...``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_hold)
    handler.setFormatter(logging.Formatter(_format))
    handler.terminator = "\r\n" if is_raw(sys.stderr) else "\n"
    top = logging.getLogger("pypxeboot")
    top.handlers[:] = [handler]
    top.propagate = False
    set_level(level)


def set_level(level: int) -> None:
    """Let every line of ``level`` and above be written; a change has logging look at all its loggers."""
    top = logging.getLogger("pypxeboot")
    if top.level != level:
        top.setLevel(level)


def least(argv: Sequence[str]) -> int:
    """Return the level that arguments ask for, by a mere look at them: until they are read."""
    return logging.WARNING if {"-q", "--quiet"} & set(argv) else NOTICE


def configure_locked_up(level: int) -> None:
    """Let every line of ``level`` and above go to standard error as it is: the host side has the rest."""
    global _format
    _format = "%(message)s"
    configure(level)


def write_line(text: str) -> None:
    """Write a line of a locked-up process, which has seen to its level."""
    values = {"name": "pypxeboot", "msg": "%s", "args": (text,), "levelno": logging.ERROR}
    logging.getLogger("pypxeboot").handle(logging.makeLogRecord(values))


def write_progress(text: str, width: int) -> None:
    """Write ``text`` over the first ``width`` columns of the present line; empty: clear them."""
    with _hold.lock:
        if _hold.held is None:
            end = "" if text else "\r"
            sys.stderr.write(f"\r{text.ljust(width)}{end}")
            sys.stderr.flush()


def shows_progress() -> bool:
    """Whether a line that moves may be shown: on a terminal that can go back; libxl's goes to a log."""
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not is_raw(sys.stderr)


def name(guest: str) -> None:
    """Let every line name the guest that it is about: lines of many go to one place."""
    global _format
    _format = f"pypxeboot: {guest}: ".replace("%", "%%") + "%(message)s"
    for handler in logging.getLogger("pypxeboot").handlers:
        handler.setFormatter(logging.Formatter(_format))


def hold() -> None:
    """Keep lines back: a picture is on the terminal."""
    with _hold.lock:
        if _hold.held is None:
            _hold.held, _hold.size = deque(), 0


def release() -> None:
    """Write lines again, those that were kept back first."""
    with _hold.lock:
        held, _hold.held = _hold.held, None
    for record in held or ():
        logging.getLogger("pypxeboot").handle(record)


def is_raw(stream: TextIO) -> bool:
    """Whether nobody turns a line feed into a new line there, as on libxl's pty."""
    try:
        output_flags = termios.tcgetattr(stream.fileno())[1]
    except (termios.error, OSError, ValueError):
        return False
    return not output_flags & termios.OPOST
