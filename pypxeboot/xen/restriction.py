"""The time that libxl gives a bootloader whose privileges it wants restricted.

Source: libxl_bootloader.c (libxl__bootloader_run) and libxl_internal.h: it is killed then, and can neither
say why nor clean up. It is restricted where it is given ``--runas``.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Optional

_SECONDS = 120  # LIBXL_BOOTLOADER_TIMEOUT
_MARGIN = 10.0  # s, to tell the reason and to clean up; of short times a quarter


def time_left(environment: Mapping[str, str]) -> Optional[float]:
    """Return the seconds in which a boot has to end, so that its own reason is told; None: no bound."""
    text = environment.get("LIBXL_BOOTLOADER_TIMEOUT")
    seconds = _SECONDS if text is None else _atoi(text)
    if seconds <= 0:
        return None
    return max(1.0, seconds - min(_MARGIN, seconds / 4) - _age())


def _atoi(text: str) -> int:
    """Return what C's atoi() makes of a text."""
    match = re.match(r"[ \t\n\v\f\r]*([+-]?[0-9]{1,9})", text)
    return int(match[1]) if match else 0


def _age() -> float:
    """Return for how many seconds this process has been running."""
    try:
        ticks = int(Path("/proc/self/stat").read_text("latin-1").rpartition(")")[2].split()[19])
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return 0.0
