"""Reads capture files, pcap and pcapng, from front to back, with every length checked.

scapy has readers, too; they take blocks of any length into memory, and to import them takes longer than to
read most captures. This one runs in a sandbox, and imports nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from pypxeboot.dataclass import dataclass

Read = Callable[[int], bytes]
"""``read(count)``: the next bytes of the file, fewer only at its end."""

_LARGEST = 262144  # bytes of a frame; tcpdump keeps no more (MAXIMUM_SNAPLEN)
_LARGEST_BLOCK = 1 << 20
_MOST_INTERFACES = 256

_PCAP = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e6),
    b"\xa1\xb2\xc3\xd4": (">", 1e6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e9),
    b"\xa1\xb2\x3c\x4d": (">", 1e9),
}
# Block types of pcapng.
_SECTION = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _PACKET = 1, 2, 3, 6
_TIME_RESOLUTION = 9  # option of an interface


class BadCapture(ValueError):
    """The file is not a capture, or is damaged; the text says how. The frames before that count."""


@dataclass(frozen=True)
class CapturedFrame:
    """A frame as the capture file has it, perhaps without its end.

    ``linktype`` is a number of tcpdump's LINKTYPE list, ``when`` is in seconds since 1970.
    """

    linktype: int
    when: float
    data: bytes


def frames(read: Read) -> Iterator[CapturedFrame]:
    """Yield all frames of a capture. Raises BadCapture where it is not one, or is damaged from there on."""
    magic = read(4)
    if magic in _PCAP:
        yield from _pcap(read, *_PCAP[magic])
    elif magic == _SECTION:
        yield from _pcapng(read)
    else:
        raise BadCapture("it is not a capture file (neither pcap nor pcapng)")


def _exactly(read: Read, count: int) -> bytes:
    data = read(count)
    if len(data) != count:
        raise BadCapture("it ends in the middle of a frame")
    return data


def _pcap(read: Read, order: str, units: float) -> Iterator[CapturedFrame]:
    # Of the link type's field, the upper bits tell of checksums behind the frames.
    linktype = struct.unpack(order + "I", _exactly(read, 20)[16:])[0] & 0xFFFF
    header = struct.Struct(order + "IIII")
    while True:
        head = read(header.size)
        if not head:
            return
        if len(head) < header.size:
            raise BadCapture("it ends in the middle of a frame")
        seconds, fraction, kept, _length = header.unpack(head)
        if kept > _LARGEST:
            raise BadCapture(f"a frame of {kept} bytes: it is damaged")
        yield CapturedFrame(linktype, seconds + fraction / units, _exactly(read, kept))


@dataclass(frozen=True)
class _CaptureInterface:
    linktype: int
    units: float  # of time, in a second


def _pcapng(read: Read) -> Iterator[CapturedFrame]:
    order, interfaces = _section(read), list[_CaptureInterface]()
    while True:
        head = read(8)
        if not head:
            return
        if len(head) < 8:
            raise BadCapture("it ends in the middle of a block")
        if head[:4] == _SECTION:
            order, interfaces = _section(read, head[4:]), []
            continue
        kind, length = struct.unpack(order + "II", head)
        if length < 12 or length > _LARGEST_BLOCK or length % 4:
            raise BadCapture(f"a block of {length} bytes: it is damaged")
        body = _exactly(read, length - 8)[:-4]
        try:
            if kind == _INTERFACE and len(interfaces) < _MOST_INTERFACES:
                interfaces.append(_interface(order, body))
            elif kind in (_PACKET, _OLD_PACKET, _SIMPLE_PACKET) and interfaces:
                yield _packet(order, kind, body, interfaces)
        except (struct.error, IndexError):
            raise BadCapture("a block of it is damaged") from None


def _section(read: Read, length: bytes = b"") -> str:
    """Read the header of a section behind its type (and ``length``, if given), and return its byte order."""
    length = length or _exactly(read, 4)
    mark = _exactly(read, 4)
    order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(mark)
    if order is None:
        raise BadCapture("its byte order mark is unknown")
    total = struct.unpack(order + "I", length)[0]
    if total < 28 or total > _LARGEST_BLOCK or total % 4:
        raise BadCapture(f"a section header of {total} bytes: it is damaged")
    _exactly(read, total - 12)
    return order


def _interface(order: str, body: bytes) -> _CaptureInterface:
    linktype = struct.unpack_from(order + "H", body)[0]
    units, at = 1e6, 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from(order + "HH", body, at)
        if code == _TIME_RESOLUTION and length == 1:
            exponent = body[at + 4]  # its highest bit says: of 2, not of 10
            units = float((2 if exponent & 0x80 else 10) ** min(exponent & 0x7F, 64))
        at += 4 + length + -length % 4
    return _CaptureInterface(linktype, units)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_CaptureInterface]) -> CapturedFrame:
    if kind == _SIMPLE_PACKET:  # has no time, and may be cut shorter than its length says
        return CapturedFrame(
            interfaces[0].linktype, 0.0, body[4 : 4 + struct.unpack_from(order + "I", body)[0]]
        )
    number, high, low, kept = struct.unpack_from(order + ("IIII" if kind == _PACKET else "HxxIII"), body)
    interface = interfaces[number]
    return CapturedFrame(interface.linktype, (high << 32 | low) / interface.units, body[20 : 20 + kept])
