"""When a boot has to be done."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Deadline:
    """The time (of :func:`time.monotonic`) at which a boot has to be done; waiting for a person moves it."""

    at: float
    waited: float = 0.0
    """Seconds that it was moved by so far."""

    def extend(self, seconds: float) -> None:
        """``seconds`` went by that do not count."""
        self.at += seconds
        self.waited += seconds
