"""The C library, for system calls that Python does not have."""

from __future__ import annotations

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)


def check(status: int) -> None:
    """Raise OSError for the status of a call that failed, which is negative."""
    if status < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
