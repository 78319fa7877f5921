"""The conversation with PXE servers, from the guest's own address: ``dhcp/boot_server.py`` on a socket."""

from __future__ import annotations

import logging
import os
import select
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Optional

from pypxeboot.dhcp import boot_server
from pypxeboot.dhcp.boot_server import Question
from pypxeboot.dhcp.message import CLIENT_PORT, PXE_PORT, BadMessage, Message, decode
from pypxeboot.lease import DhcpOption, Lease, PxeAnswer
from pypxeboot.text import printable

log = logging.getLogger(__name__)

_LARGEST = 4096  # of an answer; we say that we take 1472
_IP_UNICAST_IF = 50  # linux/in.h; Python has no name for it


class PxeSocket:
    """Made while privileged, for port 68; ``own_network`` where that port is the guest's alone to have."""

    def __init__(self, *, own_network: bool) -> None:
        self._own_network = own_network
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        if own_network:  # else servers answer to the port that they were asked from; most do
            self._socket.bind(("", CLIENT_PORT))

    def ask(
        self,
        question: Question,
        interface: str,
        mac: bytes,
        lease: Lease,
        options: Mapping[int, bytes],
        deadline: float,
    ) -> Optional[PxeAnswer]:
        """Wait until ``deadline`` (of :func:`time.monotonic`) for the first good answer; None without."""
        if not isinstance(lease.address, IPv4Address):
            return None  # PXE as it is here knows IPv4 only
        self._forget()
        self._leave_by(interface)
        xid, started = int.from_bytes(os.urandom(4), "big"), time.monotonic()
        client = (
            b"HTTPClient"
            if options.get(DhcpOption.VENDOR_CLASS, b"").startswith(b"HTTPClient")
            else b"PXEClient"
        )
        for wait in question.waits:
            now = time.monotonic()
            if now >= deadline:
                break
            self._send(question, mac, xid, lease.address, options, int(now - started))
            until = min(now + wait, deadline)
            while True:
                got = self._receive(until)
                if got is None:
                    break
                message, sender = got
                answer = boot_server.answer(question, message, sender, mac=mac, xid=xid, client=client)
                if answer is not None:
                    return answer
        return None

    def _send(
        self,
        question: Question,
        mac: bytes,
        xid: int,
        own: IPv4Address,
        options: Mapping[int, bytes],
        secs: int,
    ) -> None:
        for address, port in question.targets:
            log.info("asking %s, port %d, for a %s", address, port, question.what)
            ciaddr = own if self._own_network else _own_address(address)
            message = boot_server.request(question, address, mac, xid, ciaddr, options, secs)
            by = self._interface if address == boot_server.BROADCAST else 0  # 0: as the routes say
            self._socket.setsockopt(socket.IPPROTO_IP, _IP_UNICAST_IF, struct.pack("!I", by))
            try:
                self._socket.sendto(message, (str(address), port))
            except OSError as why:
                log.info("PXE server %s: %s", address, why.strerror)

    def _receive(self, until: float) -> Optional[tuple[Message, tuple[IPv4Address, int]]]:
        """Return the next message that can be read; None when the time is over."""
        while True:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                return None
            try:
                data, (host, port) = self._socket.recvfrom(_LARGEST, socket.MSG_DONTWAIT)
                return decode(data), (IPv4Address(host), port)
            except BadMessage as why:
                log.debug("PXE message ignored: %s", printable(str(why)))
            except OSError:  # an ICMP error for what was sent, or a wrong checksum
                continue

    def _leave_by(self, interface: str) -> None:
        """Where broadcasts and multicasts go: there need not be a route for them."""
        self._interface = socket.if_nametoindex(interface)
        request = struct.pack("=4s4si", bytes(4), bytes(4), self._interface)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)

    def _forget(self) -> None:
        """Drop what came before anything was asked: it is not an answer."""
        with suppress(OSError):
            while True:
                self._socket.recv(1, socket.MSG_DONTWAIT)


def _own_address(target: IPv4Address) -> IPv4Address:
    """Return the address of this host that ``target`` would see; servers send their answers there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        with suppress(OSError):
            probe.connect((str(target), PXE_PORT))  # sends nothing
        return IPv4Address(probe.getsockname()[0])
