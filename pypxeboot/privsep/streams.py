"""The standard streams of a command, which whoever starts it may have closed."""

from __future__ import annotations

import os
import sys


def open_standard_streams() -> None:
    """Open the null device for each of the descriptors 0, 1 and 2 that is closed.

    Some toolstacks start programs so; no file of ours may take their place. To write a result to a standard
    output that was closed remains an error.
    """
    for number, flags in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # the lowest number that is free
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))
