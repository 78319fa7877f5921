"""DHCP of both families: IPv4 first, as firmware, and IPv6 where that does not come to a boot.

Firmware waits for a minute before it tries the other one. Here IPv6 begins while IPv4 still waits, and is
taken where IPv4 has no answer when a server that pings its addresses first would have given one.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Optional, Union

from pypxeboot.dhcp.boot_server import Question
from pypxeboot.dhcp.client import BETTER_OFFER_WAITS, DISCOVER_WAITS
from pypxeboot.errors import NoBootSource, NoLease, PxeBootError
from pypxeboot.lease import Lease, PxeAnswer
from pypxeboot.limits import Deadline
from pypxeboot.net.dhcp4 import Discovery
from pypxeboot.net.dhcp6 import Discovery6
from pypxeboot.plan import Plan
from pypxeboot.privsep.messages import Placed

log = logging.getLogger(__name__)

# Most servers of IPv4 have answered by then, and then nobody sees that this client has IPv6.
_HEAD_START = 1.0
_IPV4_WAIT = DISCOVER_WAITS[0]
# Where IPv4 has nothing to boot: how long IPv6 may take, and how long if nobody speaks it at all.
_IPV6_WAIT, _SILENCE = 9.0, 3.0
# The same, where a server of IPv6 is led to by IPv4.
_BESIDE_WAIT = 5.0


class _Attempt:
    """One family's exchange: when it began, and what came of it."""

    def __init__(self, exchange: Union[Discovery, Discovery6]) -> None:
        self.exchange = exchange
        self.began: Optional[float] = None
        self.lease: Optional[Lease] = None
        self.error: Optional[PxeBootError] = None

    @property
    def is_over(self) -> bool:
        """Whether something came of it."""
        return self.lease is not None or self.error is not None

    @property
    def is_running(self) -> bool:
        """Whether it waits for answers."""
        return self.began is not None and not self.is_over

    def attempt(self, act: Callable[[], Optional[Lease]]) -> None:
        """Do something that may come to a lease, or to the end of it."""
        try:
            self.lease = act()
        except PxeBootError as why:
            self.error = why


class DualStack:
    """The exchanges of both families for one guest."""

    def __init__(self, plan: Plan, deadline: Deadline, ipv4: Discovery, ipv6: Discovery6) -> None:
        self._plan, self._deadline, self._ipv4, self._ipv6 = plan, deadline, ipv4, ipv6
        self._first, self._second = _Attempt(ipv4), _Attempt(ipv6)
        self._current: Union[Discovery, Discovery6] = ipv4
        self._lock = threading.Lock()  # downloads run side by side
        self._is_reached = False

    def begin(self, place: Placed) -> None:
        """Send the first DISCOVER, and make ready for IPv6 if it can be had."""
        self.open(place)
        self.start()

    def start(self) -> None:
        """Send the first DISCOVER, with or without privileges."""
        self._began = self._first.began = time.monotonic()
        self._ipv4.start()

    def start_without_ipv4(self, why: NoLease) -> None:
        """IPv4 is known to come to nothing: begin with IPv6."""
        self._began = time.monotonic()
        self._first.error = why

    def open(self, place: Placed) -> None:
        """Make all that privileges are needed for."""
        self._ipv4.open(place)
        try:
            if place.mode == "host":
                raise OSError(0, "not with --link host")
            self._ipv6.open(place)
        except OSError as why:
            self._second.error = NoLease(f"no IPv6: {why.strerror}")

    def first(self) -> Lease:
        """Go on until there is a lease to boot with, of either family. Raises NoLease."""
        try:
            while True:
                now = time.monotonic()
                lease = self._decision(now)
                if lease is not None:
                    break
                self._go_on(now)
        finally:
            self._ipv4.rest()
        if lease is self._second.lease:
            self._current = self._ipv6
            log.info("IPv6 it is")
        return lease

    def again(
        self,
        identity: Mapping[int, bytes],
        seconds: Optional[float] = None,
        vlan: int = 0,
        waits: tuple[float, ...] = BETTER_OFFER_WAITS,
    ) -> Lease:
        """All of another exchange, of the family that there is a lease of. Raises NoLease."""
        return (self._ipv4 if vlan else self._current).again(identity, seconds, vlan, waits)

    def ask(self, question: Question, lease: Lease) -> Optional[PxeAnswer]:
        """Return the answer of a PXE server, which IPv4 alone has."""
        return self._current.ask(question, lease)

    def reach_ipv6(self) -> None:
        """Get an address of IPv6 beside that of IPv4, for a server that has no other; none may be had."""
        with self._lock:
            second = self._second
            if self._is_reached or second.error is not None:
                return
            self._is_reached = True
            if second.lease is None:
                log.info("a server has IPv6 only: an address of that, too")
                second.attempt(lambda: self._ipv6.only_address(_BESIDE_WAIT))
            try:
                if second.lease is not None:
                    self._ipv6.add(second.lease)
            except PxeBootError as why:
                second.error = why
            if second.error is not None:
                log.warning("no IPv6 beside IPv4: %s", second.error.message)

    def _decision(self, now: float) -> Optional[Lease]:
        """Return the lease to boot with, None as long as that is open. Raises NoLease."""
        first, second = self._first, self._second
        if self._boots(first.lease):
            return first.lease
        if self._boots(second.lease) and (first.is_over or self._is_silent(now)):
            return second.lease
        if now >= self._deadline.at or (first.is_over and (second.is_over or now >= self._patience)):
            # Nothing to boot from: what there is tells the rest best.
            lease = first.lease or second.lease
            if lease is None:
                raise self._no_lease()
            return lease
        return None

    def _is_silent(self, now: float) -> bool:
        """Whether IPv4 has had its time, and nobody answers."""
        return now >= self._began + _IPV4_WAIT and not self._ipv4.is_answered

    def _boots(self, lease: Optional[Lease]) -> bool:
        """Whether there is a lease, and something to boot from."""
        if lease is None:
            return False
        from pypxeboot.dhcp import boot_info  # when there is an answer

        try:
            says_so = self._plan.says_what_to_boot or bool(lease.pxe)
            return says_so or bool(boot_info.boot_source(lease, path_prefix=self._plan.path_prefix))
        except NoBootSource:
            return False
        except PxeBootError:  # of what is there, and cannot be used: that is to be told
            return True

    @property
    def _patience(self) -> float:
        """Until when IPv6 is waited for, where IPv4 has nothing to boot."""
        if self._second.began is None:
            return self._deadline.at
        return self._second.began + (_IPV6_WAIT if self._ipv6.is_answered else _SILENCE)

    def _no_lease(self) -> PxeBootError:
        error = self._first.error or self._ipv4.timeout_error()
        if not self._ipv6.is_answered:
            return error
        second = self._second.error or self._ipv6.timeout_error()
        return NoLease(f"{error.message}; {second.message}", hint=error.hint)

    def _go_on(self, now: float) -> None:
        """Wait for something to happen, and take it."""
        second = self._second
        is_late = self._first.is_over or (now >= self._began + _HEAD_START and not self._ipv4.is_answered)
        is_due = is_late and second.began is None and not second.is_over
        running = [one for one in (self._first, second) if one.is_running]
        sockets = [item for one in running for item in one.exchange.sockets]
        ends = (self._began + _HEAD_START, self._began + _IPV4_WAIT, self._patience, self._deadline.at)
        until = min([*(end for end in ends if end > now), *(one.exchange.due for one in running)])
        ready = select.select(sockets, [], [], 0 if is_due else max(until - now, 0))[0]
        for one in running:
            one.attempt(partial(one.exchange.advance, ready))
        # Not while an answer may be waiting: this process may have been kept busy for longer than that.
        if is_due and (not ready or now >= self._began + _IPV4_WAIT):
            second.began = now
            second.attempt(self._ipv6.start)
