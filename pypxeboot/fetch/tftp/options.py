"""What to ask a TFTP server for, and what a transfer came to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from pypxeboot.dataclass import dataclass

ETHERNET_MTU = 1500
HEADERS = {4: 32, 6: 52}
"""Bytes of a packet before the data, by IP version: headers of IP, UDP and TFTP."""
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
    """A finished transfer. ``retransmits`` counts what had to be sent again by us.

    ``mtu`` is the largest packet that the way to the server takes as far as this host knows, ``vanished`` the
    largest block size whose blocks did not come through, None where all did.
    """

    size: int
    tsize: Optional[int]
    blksize: int
    windowsize: int
    seconds: float
    retransmits: int
    mtu: int = ETHERNET_MTU
    vanished: Optional[int] = None


Memory = dict[tuple[str, int], Mapping[str, int]]
"""The options that have worked with a server, by its name or address and port, where the best ones have not.

The next request begins there: a way that swallows large packets, or a server that refuses options, is paid
for once in a boot.
"""
