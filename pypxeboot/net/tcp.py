"""TCP connections on which nothing takes longer than there is time for, however slowly bytes trickle."""

from __future__ import annotations

import errno
import io
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Optional

Left = Callable[[], float]
"""How many seconds there are; it raises what ends the transfer if there are none."""

# Longest wait for an address to answer at all: five SYNs of Linux, the last with five seconds left. iPXE
# gives up after 16 s (net/retry.c, six tries); what a script has beside is tried then.
CONNECT_TIMEOUT = 20.0


def connect(host: str, port: int, left: Left) -> socket.socket:
    """Return a connection to one of the addresses of ``host``; each gets its share of the time, 20 s at most.

    Raises OSError; socket.gaierror for a name that has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    problem = OSError("no address")
    for index, (family, kind, protocol, _, where) in enumerate(found):
        share = min(left() / (len(found) - index), CONNECT_TIMEOUT)
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(share)
            sock.connect(where)
            return sock
        except OSError as error:
            sock.close()
            problem = error
    raise problem


def loopback_address(host: str) -> str:
    """Return the address of ``host`` that is that of whoever asks (127.0.0.1, 0.0.0.0), if it has one."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return ""
    addresses = [ip_address(str(where[0]).partition("%")[0]) for *_, where in found]
    return next((str(one) for one in addresses if one.is_loopback or one.is_unspecified), "")


def cause(error: Exception) -> str:
    """Why there is no conversation with a server, in the words of :class:`FetchError`."""
    if isinstance(error, socket.gaierror):
        return "no-dns" if error.errno == socket.EAI_FAIL else "no-name"
    if isinstance(error, socket.timeout):
        return "timeout"
    if isinstance(error, ConnectionError):
        return "refused"
    if isinstance(error, OSError):
        return "unreachable-host" if error.errno == errno.EHOSTUNREACH else "unreachable"
    return "no-name"


class Paced(io.RawIOBase):
    """The bytes of a socket, each read with no more time than is left; ``count`` is told how many came."""

    def __init__(self, sock: socket.socket, left: Left, count: Callable[[int], None]) -> None:
        self._sock, self._left, self._count = sock, left, count
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Return True: it can be read, and nothing else."""
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        """Read once, at most until the deadline."""
        self._sock.settimeout(self._left())
        count = self._raw.readinto(buffer)
        self._count(count or 0)
        return count

    def close(self) -> None:
        """Leave the socket itself open."""
        self._raw.close()
        super().close()
