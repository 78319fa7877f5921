"""Messages between the host side and the client process: JSON over a pair of sequenced-packet sockets.

The client asks (configure my interface, open an output file; and ``FindTerminal``, ``Show`` and ``Print`` of
:mod:`pypxeboot.effects`), the host side checks and answers, and the client's last word is
:class:`~pypxeboot.privsep.messages.ClientResult` or :class:`~pypxeboot.result.Failure`.
"""

from __future__ import annotations

import json
import pickle
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn, Optional, TypeVar

from pypxeboot.plan import Order
from pypxeboot.schema import SchemaError, pack

T = TypeVar("T")

MAX_MESSAGE = 4 << 20  # bytes; what a thousand requests came to takes a tenth of it
_MAX_CONTAINERS = 200_000  # lists and objects in one message
_MAX_ITEMS = 300_000
_MAX_DIGITS = 20  # of a number
_PIECE = 65536  # a packet must fit the socket's buffer, whatever the host's limits are


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end of the pair; ``length`` is how many bytes the last message had that was sent or received."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self.length = 0
        self._timeout: Optional[float] = None

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""
        return self._socket.fileno()

    def settimeout(self, seconds: Optional[float]) -> None:
        """Bound every later message; TimeoutError (socket.timeout) is raised then."""
        self._timeout = seconds

    def send(self, message: Any, descriptor: Optional[int] = None) -> None:
        """Send one message of the dataclasses above, and perhaps a descriptor with it.

        Raises Closed, and SchemaError for what the other side would not take.
        """
        body = {"type": type(message).__name__, "value": pack(message)}
        data = json.dumps(body, separators=(",", ":")).encode()
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
        if len(pieces) > MAX_MESSAGE // _PIECE:
            raise SchemaError(f"a message of {len(data)} bytes")
        # The first packet says how many follow, and carries the descriptor.
        head = str(len(pieces)).encode()
        try:
            if descriptor is None:
                self._socket.send(head)
            else:
                socket.send_fds(self._socket, [head], [descriptor])
            for piece in pieces:
                self._socket.send(piece)
            self.length = len(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self) -> tuple[str, object, Optional[int]]:
        """Type and value of the next message, and its descriptor. Raises Closed, SchemaError."""
        end = None if self._timeout is None else time.monotonic() + self._timeout
        try:
            self._socket.settimeout(self._timeout)
            head, descriptors = _once_more(lambda: socket.recv_fds(self._socket, 16, 1)[:2])
            descriptor = descriptors[0] if descriptors else None
            if not head:
                raise Closed
            count = int(head) if head.isdigit() else 0
            if not 0 < count <= MAX_MESSAGE // _PIECE:
                raise SchemaError("a message too long")
            data = b"".join([self._piece(end) for _ in range(count)])
            self.length = len(data)
            body = _decode(data)
            return body["type"], body["value"], descriptor
        except ConnectionResetError:
            raise Closed from None
        except (ValueError, KeyError, TypeError, RecursionError) as why:
            raise SchemaError(f"not a message: {why}") from None

    def _piece(self, end: Optional[float]) -> bytes:
        """One more packet of a message that has to be there at ``end``: its pieces share one timeout."""
        if end is not None:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
        return _once_more(lambda: self._socket.recv(_PIECE))

    def send_order(self, order: Order) -> None:
        """Host to client, once, first of all: the one message that is not of the closed schema."""
        data = pickle.dumps(order)
        try:
            self._socket.send(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive_order(self) -> Order:
        """Return what :meth:`send_order` sent. Raises Closed."""
        try:
            data = self._socket.recv(_PIECE * 16)
        except ConnectionResetError:  # it ended with words of ours unread
            raise Closed from None
        if not data:
            raise Closed
        order: Order = pickle.loads(data)  # from our own privileged side
        return order


def _once_more(receive: Callable[[], T]) -> T:
    """Receive what the other side said before it closed its end with words of ours unread.

    The kernel tells that first, once (unix(7), ECONNRESET), and what was said is still there.
    """
    try:
        return receive()
    except ConnectionResetError:
        return receive()


def _decode(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a message with type and value. Raises ValueError, RecursionError.

    What Python would need much more memory or time for than it has bytes is refused before it is parsed.
    """
    if data.count(b"[") + data.count(b"{") > _MAX_CONTAINERS or data.count(b",") > _MAX_ITEMS:
        raise SchemaError("a message with too many items")
    body = json.loads(data, parse_int=_number, parse_float=_fraction, parse_constant=_refuse_constant)
    if not isinstance(body, dict) or body.keys() != {"type", "value"} or type(body["type"]) is not str:
        raise SchemaError("a message without a type and a value")
    return body


def _number(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise SchemaError("a number too long")
    return int(text)


def _fraction(text: str) -> float:
    if len(text) > 2 * _MAX_DIGITS:
        raise SchemaError("a number too long")
    return float(text)


def _refuse_constant(text: str) -> NoReturn:
    raise SchemaError(f"{text} in a message")
