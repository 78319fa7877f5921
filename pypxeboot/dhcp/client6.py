"""IPv6 as a PXE ROM of UEFI sets it up: routers are asked what they are, DHCPv6 for an address and the rest.

Like :mod:`pypxeboot.dhcp.client` without socket and clock: its steps are the same, and what is to be sent is
:class:`Multicast` and :class:`AskRouters`. The ROM begins with a SOLICIT, whatever routers say. Where they
say that hosts make their own addresses, DHCP is asked for the rest alone (stateless).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from ipaddress import IPv6Address
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.dhcp import message6
from pypxeboot.dhcp.client import MAX_OFFERS, MAX_RESTARTS, Bound, Failed, Note
from pypxeboot.dhcp.lease6 import lease_of
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Message6, MessageType6, Option
from pypxeboot.dhcp.neighbor import Advertisement
from pypxeboot.text import printable

# RFC 8415 7.6: 1 s, then twice as long each time. Servers of IPv6 do not ping what they give.
SOLICIT_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
REQUEST_WAITS = (1.0, 2.0, 4.0, 8.0)
INFORM_TRIES = 4  # where routers say that a server knows the rest
BETTER_OFFER_WAIT = 2.0  # for an offer without a boot file
# RFC 4861 10: three solicitations, 4 s apart. A router that has just advertised waits for up to 3.5 s.
ROUTER_TRIES, ROUTER_WAIT = 3, 4.0
MAX_ROUTERS = 8  # more than any link has
BEST_PREFERENCE = 255  # RFC 8415 18.2.1: such a server is taken at once

_REQUESTED = (Option.BOOT_FILE_URL, Option.BOOT_FILE_PARAMETERS, Option.DNS_SERVERS, Option.SEARCH_LIST)


class State6(Enum):
    """How far it has come. SETTLING: there is an address, and no router yet."""

    INIT = "INIT"
    SOLICITING = "SOLICITING"
    REQUESTING = "REQUESTING"
    INFORMING = "INFORMING"
    SETTLING = "SETTLING"
    BOUND = "BOUND"
    FAILED = "FAILED"


_EXPECTED = {
    State6.SOLICITING: MessageType6.ADVERTISE,
    State6.REQUESTING: MessageType6.REPLY,
    State6.INFORMING: MessageType6.REPLY,
}


@dataclass(frozen=True)
class Multicast:
    """Send this to all DHCP servers and relays of the link."""

    payload: bytes


@dataclass(frozen=True)
class AskRouters:
    """Send a router solicitation."""


Step = Union[Multicast, AskRouters, Bound, Failed, Note]


@dataclass
class _Offer6:
    message: Message6
    source: IPv6Address
    duid: bytes
    address: IPv6Address
    has_boot_file: bool


@dataclass
class Dhcp6Client:
    """One client for one MAC.

    ``identity`` holds what every message says of it (options 15, 16, 61, 62).
    """

    mac: bytes
    duid: bytes
    xid: int
    identity: Mapping[int, bytes]
    needs_boot_information: bool = True
    state: State6 = State6.INIT
    _started: float = 0.0
    _due: float = 0.0
    _tries: int = 0
    _solicits: int = 0
    _restarts: int = 0
    _router_due: float = 0.0
    _router_tries: int = 0
    _routers: dict[IPv6Address, Advertisement] = field(default_factory=dict)
    _offers: list[_Offer6] = field(default_factory=list)
    _offers_since: float = 0.0
    _chosen: Optional[_Offer6] = None
    _reply: Optional[tuple[Message6, IPv6Address]] = None
    _failed: set[bytes] = field(default_factory=set)
    _denials: list[str] = field(default_factory=list)

    @property
    def iaid(self) -> bytes:
        """The name of the one association there is: the last octets of the MAC."""
        return self.mac[-4:]

    @property
    def deadline(self) -> float:
        """When to call ``tick`` at the latest."""
        if self.state in (State6.INIT, State6.BOUND, State6.FAILED):
            return float("inf")
        return self._due if self._routers else min(self._due, self._router_due)

    @property
    def advertisements(self) -> tuple[Advertisement, ...]:
        """What routers have said, the best of them first."""
        return tuple(sorted(self._routers.values(), key=lambda one: (not one.is_default, -one.preference)))

    def start(self, now: float) -> list[Step]:
        """Begin with a SOLICIT and a router solicitation; give the steps to take now."""
        if self.state is State6.INIT:
            self._started = self._router_due = now
        self.state, self._tries, self._chosen, self._reply = State6.SOLICITING, 0, None, None
        self._offers.clear()
        return [*self._ask_routers(now), *self._solicit(now)]

    def tick(self, now: float) -> list[Step]:
        """Do what is due at ``now``; return the steps to take."""
        steps = self._ask_routers(now)
        if now < self._due or self.deadline == float("inf"):
            return steps
        if self.state is State6.SETTLING:
            return [*steps, *self._bind()]
        if self.state is State6.SOLICITING:
            return [*steps, *self._end_soliciting(now)]
        if self.state is State6.INFORMING:
            tries = INFORM_TRIES if any(router.other for router in self._routers.values()) else 2
            return [*steps, *(self._inform(now) if self._tries < tries else self._bind())]
        if self._tries < len(REQUEST_WAITS):
            return [*steps, *self._request(now)]
        assert self._chosen is not None
        note = Note(f"DHCPv6 server {self._chosen.source} does not answer the REQUEST", warning=True)
        return [*steps, note, *self._next_offer(now)]

    def receive(self, message: Message6, source: IPv6Address, now: float) -> list[Step]:
        """Take one decoded message of DHCPv6; what is not for us changes nothing."""
        if message.xid != self.xid or message.first(Option.CLIENT_ID) != self.duid:
            return []
        if message.type != _EXPECTED.get(self.state):
            return []
        try:
            duid = message6.server_duid(message)
            if self.state is State6.SOLICITING:
                return self._handle_advertise(message, source, duid, now)
            if self.state is State6.INFORMING:
                return self._handle_information(message, source)
            assert self._chosen is not None
            return self._handle_reply(message, source, now) if duid == self._chosen.duid else []
        except BadMessage as why:
            return self._once(f"DHCPv6 message of {source} ignored: {why}")

    def receive_advertisement(self, router: Advertisement, now: float) -> list[Step]:
        """Take what a router says."""
        known = router.router in self._routers
        if self.deadline == float("inf") or (not known and len(self._routers) >= MAX_ROUTERS):
            return []
        self._routers[router.router] = router
        steps: list[Step] = [] if known else [Note(_describe(router))]
        if self.state is State6.SETTLING:
            return [*steps, *self._bind()]
        if self.state is State6.SOLICITING and not self._offers and self._own_address():
            if not (router.managed or router.other or self.needs_boot_information):
                return [*steps, *self._bind()]
            if router.other and not router.managed:
                return [*steps, *self._begin_informing(now)]
        return steps

    @property
    def is_answered(self) -> bool:
        """Whether anybody at all has said something."""
        return bool(self._routers or self._offers or self._chosen or self._denials)

    def describe_progress(self, now: float) -> str:
        """Say in words how far the client has come, for the error of an exchange that is given up."""
        routers = "" if self._routers else ", and no router"
        waited = f"in {now - self._started:.0f} s ({self._solicits} SOLICITs)"
        if self._chosen is not None:
            return f"an offer of DHCPv6 server {self._chosen.source} but no lease {waited}"
        if self._denials:
            return f"no IPv6 address by DHCPv6 {waited}: {self._denials[-1]}"
        return f"no DHCPv6 offer{routers} {waited}"

    # Routers.

    def _ask_routers(self, now: float) -> list[Step]:
        if self._routers or now < self._router_due:
            return []
        self._router_tries += 1
        last = self._router_tries >= ROUTER_TRIES
        self._router_due = float("inf") if last else now + ROUTER_WAIT
        return [AskRouters()]

    def _own_address(self) -> bool:
        return any(router.own_address(self.mac) for router in self._routers.values())

    # An address by DHCP.

    def _end_soliciting(self, now: float) -> list[Step]:
        """Go on when the time for replies to a SOLICIT is over."""
        if self._offers:
            return self._select(now)
        if self._own_address() and (self._denials or now - self._started >= ROUTER_WAIT):
            # Who gives no addresses may know the rest all the same.
            return self._begin_informing(now)
        if self._tries == len(SOLICIT_WAITS):
            return self._fail(self.describe_progress(now))
        return self._solicit(now)

    def _handle_advertise(
        self, message: Message6, source: IPv6Address, duid: bytes, now: float
    ) -> list[Step]:
        try:
            address, _seconds = message6.address_of(message, self.iaid)
        except message6.Denied as why:
            # Where hosts make their own addresses this is what it should say.
            return self._once(f"DHCPv6 server {source} gives no address: {why}", warning=False)
        has_boot_file = bool(message.first(Option.BOOT_FILE_URL))
        good = (has_boot_file or not self.needs_boot_information) and duid not in self._failed
        full = len(self._offers) >= MAX_OFFERS and not good
        if full or any(known.duid == duid for known in self._offers):
            return []
        if not self._offers:
            self._offers_since = now
        self._offers.append(_Offer6(message, source, duid, address, has_boot_file))
        url = printable(message.first(Option.BOOT_FILE_URL) or b"")
        told = f", boot file {url}" if url else ""
        steps: list[Step] = [Note(f"DHCPv6 offer from {source}: address {address}{told}")]
        # The first wait is for all servers (RFC 8415 18.2.1), unless one says that it is the best.
        waiting = now < self._started + SOLICIT_WAITS[0]
        if good and (message.preference == BEST_PREFERENCE or not waiting):
            return [*steps, *self._select(now)]
        if good:
            self._due = self._started + SOLICIT_WAITS[0]
        elif not any(known.has_boot_file for known in self._offers):
            self._due = self._offers_since + BETTER_OFFER_WAIT
        return steps

    def _select(self, now: float) -> list[Step]:
        self._offers.sort(
            key=lambda one: (one.duid in self._failed, not one.has_boot_file, -one.message.preference)
        )
        self._chosen = self._offers.pop(0)
        self.state, self._tries = State6.REQUESTING, 0
        self._next_xid()
        return self._request(now)

    def _handle_reply(self, message: Message6, source: IPv6Address, now: float) -> list[Step]:
        try:
            message6.address_of(message, self.iaid)
        except (message6.Denied, BadMessage) as why:
            note = Note(f"DHCPv6 server {source} refuses the REQUEST: {why}", warning=True)
            self._denials.append(str(why))
            return [note, *self._next_offer(now)]
        self._reply = message, source
        if self._routers:
            return self._bind()
        self.state, self._due = State6.SETTLING, max(self._started + ROUTER_WAIT, now)
        return []

    def _next_offer(self, now: float) -> list[Step]:
        assert self._chosen is not None
        self._failed.add(self._chosen.duid)
        if self._offers:
            return self._select(now)
        self._restarts += 1
        if self._restarts > MAX_RESTARTS:
            return self._fail("no DHCPv6 server gave a lease that can be used")
        self._next_xid()
        return self.start(now)

    # The rest by DHCP.

    def _begin_informing(self, now: float) -> list[Step]:
        self.state, self._tries = State6.INFORMING, 0
        self._next_xid()
        return self._inform(now)

    def _handle_information(self, message: Message6, source: IPv6Address) -> list[Step]:
        self._reply = message, source
        return self._bind()

    # Ends.

    def _bind(self) -> list[Step]:
        """Take the lease, of what servers and routers have said."""
        message, source = self._reply or (None, None)
        try:
            lease, remarks = lease_of(message, source, self.iaid, self.mac, self.advertisements)
        except (message6.Denied, BadMessage) as why:
            return self._fail(f"no IPv6 address: {why}")
        self.state = State6.BOUND
        return [*(Note(remark, warning=True) for remark in remarks), Bound(lease)]

    def _fail(self, reason: str) -> list[Step]:
        self.state = State6.FAILED
        return [Failed(reason)]

    def _once(self, text: str, *, warning: bool = True) -> list[Step]:
        """Log a line once, and at most a handful of different ones: floods must not fill the log."""
        if text in self._denials or len(self._denials) >= 8:
            return []
        self._denials.append(text)
        return [Note(text, warning)]

    # What is sent.

    def _next_xid(self) -> None:
        """Another exchange: a late answer to what was asked before does not count any more."""
        self.xid = (self.xid + 1) & 0xFFFFFF

    def _solicit(self, now: float) -> list[Step]:
        self._due = now + SOLICIT_WAITS[self._tries]
        self._tries += 1
        self._solicits += 1
        wanted = ((Option.IA_NA, message6.association(self.iaid)),)
        return [Note(f"DHCPv6 SOLICIT, try {self._tries}"), self._message(MessageType6.SOLICIT, wanted, now)]

    def _request(self, now: float) -> list[Step]:
        assert self._chosen is not None
        self._due = now + REQUEST_WAITS[self._tries]
        self._tries += 1
        address = self._chosen.address
        own = (
            (Option.SERVER_ID, self._chosen.duid),
            (Option.IA_NA, message6.association(self.iaid, address)),
        )
        note = Note(f"DHCPv6 REQUEST for {address} to {self._chosen.source}")
        return [note, self._message(MessageType6.REQUEST, own, now)]

    def _inform(self, now: float) -> list[Step]:
        self._due = now + REQUEST_WAITS[self._tries]
        self._tries += 1
        note = Note(f"DHCPv6 INFORMATION-REQUEST, try {self._tries}")
        return [note, self._message(MessageType6.INFORMATION_REQUEST, (), now)]

    def _message(self, kind: MessageType6, own: tuple[tuple[int, bytes], ...], now: float) -> Multicast:
        elapsed = min(int((now - self._started) * 100), 0xFFFF)
        options = (
            (Option.CLIENT_ID, self.duid),
            *own,
            (Option.ELAPSED_TIME, elapsed.to_bytes(2, "big")),
            (Option.REQUESTED, b"".join(code.to_bytes(2, "big") for code in _REQUESTED)),
            *self.identity.items(),
        )
        return Multicast(message6.encode(kind, self.xid, options))


def _describe(router: Advertisement) -> str:
    """Return a router in one line of a log."""
    words = [f"router {router.router}"]
    words += [str(prefix.network) for prefix in router.prefixes[:4]]
    words += ["addresses by DHCP"] if router.managed else ["the rest by DHCP"] if router.other else []
    return ", ".join(words)
