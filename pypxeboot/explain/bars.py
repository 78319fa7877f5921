"""Makes bars of the conversations in a capture, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pypxeboot.explain.conversation import ArpRequest, Conversation, in_url
from pypxeboot.explain.dhcp import DhcpExchange
from pypxeboot.explain.dhcp6 import Dhcp6Exchange
from pypxeboot.explain.http_dns import DnsQuery, HttpConnection
from pypxeboot.explain.tftp import TftpTransfer
from pypxeboot.explain.waterfall import Bar, BarEnd, Phase, PhaseSpan

_MOST = 1000  # of one capture
_LEAST = 0.0005  # s; what took less is still to be seen


def bars(conversations: Sequence[Conversation], started: float, end: float) -> list[Bar]:
    """Return the bars of ``conversations`` in a capture from ``started`` to ``end`` (seconds since 1970)."""
    found: list[Bar] = []
    for one in conversations:
        for bar in _bars(one, end):
            if len(found) < _MOST:
                found.append(_shifted(bar, started))
    return sorted(found, key=lambda bar: bar.start)


def _shifted(bar: Bar, started: float) -> Bar:
    def since(when: float) -> float:
        return round(max(when - started, 0.0), 6)

    spans = tuple(PhaseSpan(span.phase, since(span.start), since(span.end)) for span in bar.spans)
    return Bar(bar.host, bar.name, bar.outcome, spans, tuple(map(since, bar.again)), bar.detail)


def _spans(*parts: tuple[Phase, float, float]) -> tuple[PhaseSpan, ...]:
    kept = [part for part in parts if part[2] > part[1]]
    first = parts[0]
    return tuple(PhaseSpan(*part) for part in kept) or (PhaseSpan(first[0], first[1], first[1] + _LEAST),)


def _bars(one: Conversation, end: float) -> Iterator[Bar]:
    if isinstance(one, TftpTransfer):
        yield _tftp(one, end)
    elif isinstance(one, HttpConnection):
        yield from _http(one, end)
    elif isinstance(one, DnsQuery):
        over = one.answered or end
        outcome = BarEnd.FAILED if one.trouble(end) else BarEnd.OK
        spans = _spans((Phase.DNS, one.asked.first, over))
        yield Bar(one.server, one.what, outcome, spans, tuple(one.asked.times[1:]), one.lines(end)[0][1])
    elif isinstance(one, (DhcpExchange, Dhcp6Exchange)):
        for sent, name, answered, server in one.steps:
            outcome = BarEnd.OK if answered else BarEnd.FAILED
            phase = Phase.WAIT if answered else Phase.BLOCKED
            detail = f"{name}: {'answered by ' + server if answered else 'no answer'}"
            yield Bar(server or "DHCP", name, outcome, _spans((phase, sent, answered or end)), (), detail)
    elif isinstance(one, ArpRequest) and one.trouble(end):
        spans = _spans((Phase.BLOCKED, one.asked.first, end))
        again = tuple(one.asked.times[1:])
        yield Bar(one.address, f"ARP {one.address}", BarEnd.FAILED, spans, again, one.trouble(end))


def _tftp(one: TftpTransfer, end: float) -> Bar:
    detail = one.lines(end)[0][1]
    again = tuple(sorted([*one.asked.times[1:], *one.again]))
    if one.answered is None:
        spans = _spans((Phase.BLOCKED, one.asked.first, end))
        return Bar(one.server, one.name, BarEnd.FAILED, spans, again, detail)
    spans = _spans(
        (Phase.WAIT, one.asked.first, one.answered), (Phase.RECEIVE, one.answered, one.last or one.answered)
    )
    outcome = BarEnd.MISSING if one.not_found else BarEnd.OK if one.complete else BarEnd.FAILED
    return Bar(one.server, one.name, outcome, spans, again, detail)


def _http(one: HttpConnection, end: float) -> Iterator[Bar]:
    host = one.where.rpartition(":")[0].strip("[]") if one.where.count(":") == 1 else one.where.strip("[]")
    host = host or in_url(one.where)
    lines = one.lines(end)
    if not one.requests:
        outcome = BarEnd.FAILED if one.trouble(end) else BarEnd.OK
        phase = Phase.CONNECT if one.connected else Phase.BLOCKED
        spans = _spans((phase, one.asked.first, one.connected or end))
        yield Bar(host, f"connection to {one.where}", outcome, spans, tuple(one.asked.times[1:]), lines[0][1])
    for index, (request, (_when, detail)) in enumerate(zip(one.requests, lines)):
        began = one.asked.first if index == 0 else request.when
        answered = request.answered or end
        spans = _spans(
            (Phase.CONNECT, began, request.when),
            (Phase.WAIT if request.answered else Phase.BLOCKED, request.when, answered),
            (Phase.RECEIVE, answered, request.last or answered),
        )
        status = request.status or 0
        outcome = BarEnd.OK if 200 <= status < 400 else BarEnd.MISSING if status == 404 else BarEnd.FAILED
        again = tuple(one.asked.times[1:]) if index == 0 else ()
        yield Bar(host, request.what.partition(" ")[2], outcome, spans, again, detail)
