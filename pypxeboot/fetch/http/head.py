"""The head of an HTTP answer: http.client's reader, stricter where that lets things pass."""

from __future__ import annotations

import re
from http.client import BadStatusLine, HTTPResponse, RemoteDisconnected
from typing import Optional

from pypxeboot import text
from pypxeboot.errors import FetchError
from pypxeboot.fetch.http.message import Address

LINE_LIMIT = 4096
"""Bytes of a status line, of a chunk's size with extensions, or of a trailer."""

_STATUS_LINE = re.compile(rb"(HTTP/[0-9]\.[0-9]) +([1-9][0-9]{2})(?: ([^\r\n]*))?\r?\n")


class HttpHead(HTTPResponse):
    """The reader of an answer, strict about its first line: http.client takes ``2_00`` for 200."""

    def _read_status(self) -> tuple[str, int, str]:
        return _parse_status_line(self.fp.readline(LINE_LIMIT))


def check_fields(address: Address, head: Optional[HTTPResponse]) -> None:
    """FetchError if a line of ``head`` is not a field: http.client drops it, and all behind it, silently."""
    left = head.headers.get_payload() if head is not None else ""
    if isinstance(left, str) and left:
        line = text.printable(left.partition("\n")[0].rstrip("\r"), 60)
        raise FetchError(f"{address}: no proper HTTP answer: its head has the line {line!r}")


def _parse_status_line(line: bytes) -> tuple[str, int, str]:
    """Return version, status and words of the first line of an answer (RFC 9112 4).

    Raises RemoteDisconnected where there is none, BadStatusLine where it is another one.
    """
    if not line:
        raise RemoteDisconnected("")
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise BadStatusLine(text.printable(line, 60))
    return match[1].decode("ascii"), int(match[2]), (match[3] or b"").decode("latin-1")
