"""What all conversations of a client in a capture have in common, and the one of ARP."""

from __future__ import annotations

from typing import NamedTuple, Optional, Protocol

from pypxeboot.dataclass import dataclass, field
from pypxeboot.text import size_text

Event = tuple[float, str]
"""When (seconds since 1970), and what happened, as text."""

_LARGE = 65536  # bytes
_MOST_TIMES = 32
QUIET = 4.0  # s without an answer that count as silence; PXE ROMs wait as long for the first offer


class Conversation(Protocol):
    """What a client (its MAC, or its address) does with one server: a DHCP exchange, a file, a question."""

    client: str

    def lines(self, end: float) -> list[Event]:
        """Return what happened; ``end`` is when the capture ends."""

    def trouble(self, end: float) -> str:
        """Return what went wrong in the end, and what that means; empty if nothing did."""


@dataclass
class Attempts:
    """How often something was sent until it was answered: ``first`` and ``last`` in seconds since 1970.

    ``times`` has the first few of them.
    """

    first: float
    last: float
    count: int = 1
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.times = self.times or [self.first]

    def add(self, when: float) -> None:
        """Count one more attempt."""
        self.count, self.last = self.count + 1, when
        if len(self.times) < _MOST_TIMES:
            self.times.append(when)

    def summary(self, end: float) -> str:
        """Return ``asked 3 times in 12.0 s``: from the first attempt to the ``end`` of the capture."""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"asked {times} in {max(end - self.first, 0):.1f} s"


def add_attempt(attempts: Optional[Attempts], when: float) -> Attempts:
    """Count one more attempt at ``when``; None begins to count."""
    if attempts is None:
        return Attempts(when, when)
    attempts.add(when)
    return attempts


class Step(NamedTuple):
    """A message of DHCP: when it was sent, its name, when it was answered (0: never), and by whom."""

    sent: float
    name: str
    answered: float = 0.0
    server: str = ""


def in_url(address: str) -> str:
    """Return an IP address as it stands in a URL: that of IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def rate(size: int, seconds: float) -> str:
    """Return the text `` (16.0 MiB/s)``; empty for a file too small for that to mean something."""
    return f" ({size_text(size / seconds)}/s)" if size >= _LARGE else ""


@dataclass
class ArpRequest:
    """An ARP request for ``address``, and the MACs that answered it."""

    client: str
    address: str
    asked: Attempts
    answers: set[str] = field(default_factory=set)

    def lines(self, end: float) -> list[Event]:
        """Return one line if there is trouble; an answer is a matter of course."""
        if self.trouble(end):
            return [(self.asked.first, f"ARP: who has {self.address}? {self.trouble(end)}")]
        return []

    def trouble(self, end: float) -> str:
        """Return what is wrong if nobody has the address, or two have it."""
        if len(self.answers) > 1:
            owners = " and ".join(sorted(self.answers))
            return f"{self.address} belongs to two: {owners}"
        if not self.answers and (self.asked.count > 1 or end - self.asked.first > 1):
            words = self.asked.summary(end)
            return f"no answer from {self.address} to ARP ({words}): it is off, or on another network (VLAN)"
        return ""
