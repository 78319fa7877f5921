"""What a client in a capture did, one conversation each: the parts of the story that ``explain`` tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Protocol

from pypxeboot.text import size_text

Line = tuple[float, str]
"""When, and what."""

_LARGE = 65536  # bytes
QUIET = 4.0  # s without an answer that are told as silence; PXE ROMs wait as long for the first offer


class Conversation(Protocol):
    """One of them, of the client with MAC ``client``."""

    client: str

    def lines(self, end: float) -> list[Line]:
        """What happened, where ``end`` is when the capture ends."""

    def trouble(self, end: float) -> str:
        """What went wrong in the end, and what that means; empty if nothing."""


@dataclass
class Attempts:
    """Something that is sent again until it is answered."""

    first: float
    last: float
    count: int = 1

    def again(self, when: float) -> None:
        """Once more."""
        self.count, self.last = self.count + 1, when

    def words(self, end: float) -> str:
        """``asked 3 times in 12.0 s``."""
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"asked {times} in {max(end - self.first, 0):.1f} s"


def once_more(attempts: Optional[Attempts], when: float) -> Attempts:
    """``attempts`` with another one, or the first."""
    if attempts is None:
        return Attempts(when, when)
    attempts.again(when)
    return attempts


def in_url(address: str) -> str:
    """An address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


def rate(size: int, seconds: float) -> str:
    """`` (16.0 MiB/s)``, where a file is large enough for that to mean something."""
    return f" ({size_text(size / seconds)}/s)" if size >= _LARGE else ""


@dataclass
class ArpQuestion:
    """Who has an address?"""

    client: str
    address: str
    asked: Attempts
    answers: set[str] = field(default_factory=set)

    def lines(self, end: float) -> list[Line]:
        """Only what matters: an answer is a matter of course."""
        if self.trouble(end):
            return [(self.asked.first, f"ARP: who has {self.address}? {self.trouble(end)}")]
        return []

    def trouble(self, end: float) -> str:
        """Nobody there, or two."""
        if len(self.answers) > 1:
            owners = " and ".join(sorted(self.answers))
            return f"{self.address} belongs to two: {owners}"
        if not self.answers and (self.asked.count > 1 or end - self.asked.first > 1):
            words = self.asked.words(end)
            return f"no answer from {self.address} to ARP ({words}): it is off, or on another network (VLAN)"
        return ""
