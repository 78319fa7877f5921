"""Connections that say what they were told to, without a network: for clients that take sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Callable, Optional
from unittest import mock

from pypxeboot.errors import FetchError
from pypxeboot.fetch.tftp import client as tftp
from pypxeboot.net import tcp

_ROOM = 1 << 16  # bytes of one connection: what a pair of sockets holds without a reader


def split(data: bytes) -> list[bytes]:
    """Split ``data`` into pieces, each with its length in two bytes before it; the last may be shorter."""
    pieces, at = [], 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        pieces.append(data[at + 2 : end])
        at = end
    return pieces


def join(*pieces: bytes) -> bytes:
    """Return what :func:`split` makes ``pieces`` of."""
    return b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)


class ScriptedSocket(socket.socket):
    """One end of a pair that looks like a connection over IPv4."""

    family = socket.AF_INET  # type: ignore[assignment]

    def getpeername(self) -> tuple[str, int]:
        """Return the address that a server would have."""
        return ("127.0.0.1", 21)


@contextmanager
def connections(pieces: list[bytes]) -> Iterator[None]:
    """Have each TCP connection made here say one of ``pieces``, and end then; there are no more of them."""
    left = list(pieces)

    with ExitStack() as ends:

        def connect(_host: str, _port: int, _left: tcp.Left) -> socket.socket:
            if not left:
                raise ConnectionRefusedError(111, "Connection refused")
            near, far = socket.socketpair()
            ends.enter_context(far)
            far.setblocking(False)
            far.send(left.pop(0)[:_ROOM])
            far.shutdown(socket.SHUT_WR)
            return ends.enter_context(ScriptedSocket(fileno=near.detach()))

        with mock.patch.object(tcp, "connect", connect):
            yield


class ScriptedLine:
    """What stands in for a TFTP conversation: packets come one by one, and then nothing ever."""

    room = 1 << 20

    def __init__(self, packets: list[bytes]) -> None:
        self._packets = packets
        self.send: Callable[[bytes], int] = len
        self.receive = self.poll

    def _next(self) -> bytes:
        if not self._packets:
            raise FetchError("nothing more is in the script")
        return self._packets.pop(0)[:2048]

    def ask(self, packet: bytes) -> None:
        """Send into the void."""

    def answer(self, _until: float) -> Optional[bytes]:
        """Return the next packet."""
        return self._next()

    def poll(self, packet: memoryview) -> int:
        """Receive the next packet."""
        data = self._next()[: len(packet)]
        packet[: len(data)] = data
        return len(data)

    def tell(self, packet: bytes) -> None:
        """Send into the void."""

    def connect(self) -> None:
        """There is nobody else."""

    def set_timeout(self, seconds: float) -> None:
        """Nothing takes any time."""

    def turn_strangers_away(self) -> list[bytes]:
        """Return what came early: nothing."""
        return []

    def close(self) -> None:
        """There is nothing to close."""


@contextmanager
def conversation(packets: list[bytes]) -> Iterator[None]:
    """Have all TFTP requests made here be answered by ``packets``, in order."""
    left = list(packets)

    def line(*_: Any) -> ScriptedLine:
        return ScriptedLine(left)

    def find(_host: str, port: int) -> tuple[int, Any]:
        return socket.AF_INET, ("127.0.0.1", port)

    with mock.patch.multiple(tftp, Line=line, find=find):
        yield
