"""Ethernet, IPv4 and UDP around a DHCP message: made and checked here, for a boot needs nothing else of them.

A frame is ``bytes`` from the destination's address on, without preamble and checksum.
"""

from __future__ import annotations

import struct
from typing import Optional

from pypxeboot.dhcp import message
from pypxeboot.dhcp.client import Send

_BROADCAST = b"\xff" * 6
_ETHERTYPE_IPV4 = b"\x08\x00"
_ETHERNET = 14  # bytes of its header
_IPV4 = struct.Struct(">BBHHHBBH4s4s")  # RFC 791 3.1, without options
_UDP = struct.Struct(">HHHH")  # RFC 768: ports, length, checksum
_PROTOCOL_UDP = 17
_TTL = 64
_FRAGMENTED = 0x3FFF  # more fragments, and the offset
_CHECKSUM_IN_HEADER, _CHECKSUM_IN_UDP = 10, 6


def discover_frame(mac: bytes, send: Send) -> bytes:
    """Return the frame of one message of the client with ``mac``, broadcast from 0.0.0.0."""
    payload = message.request(send.xid, mac, send.options, secs=send.secs, broadcast=send.broadcast)
    length = _UDP.size + len(payload)
    source, destination = bytes(4), b"\xff" * 4
    header = bytearray(
        _IPV4.pack(0x45, 0, _IPV4.size + length, 1, 0, _TTL, _PROTOCOL_UDP, 0, source, destination)
    )
    struct.pack_into(">H", header, _CHECKSUM_IN_HEADER, checksum(bytes(header)))
    udp = bytearray(_UDP.pack(message.CLIENT_PORT, message.SERVER_PORT, length, 0) + payload)
    # A sum of 0 says that there is none: it goes out as its other form.
    total = checksum(_pseudo_header(source, destination, length) + udp) or 0xFFFF
    struct.pack_into(">H", udp, _CHECKSUM_IN_UDP, total)
    return b"".join((_BROADCAST, mac, _ETHERTYPE_IPV4, header, udp))


def reply_payload(frame: bytes, xid: int, *, checksum_ready: bool = True) -> Optional[bytes]:
    """Return the UDP payload of a DHCP reply with ``xid``, or None for any other or damaged frame.

    ``checksum_ready`` is False for a frame of this host whose UDP checksum the (virtual) hardware would have
    finished: replies of a server on the same host arrive like that.
    """
    # What most other traffic fails comes first: a flood of it costs nothing.
    header_size = (frame[_ETHERNET] & 15) * 4 if len(frame) > _ETHERNET else 0
    start = _ETHERNET + header_size
    if frame[12:_ETHERNET] != _ETHERTYPE_IPV4 or frame[start + 12 : start + 16] != xid.to_bytes(4, "big"):
        return None
    if header_size < _IPV4.size:
        return None
    first, _tos, total, _id, fragment, _ttl, protocol, _sum, source, destination = _IPV4.unpack_from(
        frame, _ETHERNET
    )
    end = _ETHERNET + total
    if first >> 4 != 4 or protocol != _PROTOCOL_UDP or fragment & _FRAGMENTED:
        return None
    if not start + _UDP.size < end <= len(frame):
        return None
    datagram = frame[start:end]
    source_port, destination_port, length, udp_sum = _UDP.unpack_from(datagram)
    if (source_port, destination_port) != (message.SERVER_PORT, message.CLIENT_PORT):
        return None
    if not _UDP.size < length <= len(datagram) or checksum(frame[_ETHERNET:start]):
        return None
    datagram = datagram[:length]
    # RFC 768: 0 = no checksum was made.
    if checksum_ready and udp_sum and checksum(_pseudo_header(source, destination, length) + datagram):
        return None
    return datagram[_UDP.size :]


def _pseudo_header(source: bytes, destination: bytes, length: int) -> bytes:
    """Return what the checksum of UDP covers beside the datagram of ``length`` bytes (RFC 768)."""
    return source + destination + struct.pack(">HH", _PROTOCOL_UDP, length)


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071) of ``data``: 0 where it holds its own, and is whole."""
    if len(data) % 2:
        data += b"\0"
    # Its 16-bit words, each carry added again, are the number that all the bytes make, modulo 65535.
    number = int.from_bytes(data, "big")
    return 0xFFFF - (number % 0xFFFF or (0xFFFF if number else 0))
