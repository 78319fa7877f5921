"""A conversation over UDP with one peer that answers from a port of its own choice, as TFTP servers do.

Two sockets share a local port: the *door* hears everybody, the *line* is connected to the peer once that is
known, so that the kernel keeps strangers out of the conversation. They get the answer that ``reject`` gives.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from typing import Any, Callable, Optional

_BUFFER = 1 << 20  # a window waits here while a batch is written; the kernel may grant less
_STRANGERS = 16  # answered in one go
_LARGEST = 2048  # more than any first answer

# Polls before sleeping: some 20 us, about what putting a processor to sleep and waking it takes.
_POLLS = 20

# Linux: ICMP errors for a socket that is not connected; Python has no names for these.
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


# Linux: the MTU of a connected socket's route, which knows the link's and what ICMP said; ip(7), ipv6(7).
_MTU = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 24)}


def find(host: str, port: int) -> tuple[int, Any, int]:
    """Return family and socket address of ``host``, and how many bytes a packet to it may have.

    It is the first of its addresses that there is a route to.
    """
    problem = OSError("it has no address")
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(address)  # sends nothing
                return family, address, probe.getsockopt(*_MTU[socket.AddressFamily(family)])
            except OSError as error:
                problem = error
    raise problem


class Line:
    """One conversation. OSError from its methods is what the network reports, such as a closed port."""

    def __init__(self, family: int, address: Any, reject: Callable[[bytes], bytes]) -> None:
        self._address = address
        self._reject = reject
        self._peer: Any = None
        self.stranger: Optional[str] = None  # the first that sent something and was not asked
        self._door = socket.socket(family, socket.SOCK_DGRAM)
        self._line = socket.socket(family, socket.SOCK_DGRAM)
        self._door.setsockopt(*_RECVERR[socket.AddressFamily(family)], 1)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self.receive: Callable[[memoryview], int] = self._line.recv_into
        self.send: Callable[[bytes], int] = self._line.send

    def close(self) -> None:
        """End it without a word."""
        self._door.close()
        self._line.close()

    @property
    def room(self) -> int:
        """Bytes that can wait to be received, the kernel's own overhead included."""
        return self._line.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def ask(self, packet: bytes) -> None:
        """Send to the address that was asked for."""
        self._door.sendto(packet, self._address)

    def answer(self, until: float) -> Optional[bytes]:
        """Get the next packet of the host that was asked, from any port; None at ``until`` (time.monotonic).

        Whoever sent it is the peer from then on, for :meth:`tell` and :meth:`connect`.
        """
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return None
            _set_timeout(self._door, left)
            try:
                data, sender = self._door.recvfrom(_LARGEST)
            except BlockingIOError:
                return None
            if sender[0] == self._address[0]:
                self._peer = sender
                return data
            self.stranger = self.stranger or sender[0]
            self._turn_away(data, sender)

    def tell(self, packet: bytes) -> None:
        """Send to the peer, if there is one and it can be reached."""
        if self._peer:
            with contextlib.suppress(OSError):
                self._door.sendto(packet, self._peer)

    def connect(self) -> None:
        """Let nobody but the peer through to ``receive``, and ``send`` to it."""
        # Shared only while the second socket is bound, so that no third one can join them.
        for end in (self._door, self._line):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._line.bind(self._door.getsockname())
        self._line.connect(self._peer)
        for end in (self._door, self._line):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        # What came to it before it was connected can be from anybody; the peer waits for us now.
        with contextlib.suppress(OSError):
            for _ in range(_STRANGERS):
                self._line.recv(1, socket.MSG_DONTWAIT)

    def set_timeout(self, seconds: float) -> None:
        """Let ``receive`` raise BlockingIOError after so long."""
        _set_timeout(self._line, seconds)

    def poll(self, packet: memoryview) -> int:
        """Receive without sleeping for a while, then as ``receive`` does."""
        receive = self._line.recv_into
        for _ in range(_POLLS):
            try:
                return receive(packet, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
        return receive(packet)

    def turn_strangers_away(self) -> list[bytes]:
        """Answer what others have sent in the meantime.

        Returns what the peer sent before it was connected.
        """
        early = []
        for _ in range(_STRANGERS):
            try:
                data, sender = self._door.recvfrom(_LARGEST, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error for what one of them was told
                continue
            if sender != self._peer:
                self._turn_away(data, sender)
            elif len(data) < _LARGEST:  # whole
                early.append(data)
        return early

    def _turn_away(self, data: bytes, sender: Any) -> None:
        reply = self._reject(data)
        if reply:
            with contextlib.suppress(OSError):
                self._door.sendto(reply, sender)


def _set_timeout(end: socket.socket, seconds: float) -> None:
    # A timer of the kernel: Python's own costs a system call more for every packet.
    whole, part = divmod(max(1000, int(seconds * 1_000_000)), 1_000_000)  # 0 would be for ever
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, part))
