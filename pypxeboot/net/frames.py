"""Packet sockets: Ethernet frames as they are on the wire."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

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
