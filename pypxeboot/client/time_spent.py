"""Where the time of a boot went: what is told when it is over, in place of whoever was asked last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import FetchError, NoLease, PxeBootError, Refused, joined_hints
from pypxeboot.result import Request
from pypxeboot.text import printable, size_text
from pypxeboot.url import parse

DHCP = "DHCP"
JOINING = "joining the guest's network"
_ENOUGH = 1.0  # s; a DHCP server that is there has answered by then
_LONGER = "--timeout SECONDS gives it longer"


@dataclass
class TimeSpent:
    """Seconds by who or what they went to; ``words`` say how that ended last."""

    seconds: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    hints: dict[str, Optional[str]] = field(default_factory=dict)

    def add(self, who: str, seconds: float, words: str = "", hint: Optional[str] = None) -> None:
        """Count ``seconds`` for ``who``."""
        self.seconds[who] = self.seconds.get(who, 0.0) + seconds
        if words:
            self.words[who], self.hints[who] = words, hint

    def add_requests(self, requests: Sequence[Request], failures: Mapping[str, PxeBootError]) -> None:
        """Count downloads, each for its server; of those side by side, each counts."""
        for request in requests:
            try:
                host = parse(request.url).host
            except Refused:
                continue
            words, failure = request.result, failures.get(request.url)
            if words == "ok":
                words = (
                    f"it sent {size_text(request.bytes)} in {request.seconds:.1f} s" if request.bytes else ""
                )
            elif words == "not-found":
                words = ""
            self.add(printable(host), request.seconds, words, None if failure is None else failure.hint)

    def error(self, why: PxeBootError, limit: float) -> PxeBootError:
        """Return the error that the time (``limit`` seconds) is over, which ``why`` came of."""
        who = max(self.seconds, key=lambda name: self.seconds[name], default="")
        if not who or (isinstance(why, NoLease) and self.seconds.get(DHCP, 0.0) >= _ENOUGH):
            return why  # the step that failed had its time
        words = self.words.get(who, "")
        text = f"not done after {limit:.0f} s; {self.seconds[who]:.1f} s of it went to {who}"
        return FetchError(
            f"{text} ({printable(words, 400)})" if words else text,
            hint=joined_hints(self.hints.get(who), _LONGER),
            cause="timeout",
        )
