"""The argument parser of all commands: argparse, with errors of ours and without what it imports for help."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, NoReturn, Optional

from pypxeboot.errors import HandoverError, UsageError

_COLUMNS = 80  # where nobody knows

_SUCCESSORS = {
    "--location": "a tree by its URL is what --config URL, --bootfile URL or --path-prefix URL names",
}
"""Options of other bootloaders (virt-install), and what does here what they did."""


def terminal_width() -> int:
    """Return the columns of the terminal, as shutil has them; it has three decompressors, too."""
    text = os.environ.get("COLUMNS", "")
    try:
        return (int(text) if text.isdecimal() else 0) or os.get_terminal_size(1).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return what each option that is added asks for, too."""
    return argparse.HelpFormatter(prog, width=terminal_width() - 2)


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError; ``kwargs`` are those of ArgumentParser."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raise UsageError in place of an exit."""
        for word, successor in _SUCCESSORS.items():
            if re.search(rf"unrecognized arguments:.*{word}\b", message):
                raise UsageError(message, hint=successor)
        raise UsageError(message, hint=f"{self.prog} --help lists the options")

    def _print_message(self, message: str, file: Optional[Any] = None) -> None:
        """Raise HandoverError where help cannot be written: argparse overlooks that."""
        stream = file or sys.stderr
        try:
            stream.write(message)
            stream.flush()
        except OSError as why:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # or it is tried again at the end
            if not isinstance(why, BrokenPipeError):  # who pages through it has seen enough
                raise HandoverError(f"cannot write to standard output: {why.strerror}") from None
