"""What the DNS and TFTP servers of the lab say: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from pypxeboot.text import decode
from pypxeboot.wire import BadName, Reader, Truncated, dns_name

_BLOCK, _WINDOW = 1428, 16  # as large as fits an Ethernet frame; as many as any client of ours asks for
_HEADER = 12  # bytes of a DNS message before its question
_NO_ERROR, _NO_SUCH_NAME = 0, 3


def dns_answer(query: bytes, names: Mapping[str, IPv4Address]) -> bytes:
    """Return the reply to one question (RFC 1035, 4.1) about ``names``; empty if it is none."""
    try:
        head = Reader(query)
        number, flags, counts = head.take(2), head.take(2), head.take(8)
        labels, at = dns_name(query, _HEADER)
        rest = Reader(query[at:])
        kind, family = rest.number(2), rest.number(2)
    except (Truncated, BadName):
        return b""
    if flags[0] & 0x80 or counts[:2] != b"\0\1":
        return b""
    question = query[_HEADER : at + 4]
    address = names.get(".".join(decode(label).lower() for label in labels))
    code = _NO_SUCH_NAME if address is None else _NO_ERROR
    answers = b""
    if address is not None and (kind, family) == (1, 1):
        answers = b"\xc0\x0c\0\1\0\1" + (60).to_bytes(4, "big") + b"\0\4" + address.packed
    counts = b"\0\1" + (b"\0\1" if answers else b"\0\0") + bytes(4)
    # A reply with authority; recursion wanted as the question says, and had.
    return number + bytes([0x84 | flags[0] & 1, 0x80 | code]) + counts + question + answers


def tftp_options(request: bytes, size: int) -> tuple[int, int, bytes]:
    """Block size, window size, and the OACK (RFC 2347-2349, 7440) of a read request; empty if none is due."""
    fields = request[2:].split(b"\0")
    asked = dict(zip((key.lower() for key in fields[2::2]), fields[3::2]))
    block, window, agreed = 512, 1, []
    if asked.get(b"blksize", b"").isdigit():
        block = max(8, min(int(asked[b"blksize"]), _BLOCK))
        agreed += [b"blksize", b"%d" % block]
    if asked.get(b"windowsize", b"").isdigit():
        window = max(1, min(int(asked[b"windowsize"]), _WINDOW))
        agreed += [b"windowsize", b"%d" % window]
    if b"tsize" in asked:
        agreed += [b"tsize", b"%d" % size]
    return block, window, b"\0\6" + b"".join(word + b"\0" for word in agreed) if agreed else b""
