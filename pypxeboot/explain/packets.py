"""Decodes frames of a capture down to the ports: Ethernet with VLAN tags, Linux cooked, ARP, IP."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Optional

from pypxeboot.explain.capture_file import CapturedFrame

ETHERNET, RAW_IP, LINUX_COOKED, LINUX_COOKED_2 = 1, 101, 113, 276
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_VLAN_TAGS = (0x8100, 0x88A8)
ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
SYN, RST, FIN, ACK = 2, 4, 1, 16


class Packet(NamedTuple):
    """A packet of ARP, ICMP, TCP or UDP; ``protocol`` is IP's number, 0 for ARP.

    ``source`` and ``target`` are IP addresses in text, ``mac`` is who sent the frame; ``size`` counts the
    payload as it was on the wire, of which ``payload`` may be but the first part. Of ARP, ``flags`` is the
    operation; of ICMP the ports are type and code.
    """

    when: float
    mac: str
    protocol: int
    source: str
    target: str
    source_port: int
    target_port: int
    payload: bytes
    size: int
    flags: int = 0
    sequence: int = 0


def decode(frame: CapturedFrame) -> Optional[Packet]:
    """Decode the packet in a frame; None for what has no part in a boot, or is damaged."""
    try:
        mac, kind, at = _link(frame)
        if kind == _ARP:
            return _arp(frame, at)
        if kind == _IPV4:
            return _ipv4(frame, mac, at)
        if kind == _IPV6:
            return _ipv6(frame, mac, at)
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _link(frame: CapturedFrame) -> tuple[str, int, int]:
    """Return the sender's MAC, the EtherType, and the offset of what that is the type of."""
    data = frame.data
    if frame.linktype == ETHERNET:
        mac, at = data[6:12], 12
    elif frame.linktype == LINUX_COOKED:
        mac, at = data[6:12], 14
    elif frame.linktype == LINUX_COOKED_2:
        return data[12:18].hex(":"), struct.unpack_from(">H", data)[0], 20
    elif frame.linktype == RAW_IP:
        return "", _IPV4 if data[0] >> 4 == 4 else _IPV6, 0
    else:
        raise ValueError
    kind = struct.unpack_from(">H", data, at)[0]
    while kind in _VLAN_TAGS:
        at += 4
        kind = struct.unpack_from(">H", data, at)[0]
    return mac.hex(":"), kind, at + 2


def _arp(frame: CapturedFrame, at: int) -> Packet:
    hardware, protocol, lengths, operation = struct.unpack_from(">HHHH", frame.data, at)
    if (hardware, protocol, lengths) != (1, _IPV4, 0x0604):
        raise ValueError
    mac, source, target = struct.unpack_from(">6s4s6x4s", frame.data, at + 8)
    return Packet(frame.when, mac.hex(":"), 0, _text(source), _text(target), 0, 0, b"", 0, flags=operation)


def _ipv4(frame: CapturedFrame, mac: str, at: int) -> Packet:
    data = frame.data
    total, fragment, protocol, source, target = struct.unpack_from(">2xHxxHxB2x4s4s", data, at)
    if fragment & 0x1FFF:  # a fragment behind the first has no ports
        raise ValueError
    total = total or len(data) - at  # a frame that the card would have cut in pieces (TSO)
    header = (data[at] & 15) * 4
    return _decode_ip_payload(
        frame.when, mac, protocol, (_text(source), _text(target)), data[at + header :], total - header
    )


def _ipv6(frame: CapturedFrame, mac: str, at: int) -> Packet:
    length, protocol, source, target = struct.unpack_from(">4xHBx16s16s", frame.data, at)
    ends = str(IPv6Address(source)), str(IPv6Address(target))
    return _decode_ip_payload(frame.when, mac, protocol, ends, frame.data[at + 40 :], length)


def _text(address: bytes) -> str:
    return str(IPv4Address(address))


def _decode_ip_payload(
    when: float, mac: str, protocol: int, ends: tuple[str, str], data: bytes, length: int
) -> Packet:
    """Decode an IP payload of ``length`` bytes, of which ``data`` was kept, perhaps padded at its end."""
    source, target = ends
    data = data[: max(length, 0)]
    if protocol == UDP:
        source_port, target_port, size = struct.unpack_from(">HHH", data)
        return Packet(
            when, mac, UDP, source, target, source_port, target_port, data[8:size], max(size - 8, 0)
        )
    if protocol == TCP:
        source_port, target_port, sequence, offset, flags = struct.unpack_from(">HHI4xBB", data)
        header = (offset >> 4) * 4
        size = max(length - header, 0)
        payload = data[header:]
        return Packet(
            when, mac, TCP, source, target, source_port, target_port, payload, size, flags, sequence
        )
    if protocol in (ICMP, ICMPV6):
        return Packet(when, mac, protocol, source, target, data[0], data[1], data[8:], len(data))
    raise ValueError
