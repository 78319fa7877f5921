"""The limits of a boot, each with its reason: the largest files, the longest waits.

Some are options, and so keys of /etc/pypxeboot.conf (config/merge.py); the comment names them.
"""

from __future__ import annotations

from pypxeboot.dataclass import dataclass

# Between INFO and WARNING: the few lines that everybody sees, with or without -v.
NOTICE = 25


@dataclass(frozen=True)
class Limits:
    """The limits of one boot: sizes in bytes, times in seconds."""

    # What pygrub lets a kernel be (RLIMIT_FSIZE of its child). --max-kernel
    kernel: int = 128 << 20
    # What Xen takes of a module at most (XC_DOM_DECOMPRESS_MAX in xenguest.h). --max-ramdisk
    ramdisk: int = 1 << 30
    # What gives more room beside the kernel: a hint for who ran into that.
    more_ramdisk: str = "--max-ramdisk SIZE allows more"
    # A detached signature: one with a chain of three certificates has 5 KiB.
    signature: int = 64 << 10
    # What a person waits for a machine that boots from a network. --timeout
    timeout: float = 120.0
    # What gives the boot longer: a hint for who ran into that.
    longer: str = "--timeout SECONDS gives it longer"
    # Teardown of a guest that reboots: backends have 10 s to close under libxl, and the bridge flushes at
    # once. --mac-wait
    mac_wait: float = 20.0
    # A menu without a timeout: a bootloader that blocks "xl create" for ever helps nobody. --menu-timeout
    menu_wait: float = 60.0
    # "Just under one hour": the longest TIMEOUT that SYSLINUX knows. Nobody needs longer for one key.
    longest_wait: float = 3600.0


@dataclass
class Deadline:
    """The time at which a boot has to be done, of :func:`time.monotonic`; waiting for the user moves it."""

    at: float
    waited: float = 0.0
    """Seconds by which it was moved so far."""

    def extend(self, seconds: float) -> None:
        """Move the deadline by ``seconds`` that do not count."""
        self.at += seconds
        self.waited += seconds
