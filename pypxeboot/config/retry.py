"""When a boot that failed is tried again: ``--retry``, and what stands for it in a domain's XML."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import ConfigError, FetchError, NoBootSource, NoLease

WORTHWHILE = (NoLease.code, NoBootSource.code, ConfigError.code, FetchError.code)
"""Causes that a server which comes later takes away. A rule or a limit stays what it is."""

_LONGEST = 86400.0  # s between two tries
_SPEC = re.compile(r"([0-9]{1,7}(?:\.[0-9]+)?)(?:,([0-9]{1,7}(?:\.[0-9]+)?))?(?:,([0-9]{1,9}))?")


@dataclass(frozen=True)
class Retry:
    """Waits between tries, in seconds: the ``first``, doubled each time up to the ``longest``.

    No try begins later than ``within`` seconds after the first failure; None: there is no end to it. A
    ``first`` of 0 is no try at all.
    """

    first: float
    longest: float
    within: Optional[float] = None

    def wait(self, failures: int, since: float) -> Optional[float]:
        """Return how long to wait after so many ``failures``, the first ``since`` seconds ago; None: no more.

        ``failures`` is at least 1.
        """
        seconds = min(self.first * 2 ** min(failures - 1, 20), self.longest)
        late = self.within is not None and since + seconds > self.within
        return None if not self.first or late else seconds

    def __str__(self) -> str:
        """As it is written."""
        if not self.first:
            return "no"
        return f"{self.first:g},{self.longest:g}" + (f",{self.within:g}" if self.within is not None else "")


NEVER = Retry(0.0, 0.0)
AFTER_REBOOT = Retry(10.0, 300.0)
"""A guest that ran, and merely rebooted, must not stay off for ever because a server was away."""


def parse_retry(text: str) -> Retry:
    """Return what ``no``, ``30``, ``10,300`` (first, longest wait) or ``10,300,3600`` (for how long) says.

    Raises ValueError.
    """
    if text.strip().lower() in ("no", "off", "0"):
        return NEVER
    match = _SPEC.fullmatch(re.sub(r"\s", "", text))
    if match is None:
        raise ValueError(f"{text!r} is neither no nor SECONDS[,LONGEST[,FOR]]")
    first = float(match[1])
    longest = float(match[2]) if match[2] else first
    if not 0 < first <= longest <= _LONGEST:
        raise ValueError("waits are more than 0 s, the longest no shorter than the first, and a day at most")
    return Retry(first, longest, float(match[3]) if match[3] else None)
