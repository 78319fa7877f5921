"""HTTP and DNS in a capture: requests with their status lines, questions with their answers."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.explain.conversation import Attempts, Event, rate
from pypxeboot.text import printable, size_text
from pypxeboot.wire import BadName, Reader, Truncated, dns_name

_REQUEST = re.compile(rb"(GET|HEAD|POST|PUT|OPTIONS) ([^ \r\n]{1,4096}) HTTP/1\.[01]\r?\n")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})([^\r\n]{0,200})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,15})\r", re.IGNORECASE)
_SEQUENCE = 0xFFFFFFFF  # numbers of TCP wrap;
_AHEAD = 1 << 31  # less than half of that further on is ahead
_MOST_REQUESTS = 64  # of one connection
_TLS_HANDSHAKE = b"\x16\x03"
_ABSENT = (404, 410)


def is_request(data: bytes) -> bool:
    """Whether ``data`` begins with the request line of HTTP."""
    return _REQUEST.match(data) is not None


@dataclass
class HttpRequest:
    """One HTTP request (``what``: method and path) and its answer."""

    when: float
    what: str
    status: Optional[int] = None
    words: str = ""
    expected: Optional[int] = None  # bytes of the body
    body: Optional[int] = None  # sequence number of its first
    size: int = 0  # as far as it came
    last: float = 0.0
    answered: float = 0.0


@dataclass
class HttpConnection:
    """A TCP connection to a web server; ``where`` is its address, with the port if that is not 80."""

    client: str
    where: str
    asked: Attempts
    established: bool = False
    refused: bool = False
    ended: bool = False
    encrypted: bool = False
    connected: float = 0.0
    requests: list[HttpRequest] = field(default_factory=list)
    _behind: Optional[int] = None  # sequence number behind what the server has sent

    def add_from_client(self, data: bytes, when: float) -> None:
        """Take a segment of the client."""
        self.connected = self.connected or (when if data else 0.0)
        match = _REQUEST.match(data)
        if match is not None and len(self.requests) < _MOST_REQUESTS:
            method, target = printable(match[1]), printable(match[2], 300)
            self.requests.append(HttpRequest(when, f"{method} {target}"))
        elif data.startswith(_TLS_HANDSHAKE):
            self.encrypted = True

    def add_from_server(self, data: bytes, size: int, sequence: int, when: float) -> None:
        """Take a segment of the server of ``size`` bytes, of which the capture has ``data``."""
        behind = (sequence + size) & _SEQUENCE
        if self._behind is None or (behind - self._behind) & _SEQUENCE < _AHEAD:
            self._behind = behind
        if not self.requests:
            return
        request = self.requests[-1]
        match = _STATUS.match(data) if request.status is None else None
        if match is not None:
            head, _separator, _body = data.partition(b"\r\n\r\n")
            request.answered = request.last = when
            request.status, request.words = int(match[1]), printable(match[2].strip(), 80)
            length = _LENGTH.search(head + b"\r")
            request.expected = None if length is None else int(length[1])
            request.body = sequence + len(head) + 4
        # By how far the server has come: a capture may lack segments that the client has got.
        if request.body is not None:
            come = (self._behind - request.body) & _SEQUENCE
            request.size, request.last = come if come < _AHEAD else 0, when

    def lines(self, end: float) -> list[Event]:
        """Return one line for each request."""
        if not self.requests:
            what = "encrypted (https): not to be read here" if self.encrypted else "no request"
            return [(self.asked.first, self.trouble(end) or f"HTTP to {self.where}: {what}")]
        return [(request.when, self._line(request, end)) for request in self.requests]

    def _line(self, request: HttpRequest, end: float) -> str:
        text = f"HTTP {request.what} from {self.where}: "
        if request.status is None:
            return text + f"no answer in {end - request.when:.1f} s"
        text += f"{request.status} {request.words}".rstrip()
        if request.size and request.status < 300:
            seconds = max(request.last - request.when, 1e-6)
            text += f", {size_text(request.size)} in {seconds:.3f} s{rate(request.size, seconds)}"
        return text + (f"; {self._short(request)}" if self._short(request) else "")

    def _short(self, request: HttpRequest) -> str:
        head = request.what.startswith("HEAD ")
        if request.expected is None or request.size >= request.expected or head or request.status == 304:
            return ""
        return f"cut short, {size_text(request.size)} of {size_text(request.expected)}"

    def trouble(self, end: float) -> str:
        """Return what the last request lacks, or why there was none."""
        if self.refused and not self.requests:
            return f"HTTP to {self.where}: connection refused: no web server listens on that port"
        if not self.established and not self.requests:
            if end - self.asked.first < 1:
                return ""
            words = self.asked.summary(end)
            return f"HTTP to {self.where}: no answer ({words}): the host is off, or a firewall drops it"
        for request in self.requests[-1:]:
            if request.status is None and end - request.when >= 1:
                return f"{self._line(request, end)}: the web server accepts, but does not answer"
            if request.status is not None and request.status >= 400 and request.status not in _ABSENT:
                return self._line(request, end)
            if self._short(request) and self.refused:
                return self._line(request, end)
        return ""

    @property
    def files(self) -> list[tuple[float, str, bool]]:
        """Each file that was answered for: when it was asked for, its URL, whether it came."""
        return [
            (request.when, f"http://{self.where}{request.what.partition(' ')[2]}", request.status < 300)
            for request in self.requests
            if request.status is not None and not 300 <= request.status < 400
        ]


_HEADER = 12  # bytes of a DNS message before its question (RFC 1035, 4.1.1)
_TYPES = {1: "A", 28: "AAAA", 5: "CNAME", 12: "PTR", 33: "SRV", 16: "TXT"}
_CODES = {0: "", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN (no such name)", 5: "REFUSED"}


@dataclass
class DnsQuery:
    """One question to a name server (``what``: type and name) and its answer."""

    client: str
    server: str
    what: str
    asked: Attempts
    answer: str = ""
    failed: bool = False
    answered: float = 0.0

    def add_answer(self, data: bytes, when: float) -> None:
        """Take the server's answer, a whole DNS message."""
        self.answered = when
        code = data[3] & 15 if len(data) > 3 else 1
        count = int.from_bytes(data[6:8], "big")
        words = _CODES.get(code, f"error {code}")
        self.answer = words or (
            f"{count} answer{'s' if count != 1 else ''}" if count else "no answer records"
        )
        self.failed = bool(code)

    def lines(self, end: float) -> list[Event]:
        """Return one line: the question with its answer."""
        answer = self.answer or f"no answer ({self.asked.summary(end)})"
        return [(self.asked.first, f"DNS {self.what} of {self.server}: {answer}")]

    def trouble(self, end: float) -> str:
        """Return what is wrong if the server was silent, or answered with an error."""
        if self.answer and not self.failed:
            return ""
        if not self.answer and end - self.asked.first < 1:
            return ""
        meaning = "" if self.answer else ": no name server runs there, or a firewall drops UDP 53"
        return self.lines(end)[0][1] + meaning


def decode_query(data: bytes) -> Optional[tuple[int, bool, str]]:
    """Decode a DNS message: its id, whether it is an answer, and its question; None for anything else."""
    try:
        head = Reader(data)
        number, flags, count = head.number(2), head.number(2), head.number(2)
        labels, at = dns_name(data, _HEADER)
        kind = Reader(data[at:]).number(2)
    except (Truncated, BadName):
        return None
    if count != 1 or not labels:
        return None
    name = ".".join(printable(label, 63) for label in labels)
    return number, bool(flags & 0x8000), f"{_TYPES.get(kind, f'type {kind}')} {name[:255]}"
