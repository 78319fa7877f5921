"""Start the client process of an ordinary boot first of all, by a mere look at the arguments.

This is the way into every command, so it imports what a boot uses only where there is one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from pypxeboot.host.spawn import ClientProcess

_NO_BOOT = ("explain", "--help", "--version", "--show-config")


def start_client(argv: Sequence[str], *, has_mac: bool = False) -> Optional[ClientProcess]:
    """Start the client of a boot that ``argv`` asks for; None where there may be no boot.

    ``has_mac``: there will be a MAC, whatever ``argv`` says.
    """
    text = " ".join(argv)
    has_mac = has_mac or "mac" in text or "bootloader." in text  # or libxl's configuration may tell it
    if os.geteuid() != 0 or not has_mac or "-h" in argv or any(word in text for word in _NO_BOOT):
        return None
    from pypxeboot.host import spawn

    return spawn.start()
