"""DHCP as the client process does it: sockets, time and randomness around :mod:`pypxeboot.dhcp.client`."""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Collection, Mapping
from typing import Optional

from pypxeboot.dhcp import ethernet
from pypxeboot.dhcp.boot_server import Question
from pypxeboot.dhcp.client import (
    BETTER_OFFER_WAITS,
    DhcpClient,
    Heard,
    Send,
    State,
    Step,
)
from pypxeboot.dhcp.identity import PARAMETER_REQUEST, identity_of
from pypxeboot.dhcp.message import BadMessage, Message, decode
from pypxeboot.errors import NoLease
from pypxeboot.lease import DhcpOption, Lease, PxeAnswer
from pypxeboot.limits import Deadline
from pypxeboot.net import frames
from pypxeboot.net.boot_servers import PxeSocket
from pypxeboot.net.exchange import Selectable, finish, report_step
from pypxeboot.plan import Plan
from pypxeboot.privsep.messages import Placed

log = logging.getLogger(__name__)


# RFC 2132 9.10, 57: the largest message that we take: an Ethernet frame less IP and UDP headers, as iPXE
# says it.
_MAX_MESSAGE = (1472).to_bytes(2, "big")
_SILENT = (
    "is it the right bridge, does its DHCP server know this MAC and have an address left, does "
    "a firewall (br_netfilter) drop UDP 67 and 68?"
)
_REFUSED = (
    "do two DHCP servers answer for this network, with leases of their own? is the address of this MAC (a "
    "reservation) in the subnet of this bridge? the log of that server says why it refuses;"
)
_MAX_VOID = 8
_MAX_HEARD = 64  # answers to one DISCOVER: more than any site has servers and relays


class Discovery:
    """DHCP by frames of our own: the first DISCOVER goes out before this process is locked up.

    The socket needs privileges when it is made, not when it is bound: so it serves for later exchanges, too,
    and hears nothing in between.
    """

    def __init__(self, plan: Plan, deadline: Deadline) -> None:
        self._plan, self._deadline = plan, deadline
        self._socket = frames.FrameSocket()
        self.void: set[str] = set()  # why messages were ignored

    def begin(self, place: Placed) -> None:
        """Send the first DISCOVER."""
        self.open(place)
        self.start()

    def open(self, place: Placed) -> None:
        """Make all that privileges are needed for."""
        self._place = place
        self._pxe_socket = PxeSocket(own_network=place.mode != "host")

    def start(self) -> None:
        """Send the first DISCOVER, with or without privileges."""
        plan = self._plan
        # With a path prefix there is something to boot even if DHCP says nothing.
        waits = BETTER_OFFER_WAITS if plan.path_prefix is None else BETTER_OFFER_WAITS[:1]
        self._start(identity_of(plan), waits, needs_boot_information=not plan.says_what_to_boot)

    def listen(self, enough: float, longest: float) -> list[Heard]:
        """All answers to a DISCOVER, none of which is followed; asked again where nobody answers.

        Takes ``enough`` seconds, up to ``longest`` while there is no answer.
        """
        self._start(identity_of(self._plan), (), needs_boot_information=False)
        started, heard = time.monotonic(), list[Heard]()
        try:
            while len(heard) < _MAX_HEARD:
                now = time.monotonic()
                end = min(started + (enough if heard else longest), self._deadline.at)
                if now >= end:
                    break
                due = end if heard else min(self._machine.deadline, end)
                if select.select([self._socket], [], [], max(due - now, 0))[0]:
                    message = self._message()
                    if message is not None and self._machine.is_reply(message):
                        heard.append(Heard(message, time.monotonic() - started))
                elif not heard:
                    self._perform(self._machine.tick(time.monotonic()))
        finally:
            self._socket.rest()
        return heard

    def first(self) -> Lease:
        """Go on until there is a lease. Raises NoLease."""
        return self._finish(self._deadline.at)

    def again(
        self,
        identity: Mapping[int, bytes],
        seconds: Optional[float] = None,
        vlan: int = 0,
        waits: tuple[float, ...] = BETTER_OFFER_WAITS,
    ) -> Lease:
        """All of another exchange. Raises NoLease."""
        now = time.monotonic()
        end = self._deadline.at if seconds is None else min(self._deadline.at, now + seconds)
        self._start(identity, waits, needs_boot_information=True, vlan=vlan)
        return self._finish(end)

    def ask(self, question: Question, lease: Lease) -> Optional[PxeAnswer]:
        """Return the first good answer of those that are asked."""
        mac, end = self._plan.guest.mac_bytes, self._deadline.at
        options = {**self._machine.identity, DhcpOption.PARAMETER_REQUEST: self._machine.request_list}
        try:
            return self._pxe_socket.ask(question, self._interface, mac, lease, options, end)
        except OSError as why:  # of a script's VLAN that is gone
            log.warning("no PXE server can be asked: %s", why.strerror)
            return None

    def _start(
        self,
        identity: Mapping[int, bytes],
        waits: tuple[float, ...],
        *,
        needs_boot_information: bool,
        vlan: int = 0,
    ) -> None:
        # With a namespace the interface has the guest's MAC. On the host's own, replies go to a foreign MAC:
        # ask for broadcasts, and listen to everything.
        foreign = self._place.mode == "host"
        name = f"{self._place.name}.{vlan}" if vlan else self._place.name
        guest = self._plan.guest
        self._where = self._place.where
        if vlan:
            self._where += f", VLAN {vlan}"
        self._interface = name
        self._socket.bind(name, promiscuous=foreign)
        self._machine = DhcpClient(
            mac=guest.mac_bytes,
            xid=int.from_bytes(os.urandom(4), "big"),
            identity={DhcpOption.MAX_MESSAGE_SIZE: _MAX_MESSAGE, **identity},
            request_list=PARAMETER_REQUEST,
            broadcast=foreign,
            needs_boot_information=needs_boot_information,
            better_offer_waits=waits,
            patience=self._plan.limits.timeout / 2,
        )
        self._perform(self._machine.start(time.monotonic()))

    def _finish(self, deadline: float) -> Lease:
        try:
            return finish(self, deadline)
        finally:
            self.rest()

    @property
    def sockets(self) -> tuple[Selectable, ...]:
        """What to wait for."""
        return (self._socket,)

    @property
    def due(self) -> float:
        """When to go on even if nothing has come, by the monotonic clock."""
        return self._machine.deadline

    @property
    def is_answered(self) -> bool:
        """Whether a server was chosen."""
        return self._machine.state is State.REQUESTING

    def advance(self, ready: Collection[Selectable]) -> Optional[Lease]:
        """Take what has come, or do what is due; the lease, once there is one. Raises NoLease."""
        steps = self._steps_for_frame() if self._socket in ready else []
        return self._perform(steps or self._machine.tick(time.monotonic()))

    def timeout_error(self) -> NoLease:
        """Return the error for an exchange that has no more time."""
        return self._no_lease(f"{self._machine.describe_progress(time.monotonic())} before the deadline")

    def rest(self) -> None:
        """Hear nothing until the next exchange."""
        self._socket.rest()

    def _steps_for_frame(self) -> list[Step]:
        message = self._message()
        return [] if message is None else self._machine.receive(message, time.monotonic())

    def _message(self) -> Optional[Message]:
        """Return the message in the frame that waits, if it is a reply to what was sent."""
        frame, checksum_ready = self._socket.receive()
        payload = ethernet.reply_payload(frame, self._machine.xid, checksum_ready=checksum_ready)
        if payload is None:
            return None
        try:
            return decode(payload)
        except BadMessage as why:
            log.debug("DHCP message ignored: %s", why)
            if len(self.void) < _MAX_VOID:
                self.void.add(str(why))
            return None

    def _perform(self, steps: list[Step]) -> Optional[Lease]:
        for step in steps:
            if isinstance(step, Send):
                self._socket.send(ethernet.discover_frame(self._plan.guest.mac_bytes, step))
            else:
                lease = report_step(step, self._no_lease)
                if lease is not None:
                    return lease
        return None

    def _no_lease(self, reason: str) -> NoLease:
        hint = _REFUSED if self._machine.refusal else _SILENT
        shown = "pypxeboot --pcap FILE shows what was on the wire"
        return NoLease(f"{reason} on {self._where}", hint=f"{hint} {shown}")
