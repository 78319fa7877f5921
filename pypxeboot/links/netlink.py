"""Ask the kernel about network interfaces, and have it change them, over a socket of rtnetlink.

A program (``ip``) for each question takes longer than all of the answers, and a boot has a dozen of them.
What is sent is made of numbers, and of names that were checked. Sources: netlink(7), rtnetlink(7),
linux/rtnetlink.h, linux/if_link.h, linux/neighbour.h.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from struct import Struct
from struct import error as StructError
from typing import Optional

from pypxeboot.errors import PxeBootError
from pypxeboot.privsep import libc

NEW_LINK, DELETE_LINK, GET_LINK, SET_LINK = 16, 17, 18, 19
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE = 24
GET_NEIGHBOUR = 30
REPLACE, EXCLUSIVE, CREATE = 0x100, 0x200, 0x400

_REQUEST, _ACKNOWLEDGE, _DUMP, _INTERRUPTED, _HAS_TEXT = 1, 4, 0x300, 0x10, 0x200
_ERROR, _DONE = 2, 3
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11  # linux/socket.h, linux/netlink.h
_ERROR_TEXT = 1  # NLMSGERR_ATTR_MSG
_HEADER = Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = Struct("=HH")  # struct nlattr: length, type
_CODE = Struct("=i")
_U32 = Struct("=I")
_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_LARGEST = 64 << 10  # bytes of one datagram: the kernel fills 32 KiB at most
_TRIES = 4  # to list what changes meanwhile
_CLONE_NEWNET = 0x40000000


class KernelRefused(PxeBootError):
    """The kernel does not do what it was asked for; ``number`` is the errno."""

    def __init__(self, what: str, number: int, text: str = "") -> None:
        more = f" ({text})" if text else ""
        super().__init__(f"{what}: {os.strerror(number)}{more}")
        self.number = number


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute with a value as it is, other attributes among them."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def number(kind: int, value: int) -> bytes:
    """Return an attribute with a number of 32 bits."""
    return attribute(kind, _U32.pack(value))


def text(kind: int, value: str) -> bytes:
    """Return an attribute with a name."""
    return attribute(kind, os.fsencode(value) + b"\0")


def attributes(data: bytes) -> dict[int, bytes]:
    """Return the values of attributes by their kinds; of two of a kind the later one."""
    found, at = {}, 0
    with suppress(StructError):  # the padding at the end
        while True:
            length, kind = _ATTRIBUTE.unpack_from(data, at)
            if length < _ATTRIBUTE.size:
                break
            found[kind & _TYPE] = data[at + _ATTRIBUTE.size : at + length]
            at += (length + 3) & ~3
    return found


class Netlink:
    """A socket to the kernel, for the network namespace of process ``pid``, or for that of this process.

    Raises PxeBootError where there can be none. To be closed, as by ``with``.
    """

    def __init__(self, pid: Optional[int] = None) -> None:
        try:
            with _inside(pid):
                self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._socket.bind((0, 0))
        except OSError as why:
            raise PxeBootError(f"the kernel cannot be asked about the network: {why.strerror}") from None
        for option in (_CAP_ACK, _EXT_ACK):  # older kernels tell less of their errors
            with suppress(OSError):
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def change(self, what: str, kind: int, body: bytes, flags: int = 0) -> None:
        """Have the kernel do something; ``what`` are the words for it. Raises KernelRefused."""
        for _ in self._ask(what, kind, body, flags | _ACKNOWLEDGE):
            pass

    def get(self, what: str, kind: int, body: bytes) -> bytes:
        """Return the kernel's answer to a question after one thing. Raises KernelRefused."""
        return b"".join(self._ask(what, kind, body, _ACKNOWLEDGE))

    def list(self, what: str, kind: int, body: bytes) -> list[bytes]:
        """Return an answer for each thing that there is of a kind. Raises KernelRefused."""
        found: list[bytes] = []
        for _ in range(_TRIES):
            found = list(self._ask(what, kind, body, _DUMP))
            if not self._was_interrupted:
                break
        return found

    def _ask(self, what: str, kind: int, body: bytes, flags: int) -> Iterator[bytes]:
        """Yield what the kernel answers. Raises KernelRefused."""
        self._sequence += 1
        self._was_interrupted = False
        length = _HEADER.size + len(body)
        header = _HEADER.pack(length, kind, flags | _REQUEST, self._sequence, 0)
        try:
            self._socket.send(header + body)
            while True:
                data, at = self._socket.recv(_LARGEST), 0
                while at + _HEADER.size <= len(data):
                    length, answer, told, sequence, _ = _HEADER.unpack_from(data, at)
                    value = data[at + _HEADER.size : at + length]
                    at += (max(length, _HEADER.size) + 3) & ~3
                    if sequence != self._sequence:
                        continue
                    self._was_interrupted |= bool(told & _INTERRUPTED)
                    if answer in (_ERROR, _DONE):
                        _check(what, value, told)
                        return
                    yield value
        except OSError as why:
            raise KernelRefused(what, why.errno or 0) from None


def _check(what: str, value: bytes, flags: int) -> None:
    """Raise KernelRefused if the end of an answer tells of an error (struct nlmsgerr)."""
    code = -_CODE.unpack_from(value)[0] if len(value) >= _CODE.size else 0
    if code > 0:
        more = attributes(value[_CODE.size + _HEADER.size :]) if flags & _HAS_TEXT else {}
        said = more.get(_ERROR_TEXT, b"").rstrip(b"\0").decode("ascii", "replace")
        raise KernelRefused(what, code, said)


@contextmanager
def _inside(pid: Optional[int]) -> Iterator[None]:
    """Have this thread be in the network namespace of process ``pid`` meanwhile. Raises OSError."""
    if pid is None:
        yield
        return
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.check(libc.LIBC.setns(theirs, _CLONE_NEWNET))
        try:
            yield
        finally:
            libc.check(libc.LIBC.setns(own, _CLONE_NEWNET))
    finally:
        os.close(theirs)
        os.close(own)
