"""Lines for the reader of the log, on standard error."""

from __future__ import annotations

import logging
import sys
import termios
from typing import TextIO


def configure(level: int) -> None:
    """Let every line of ``level`` and above go to standard error as ``pypxeboot: ...``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("pypxeboot: %(message)s"))
    handler.terminator = _line_end(sys.stderr)
    top = logging.getLogger("pypxeboot")
    top.handlers[:] = [handler]
    top.propagate = False
    top.setLevel(level)


def _line_end(stream: TextIO) -> str:
    """libxl's pty is raw: nobody there turns a line feed into a new line."""
    try:
        output_flags = termios.tcgetattr(stream.fileno())[1]
    except (termios.error, OSError, ValueError):
        return "\n"
    return "\n" if output_flags & termios.OPOST else "\r\n"
