"""DHCPv6 and routers as the client process does them: sockets, time and randomness around ``dhcp6client``.

Plain sockets do, since the interface is the guest's own. Privileges are needed to make them, so they are
there before this process is locked up.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import time
from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv6Address
from typing import Optional

from pypxeboot.dhcp import identity6, message6, neighbor
from pypxeboot.dhcp.boot_server import Question
from pypxeboot.dhcp.client6 import AskRouters, Dhcp6Client, Multicast, Step
from pypxeboot.dhcp.identity import identity_of
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.errors import NoLease, UsageError
from pypxeboot.lease import Lease, PxeAnswer
from pypxeboot.limits import Deadline
from pypxeboot.net.exchange import Selectable, finish, report_step
from pypxeboot.plan import Plan
from pypxeboot.privsep.messages import Placed

log = logging.getLogger(__name__)

_ICMP6_FILTER = 1  # linux/icmpv6.h
_LARGEST = 65536
_INT = struct.Struct("i")


class Discovery6:
    """IPv6 for one guest. ``add`` gives its interface an address."""

    def __init__(self, plan: Plan, deadline: Deadline, add: Callable[[Lease], None]) -> None:
        self._plan, self._deadline, self.add = plan, deadline, add
        # There from the beginning: IPv6 may fail before anything is sent, and is asked all the same.
        self._machine = self._new(identity_of(plan), needs_boot_information=not plan.says_what_to_boot)

    def open(self, place: Placed) -> None:
        """Make the sockets, while there are privileges. Raises OSError where the kernel has no IPv6."""
        self._interface, self._where = place.name, place.where
        self._servers = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._servers.bind(("::", message6.CLIENT_PORT))
        self._routers = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self._routers.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, _icmp6_filter(neighbor.ROUTER_ADVERT))
        self._routers.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, neighbor.HOP_LIMIT)
        self._routers.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)

    def begin(self, place: Placed) -> None:
        """All of the above, and the first packets. Raises UsageError, NoLease."""
        if place.mode == "host":
            raise UsageError("--ipv6 needs an interface of the guest's own, and --link host has none")
        try:
            self.open(place)
        except OSError as why:
            raise NoLease(f"no IPv6 on this host: {why.strerror}") from None
        self.start()

    def start(self) -> Optional[Lease]:
        """Send the first packets. Raises NoLease."""
        self.add(neighbor.on_link(self._plan.guest.mac_bytes))
        return self._perform(self._machine.start(time.monotonic()))

    def only_address(self, seconds: float) -> Lease:
        """Return an address, whatever there is to boot. Raises NoLease."""
        end = min(self._deadline.at, time.monotonic() + seconds)
        self._machine = self._new(identity_of(self._plan), needs_boot_information=False)
        self.start()
        return finish(self, end)

    def first(self) -> Lease:
        """Go on until there is a lease. Raises NoLease."""
        return finish(self, self._deadline.at)

    def again(
        self,
        identity: Mapping[int, bytes],
        seconds: Optional[float] = None,
        vlan: int = 0,
        waits: tuple[float, ...] = (),
    ) -> Lease:
        """All of another exchange; it waits as DHCPv6 does. Raises NoLease."""
        if vlan:
            raise NoLease("DHCPv6 is not done on VLANs")
        now = time.monotonic()
        end = self._deadline.at if seconds is None else min(self._deadline.at, now + seconds)
        self._machine = self._new(identity, needs_boot_information=True)
        self._perform(self._machine.start(now))
        return finish(self, end)

    def ask(self, question: Question, lease: Lease) -> Optional[PxeAnswer]:
        """Ask nobody: IPv6 has no PXE servers beside those of DHCPv6."""

    def _new(self, identity: Mapping[int, bytes], *, needs_boot_information: bool) -> Dhcp6Client:
        guest = self._plan.guest
        return Dhcp6Client(
            mac=guest.mac_bytes,
            duid=identity6.client_duid(guest.mac_bytes, guest.uuid),
            xid=int.from_bytes(os.urandom(3), "big"),
            identity=identity6.identity(identity, guest.arch),
            needs_boot_information=needs_boot_information,
        )

    # What a loop needs.

    @property
    def sockets(self) -> tuple[Selectable, ...]:
        """What to wait for."""
        return self._servers, self._routers

    @property
    def due(self) -> float:
        """When to go on even if nothing has come, by the monotonic clock."""
        return self._machine.deadline

    @property
    def is_answered(self) -> bool:
        """Whether anybody at all speaks IPv6 here."""
        return self._machine.is_answered

    def advance(self, ready: Collection[Selectable]) -> Optional[Lease]:
        """Take what has come, or do what is due; the lease, once there is one. Raises NoLease."""
        steps: list[Step] = []
        if self._servers in ready:
            steps += self._from_server()
        if self._routers in ready:
            steps += self._from_router()
        return self._perform(steps or self._machine.tick(time.monotonic()))

    def timeout_error(self) -> NoLease:
        """Return the error for an exchange that has no more time."""
        return self._no_lease(f"{self._machine.describe_progress(time.monotonic())} before the deadline")

    def _from_server(self) -> list[Step]:
        payload, sender = self._servers.recvfrom(_LARGEST)
        try:
            message = message6.decode(payload)
        except BadMessage as why:
            log.debug("DHCPv6 message ignored: %s", why)
            return []
        return self._machine.receive(message, _address(sender[0]), time.monotonic())

    def _from_router(self) -> list[Step]:
        packet, ancillary, _flags, sender = self._routers.recvmsg(_LARGEST, socket.CMSG_SPACE(_INT.size))
        hops = [
            _INT.unpack(data)[0]
            for level, kind, data in ancillary
            if (level, kind, len(data)) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT, _INT.size)
        ]
        try:
            advertisement = neighbor.decode(packet, _address(sender[0]), hops[0] if hops else 0)
        except BadMessage as why:
            log.debug("ignored: %s", why)
            return []
        return self._machine.receive_advertisement(advertisement, time.monotonic())

    def _perform(self, steps: list[Step]) -> Optional[Lease]:
        for step in steps:
            if isinstance(step, Multicast):
                self._send(self._servers, step.payload, message6.SERVERS, message6.SERVER_PORT)
            elif isinstance(step, AskRouters):
                self._send(
                    self._routers, neighbor.solicitation(self._plan.guest.mac_bytes), neighbor.ROUTERS, 0
                )
            else:
                lease = report_step(step, self._no_lease)
                if lease is not None:
                    return lease
        return None

    def _send(self, sender: socket.socket, packet: bytes, group: str, port: int) -> None:
        try:
            sender.sendto(packet, (group, port, 0, socket.if_nametoindex(self._interface)))
        except OSError as why:
            raise self._no_lease(f"IPv6 cannot be sent: {why.strerror}") from None

    def _no_lease(self, reason: str) -> NoLease:
        return NoLease(
            f"{reason} on {self._where}",
            hint="is it the right bridge, does its DHCPv6 server know this client, does a firewall drop "
            "UDP 546 and 547 or ICMPv6? pypxeboot --pcap FILE shows what was on the wire",
        )


def _address(text: str) -> IPv6Address:
    return IPv6Address(text.partition("%")[0])


def _icmp6_filter(kind: int) -> bytes:
    """Return the filter (RFC 3542 3.2) that lets one type of ICMPv6 through: a set bit keeps one out."""
    words = [0xFFFFFFFF] * 8
    words[kind >> 5] &= ~(1 << (kind & 31))
    return struct.pack("8I", *words)
