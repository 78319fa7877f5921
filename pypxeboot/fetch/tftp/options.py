"""What to ask a TFTP server for, and what a transfer came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

SMALL = 512  # RFC 1350: the block size without options; RFC 2347: the longest request


@dataclass(frozen=True)
class Options:
    """What to ask for, and how long to wait (seconds)."""

    blksize: int = 1468  # an Ethernet frame less IP, UDP and TFTP headers: never fragmented
    windowsize: int = 256
    smaller: tuple[int, ...] = (1024, SMALL)  # asked for in turn when larger blocks do not come through
    timeout: float = 0.5  # until the first answer; doubles with every silence
    min_timeout: float = 0.25  # once round trips have been measured
    window_timeout: float = 0.05  # the same in a window: nothing else tells that its last block was lost
    max_timeout: float = 8.0
    patience: float = 30.0  # a server that is silent for so long is given up


@dataclass(frozen=True)
class Transfer:
    """A finished transfer. ``retransmits`` counts what had to be sent again by us."""

    size: int
    tsize: Optional[int]
    blksize: int
    windowsize: int
    seconds: float
    retransmits: int
