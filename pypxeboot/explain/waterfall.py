"""The conversations of a capture as bars in time: what pictures of a boot are made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

from pypxeboot.dataclass import dataclass
from pypxeboot.text import printable


class Phase(str, Enum):
    """What a client waits for, in the words of browsers' waterfalls; BLOCKED: nobody answers."""

    BLOCKED = "blocked"
    DNS = "dns"
    CONNECT = "connect"
    WAIT = "wait"
    RECEIVE = "receive"


class BarEnd(str, Enum):
    """How it ended; MISSING is a server's plain word that there is no such file."""

    OK = "ok"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True)
class PhaseSpan:
    """A phase from ``start`` to ``end``, in seconds."""

    phase: Phase
    start: float
    end: float


@dataclass(frozen=True)
class Bar:
    """A request of a client: whom it asked (``host``), for what (``name``), and how that went.

    Times are in seconds since the capture begins. ``again`` is when something was sent once more, ``detail``
    is the line of the timeline about it.
    """

    host: str
    name: str
    outcome: BarEnd
    spans: tuple[PhaseSpan, ...]
    again: tuple[float, ...] = ()
    detail: str = ""

    @property
    def start(self) -> float:
        """When it began."""
        return self.spans[0].start

    @property
    def end(self) -> float:
        """When it ended."""
        return self.spans[-1].end


def lanes(bars: Iterable[Bar]) -> dict[str, list[Bar]]:
    """Return the bars by host, those asked first before others: all ports of a host are one lane."""
    found: dict[str, list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: bar.start):
        found.setdefault(bar.host, []).append(bar)
    return found


_SIGNS = {Phase.BLOCKED: "-", Phase.DNS: "d", Phase.CONNECT: "c", Phase.WAIT: ".", Phase.RECEIVE: "="}
_AGAIN = "!"
_ENDS = {BarEnd.OK: "", BarEnd.MISSING: "  not there", BarEnd.FAILED: "  failed"}
_NARROW, _NAMES = 50, 30  # columns: fewer show nothing; those of names
_MOST = 300  # bars in a terminal


def text_lines(bars: Sequence[Bar], width: int) -> Iterator[str]:
    """Draw the bars in characters, at most ``width`` columns wide."""
    if not bars or width < _NARROW:
        return
    last = max(bar.end for bar in bars)
    names = min(_NAMES, width // 3)
    room = width - names - 16
    scale = room / max(last, 1e-6)
    signs = ", ".join(f"{sign} {phase.value}" for phase, sign in _SIGNS.items())
    yield f"waterfall of {last:.3f} s ({signs}, {_AGAIN} sent again)"
    left = _MOST
    for host, own in lanes(bars).items():
        yield f"  {printable(host, width - 2)}"
        for bar in own[:left]:
            cells = [" "] * room
            for span in bar.spans:
                first = min(int(span.start * scale), room - 1)
                for at in range(first, max(first + 1, min(int(span.end * scale), room))):
                    cells[at] = _SIGNS[span.phase]
            for when in bar.again:
                cells[min(int(when * scale), room - 1)] = _AGAIN
            name = printable(bar.name, 300)
            name = name if len(name) <= names else f"...{name[3 - names :]}"
            yield f"    {name:{names}} {''.join(cells).rstrip()}{_ENDS[bar.outcome]}".rstrip()
        left = max(left - len(own), 0)
