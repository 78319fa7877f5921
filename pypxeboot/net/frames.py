"""Raw Ethernet frames of DHCP, and capture files. The one module that knows scapy.

scapy builds and takes apart Ethernet, IP and UDP; the DHCP message inside goes to
:mod:`pypxeboot.dhcp.message`, since scapy drops what follows a malformed option, and joins neither split
options nor overloaded fields.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Optional

from pypxeboot.dhcp import message
from pypxeboot.dhcp.client import Send

ETH_P_ALL = 0x0003
_ETH_P_LOCAL_EXPERIMENT = 0x88B5  # IEEE 802: for whoever wants it; nothing on the networks of guests

# linux/if_packet.h
_SOL_PACKET = 263
_PACKET_ADD_MEMBERSHIP = 1
_PACKET_STATISTICS = 6
_PACKET_AUXDATA = 8
_PACKET_MR_PROMISC = 1
_TP_STATUS_CSUMNOTREADY = 0x08
_TP_STATUS_VLAN_VALID = 0x10
_AUXDATA = struct.Struct(
    "IIIHHHH"
)  # struct tpacket_auxdata: status, len, snaplen, mac, net, vlan_tci, vlan_tpid

# asm-generic/socket.h
_SO_TIMESTAMP = 29
_SO_RCVBUFFORCE = 33
_TIMEVAL = struct.Struct("ll")


def preload(*, every_protocol: bool = False) -> None:
    """Import scapy, which takes longer than all else before the first DISCOVER.

    ``every_protocol`` is for :func:`summary`.
    """
    logging.getLogger("scapy").setLevel(logging.ERROR)  # it warns about interfaces without an address
    import scapy.layers.inet

    if every_protocol:
        import scapy.layers.dhcp
        import scapy.layers.dns
        import scapy.layers.tftp  # noqa: F401


def summary(frame: bytes) -> str:
    """Return a frame in words."""
    from scapy.layers.l2 import Ether

    try:
        return str(Ether(frame).summary())
    except Exception:  # of whatever layer stumbles over hostile bytes
        return f"{len(frame)} bytes that cannot be read"


def build(mac: bytes, send: Send) -> bytes:
    """Return the Ethernet frame, broadcast from 0.0.0.0, of one message of the client with ``mac``."""
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    payload = message.request(send.xid, mac, send.options, secs=send.secs, broadcast=send.broadcast)
    frame = (
        Ether(src=mac.hex(":"), dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255", ttl=64)
        / UDP(sport=message.CLIENT_PORT, dport=message.SERVER_PORT)
        / payload
    )
    return bytes(frame)


def reply_payload(frame: bytes, xid: int, *, checksum_ready: bool = True) -> Optional[bytes]:
    """Return the UDP payload of a DHCP reply with ``xid``, or None for any other or damaged frame.

    ``checksum_ready`` is False for a frame of this host whose UDP checksum the (virtual) hardware would have
    finished: replies of a server on the same host arrive like that.
    """
    # Cheap first, so that a flood of other traffic costs nothing: IPv4, UDP, and our xid in its place.
    header = 14 + (frame[14] & 15) * 4 if len(frame) > 14 else 0
    if frame[12:14] != b"\x08\x00" or frame[header + 12 : header + 16] != xid.to_bytes(4, "big"):
        return None
    from scapy.layers.inet import IP, UDP, in4_chksum
    from scapy.layers.l2 import Ether
    from scapy.utils import checksum

    ether = Ether(frame)
    if IP not in ether or UDP not in ether:
        return None
    ip, udp = ether[IP], ether[UDP]
    start, length = 14 + ip.ihl * 4, udp.len
    datagram = frame[start : 14 + ip.len]
    if (
        ip.version != 4
        or ip.ihl < 5
        or ip.frag
        or ip.flags.MF
        or checksum(frame[14:start])
        or not 8 < length <= len(datagram)
        or udp.sport != message.SERVER_PORT
        or udp.dport != message.CLIENT_PORT
    ):
        return None
    # RFC 768: 0 = no checksum was made.
    if checksum_ready and udp.chksum and in4_chksum(socket.IPPROTO_UDP, ip, datagram[:length]):
        return None
    return datagram[8:length]


class FrameSocket:
    """A packet socket. Made while privileged; bound to an interface once that is there."""

    def __init__(self, capture_buffer: int = 0) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        if capture_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, capture_buffer)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMP, 1)

    def bind(self, interface: str, *, promiscuous: bool = False, protocol: int = ETH_P_ALL) -> None:
        """Start to receive on ``interface``; ``promiscuous`` for frames to a MAC that is not its own."""
        # Not ETH_P_IP: such a socket gets the frames of other VLANs as well, after the kernel has taken the
        # tag off and forgotten it (net/core/dev.c, __netif_receive_skb_core).
        self._socket.bind((interface, protocol))
        if promiscuous:
            index = socket.if_nametoindex(interface)
            request = struct.pack("iHH8s", index, _PACKET_MR_PROMISC, 0, b"")
            self._socket.setsockopt(_SOL_PACKET, _PACKET_ADD_MEMBERSHIP, request)

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""
        return self._socket.fileno()

    def send(self, frame: bytes) -> None:
        """Put one frame on the wire."""
        self._socket.send(frame)

    def receive(self) -> tuple[bytes, bool]:
        """One frame (empty if it belongs to another VLAN) and whether its UDP checksum is finished."""
        frame, ancillary, _flags, _address = self._socket.recvmsg(65535, socket.CMSG_SPACE(_AUXDATA.size))
        for level, kind, data in ancillary:
            if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA) and len(data) >= _AUXDATA.size:
                status, _len, _snap, _mac, _net, tag, _tpid = _AUXDATA.unpack_from(data)
                if status & _TP_STATUS_VLAN_VALID and tag & 0x0FFF:
                    return b"", True
                return frame, not status & _TP_STATUS_CSUMNOTREADY
        return frame, True

    def receive_stamped(self) -> tuple[bytes, float]:
        """One frame and when it came (seconds since the epoch)."""
        frame, ancillary, _flags, _address = self._socket.recvmsg(65535, socket.CMSG_SPACE(_TIMEVAL.size) * 4)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMP):
                seconds, microseconds = _TIMEVAL.unpack_from(data)
                return frame, seconds + microseconds / 1e6
        return frame, time.time()

    def lost_frames(self) -> int:
        """How many frames did not fit into the buffer since the last call."""
        statistics = self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        return int(struct.unpack("II", statistics)[1])

    def rest(self) -> None:
        """Hear nothing more until it is bound again."""
        # No bind(2) takes a protocol away, but nobody speaks this one.
        self._socket.bind((self._socket.getsockname()[0], _ETH_P_LOCAL_EXPERIMENT))
        with suppress(BlockingIOError):
            while self._socket.recv(1, socket.MSG_DONTWAIT):
                pass

    def close(self) -> None:
        """Close the socket of the interface."""
        self._socket.close()


# Sizes in bytes, of the file format (draft-ietf-opsawg-pcap).
_PCAP_HEADER, _PCAP_RECORD_HEADER = 24, 16


class CaptureFile:
    """A capture file (pcap, Ethernet) on an open descriptor; every frame is on disk once it is written."""

    def __init__(self, descriptor: int) -> None:
        from scapy.utils import RawPcapWriter

        self._file = open(descriptor, "wb", buffering=0, closefd=False)
        self._writer = RawPcapWriter(self._file, linktype=1, sync=True)
        self._end, self._seekable = 0, self._file.seekable()
        self._append(_PCAP_HEADER, lambda: self._writer.write_header(b""))

    def write(self, frame: bytes, when: float) -> None:
        """Add one frame seen at ``when`` (seconds since the epoch).

        Raises OSError when the disk is full; the file then ends after the frame before.
        """
        seconds, micro = int(when), int((when - int(when)) * 1e6)
        size = _PCAP_RECORD_HEADER + len(frame)
        self._append(size, lambda: self._writer.write_packet(frame, sec=seconds, usec=micro))

    def _append(self, size: int, write: Callable[[], object]) -> None:
        """Write ``size`` bytes by ``write``, or nothing. Raises OSError."""
        try:
            write()
            if self._seekable and self._file.tell() != self._end + size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            if self._seekable:
                self._file.truncate(self._end)
            raise
        self._end += size
