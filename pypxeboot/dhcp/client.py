"""The DHCP client as a PXE ROM has it: INIT, SELECTING, REQUESTING, BOUND (RFC 2131, figure 5; PXE 2.1).

No socket and no clock: :meth:`DhcpClient.start`, :meth:`~DhcpClient.receive` and :meth:`~DhcpClient.tick`
take the time as a number and return what to do. :attr:`DhcpClient.deadline` says when to call ``tick`` at
the latest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv4Address
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field, replace
from pypxeboot.dhcp.message import BOOTREPLY, BadMessage, Message, Type, lease_of, pxe_answer, suboptions
from pypxeboot.lease import DhcpOption, Lease, PxeAnswer, describe
from pypxeboot.text import printable

# PXE 2.1: four tries, 4, 8, 16 and 32 seconds. A fresh address costs 3 s with dnsmasq and 1 s with ISC dhcpd
# (they ping it first), so the first wait must not be shorter.
DISCOVER_WAITS = (4.0, 8.0, 16.0, 32.0)
REQUEST_WAITS = (1.0, 2.0, 4.0, 8.0)
# How long an offer without boot information waits for one with it, or for a proxyDHCP server: iPXE's 2 s,
# then, since there would be nothing to boot and either can have got lost, once more with another DISCOVER.
# That one waits as a first one, for a server that pings.
BETTER_OFFER_WAITS = (2.0, 4.0)
MAX_OFFERS = 16  # kept from one discovery: more servers than any site has
MAX_RESTARTS = 4  # after NAKs or refused leases
_NO_PXEDHCP = 176  # in iPXE's option space: "do not wait for ProxyDHCP"


class State(Enum):
    """States of RFC 2131, figure 5, that a boot loader passes through."""

    INIT = "INIT"
    SELECTING = "SELECTING"
    REQUESTING = "REQUESTING"
    BOUND = "BOUND"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Send:
    """Broadcast this message; ``options`` in the order in which they go out."""

    xid: int
    secs: int
    broadcast: bool
    options: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Bound:
    """Done: here is the lease."""

    lease: Lease


@dataclass(frozen=True)
class Failed:
    """Done: no lease; why."""

    reason: str


@dataclass(frozen=True)
class Note:
    """One line for the log."""

    text: str
    warning: bool = False


Step = Union[Send, Bound, Failed, Note]


@dataclass(frozen=True)
class Heard:
    """An answer, and how many seconds after the first DISCOVER it came; for those who only listen."""

    message: Message
    seconds: float


@dataclass
class _Offer:
    lease: Lease
    server_id: IPv4Address
    bootable: bool


@dataclass
class DhcpClient:
    """One client for one MAC.

    ::

        INIT --start()--> SELECTING --the best offer--> REQUESTING --ACK--> BOUND
                           |    ^                        |      |
          no offer in time |    +---- the next offer, ---+      | after MAX_RESTARTS
                           v          or DISCOVER again         v
                         FAILED <-------------------------------+

    The way back is taken after a NAK, without an ACK in time, and where the lease in the ACK is no good.

    ``identity`` holds the options that every message carries (vendor class, architecture, UUID, ...). PXE
    servers count only where boot information is needed; ``better_offer_waits`` is how long for. DISCOVERs go
    out for ``patience`` seconds, and four of them at least. ``refusal`` says which server has said NAK last.
    """

    mac: bytes
    xid: int
    identity: Mapping[int, bytes]
    request_list: bytes
    broadcast: bool = False
    needs_boot_information: bool = True
    better_offer_waits: tuple[float, ...] = BETTER_OFFER_WAITS
    patience: float = 0.0
    state: State = State.INIT
    deadline: float = 0.0
    refusal: str = ""
    _started: float = 0.0
    _tries: int = 0
    _discovers: int = 0
    _restarts: int = 0
    _offers: list[_Offer] = field(default_factory=list)
    _pxe: dict[IPv4Address, PxeAnswer] = field(default_factory=dict)
    _waits: list[float] = field(default_factory=list)
    _chosen: Optional[_Offer] = None
    _failed: set[IPv4Address] = field(default_factory=set)
    _seen_reasons: set[str] = field(default_factory=set)

    def start(self, now: float) -> list[Step]:
        """Begin with a DISCOVER; give the steps to take now."""
        if self.state is State.INIT:
            self._started = now
        self.state, self._tries, self._chosen = State.SELECTING, 0, None
        self._offers.clear()
        self._waits = list(self.better_offer_waits)
        return self._discover(now, DISCOVER_WAITS[0])

    @property
    def _client(self) -> bytes:
        """What a server's option 60 begins with if its answer is for a client such as this."""
        return b"HTTPClient" if self._http else b"PXEClient"

    @property
    def _http(self) -> bool:
        return self.identity.get(DhcpOption.VENDOR_CLASS, b"").startswith(b"HTTPClient")

    def tick(self, now: float) -> list[Step]:
        """Do what is due at ``now``; return the steps to take."""
        if now < self.deadline or self.state not in (State.SELECTING, State.REQUESTING):
            return []
        if self.state is State.SELECTING:
            if self._offers:
                if self._waits and not any(offer.bootable for offer in self._offers):
                    return self._discover(now, self._waits.pop(0))
                return self._select(now)
            if self._tries < len(DISCOVER_WAITS):
                return self._discover(now, DISCOVER_WAITS[self._tries])
            if now >= self._started + self.patience:
                return self._fail(self.describe_progress(now))
            return self._discover(now, DISCOVER_WAITS[-1])
        if self._tries == len(REQUEST_WAITS):
            assert self._chosen is not None
            note = Note(f"DHCP server {self._chosen.server_id} does not answer the REQUEST", warning=True)
            return [note, *self._next_offer(now)]
        return self._request(now)

    def receive(self, message: Message, now: float) -> list[Step]:
        """Take one decoded message that came from port 67; what is not for us changes nothing."""
        if not self.is_reply(message):
            return []
        if message.type == Type.OFFER and not int(message.yiaddr):
            return self._handle_proxy_offer(message, now)
        if self.state is State.SELECTING and message.type in (Type.OFFER, None):
            return self._handle_offer(message, now)
        if self.state is State.REQUESTING and message.type in (Type.ACK, Type.NAK):
            assert self._chosen is not None
            if message.server_id not in (self._chosen.server_id, None):
                return []
            return (
                self._handle_nak(message, now) if message.type == Type.NAK else self._handle_ack(message, now)
            )
        return []

    def is_reply(self, message: Message) -> bool:
        """Whether ``message`` answers what this client sent."""
        if message.op != BOOTREPLY or message.xid != self.xid or message.chaddr != self.mac:
            return False
        own = self.identity.get(DhcpOption.CLIENT_ID)
        return (
            message.options.get(DhcpOption.CLIENT_ID, own) == own
        )  # or it echoes what somebody else sent (RFC 6842)

    def describe_progress(self, now: float) -> str:
        """Say in words how far the client has come, for the error of an exchange that is given up."""
        waited = f"in {now - self._started:.0f} s ({self._discovers} DISCOVERs)"
        if self._chosen is None:
            if self.refusal:
                return f"{self.refusal}; no other offer can be used {waited}"
            if self._pxe:
                return f"no DHCP server offers an address {waited}, only PXE servers answer"
            used = " that can be used" if self._seen_reasons else ""
            return f"no DHCP offer{used} {waited}"
        return f"an offer of {self._chosen.server_id} but no ACK {waited}"

    def _handle_proxy_offer(self, message: Message, now: float) -> list[Step]:
        """Take a proxyDHCP server's offer, which may come while another's address is asked for."""
        if self.state not in (State.SELECTING, State.REQUESTING) or not self.needs_boot_information:
            return []
        answer = self._answer(message)
        if answer is None or answer.server in self._pxe or len(self._pxe) >= MAX_OFFERS:
            return []
        self._pxe[answer.server] = answer
        what = f"boot file {printable(answer.bootfile)}" if answer.bootfile else "boot servers"
        note = Note(f"proxyDHCP offer from {answer.server}: {what}")
        if self.state is State.SELECTING and self._offers:
            return [note, *self._select(now)]
        return [note]

    def _handle_offer(self, message: Message, now: float) -> list[Step]:
        server = message.server_id or message.siaddr
        try:
            lease, remarks = self._lease_of(message)
        except BadMessage as why:
            return self._once(f"offer of {server} refused: {why}")
        # A good one is taken at once: a flood of others must not keep it out, nor may a server that did not
        # keep its word before be always the first. A PXE server's is one: where there is no more in it, its
        # port 4011 is asked.
        bootable = lease.is_bootable or bool(lease.pxe)
        good = (bootable or not self.needs_boot_information) and server not in self._failed
        full = len(self._offers) >= MAX_OFFERS and not good
        if full or any(known.server_id == server for known in self._offers):
            return []
        first = not self._offers
        self._offers.append(_Offer(lease, server, bootable))
        steps: list[Step] = [Note(f"DHCP offer from {server}: {describe(lease)}")]
        steps += [Note(remark, warning=True) for remark in remarks]
        if message.type is None:  # BOOTP: the reply is the whole exchange (RFC 1534)
            return [*steps, *self._bind(lease)]
        if good or self._pxe or not self.better_offer_waits:
            return [*steps, *self._select(now)]
        if first:
            self.deadline = now + self._waits.pop(0)
        return steps

    def _answer(self, message: Message) -> Optional[PxeAnswer]:
        """Read what a server for such clients says; HTTP boot has no more than the URL in the offer."""
        answer = pxe_answer(message, self._client)
        return None if answer is None or (self._http and "://" not in answer.bootfile) else answer

    def _lease_of(self, message: Message) -> tuple[Lease, tuple[str, ...]]:
        """Read the lease in ``message``, what it says as a PXE server's, and remarks. Raises BadMessage."""
        lease, remarks = lease_of(message)
        answer = self._answer(message)
        if answer is not None:
            return replace(lease, pxe=(answer,)), remarks
        if self._http and lease.bootfile and "://" not in lease.bootfile:
            # As firmware has it: without HTTPClient an offer is of an address and no more.
            remarks += (f"boot file {printable(lease.bootfile)} is not for HTTP boot, and is not used",)
            return replace(lease, bootfile=""), remarks
        return lease, remarks

    def _select(self, now: float) -> list[Step]:
        # The first of the best: with boot information before without, servers that failed before last.
        self._offers.sort(key=lambda offer: (offer.server_id in self._failed, not offer.bootable))
        self._chosen = self._offers.pop(0)
        self.state, self._tries = State.REQUESTING, 0
        return self._request(now)

    def _handle_ack(self, message: Message, now: float) -> list[Step]:
        try:
            lease, _remarks = self._lease_of(message)
        except BadMessage as why:
            return [Note(f"lease refused: {why}", warning=True), *self._next_offer(now)]
        assert self._chosen is not None
        return self._bind(lease if lease.pxe else replace(lease, pxe=self._chosen.lease.pxe))

    def _bind(self, lease: Lease) -> list[Step]:
        self.state = State.BOUND
        answers = (*lease.pxe, *self._pxe.values())
        alone = any(suboptions(lease.options.get(DhcpOption.IPXE, b"")).get(_NO_PXEDHCP, b""))
        return [Bound(replace(lease, pxe=() if alone or not self.needs_boot_information else answers))]

    def _handle_nak(self, message: Message, now: float) -> list[Step]:
        text = printable(message.options.get(DhcpOption.MESSAGE, b""))
        self.refusal = f"DHCP server {message.server_id} says NAK{': ' + text if text else ''}"
        note = Note(self.refusal, warning=True)
        return [note, *self._next_offer(now)]

    def _next_offer(self, now: float) -> list[Step]:
        assert self._chosen is not None
        self._failed.add(self._chosen.server_id)
        if self._offers:
            return self._select(now)
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            return self._fail("no DHCP server gave a lease that can be used")
        # INIT again, with an xid of its own: a late NAK to what was asked before does not count any more.
        self.xid = (self.xid + 1) & 0xFFFFFFFF
        return self.start(now)

    def _fail(self, reason: str) -> list[Step]:
        self.state = State.FAILED
        return [Failed(reason)]

    def _once(self, text: str) -> list[Step]:
        """Warn the first time, and of at most a handful of different ones: floods must not fill the log."""
        if text in self._seen_reasons or len(self._seen_reasons) >= 8:
            return []
        self._seen_reasons.add(text)
        return [Note(text, warning=True)]

    def _discover(self, now: float, wait: float) -> list[Step]:
        self.deadline = now + wait
        self._tries += 1
        self._discovers += 1
        return [Note(f"DHCPDISCOVER, try {self._tries}"), self._message(Type.DISCOVER, (), now)]

    def _request(self, now: float) -> list[Step]:
        assert self._chosen is not None
        self.deadline = now + REQUEST_WAITS[self._tries]
        self._tries += 1
        # RFC 2131 4.3.2, SELECTING: server identifier and requested address, ciaddr zero.
        own = (
            (DhcpOption.REQUESTED_ADDRESS, self._chosen.lease.address.packed),
            (DhcpOption.SERVER_ID, self._chosen.server_id.packed),
        )
        note = Note(f"DHCPREQUEST for {self._chosen.lease.address} to {self._chosen.server_id}")
        return [note, self._message(Type.REQUEST, own, now)]

    def _message(self, kind: Type, own: tuple[tuple[int, bytes], ...], now: float) -> Send:
        options = (
            (DhcpOption.MESSAGE_TYPE, bytes((kind,))),
            *own,
            *self.identity.items(),
            (DhcpOption.PARAMETER_REQUEST, self.request_list),
        )
        return Send(self.xid, min(int(now - self._started), 0xFFFF), self.broadcast, options)
