"""One exchange of DHCP messages on a socket, until it is bound or has failed."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Optional, Protocol, Union

from pypxeboot.dhcp.boot_server import Question
from pypxeboot.dhcp.client import (
    BETTER_OFFER_WAITS,
    Bound,
    Failed,
    Note,
)
from pypxeboot.errors import NoLease
from pypxeboot.lease import Lease, PxeAnswer
from pypxeboot.text import printable

log = logging.getLogger(__name__)


class Selectable(Protocol):
    """Anything that select() can wait for."""

    def fileno(self) -> int:
        """Return the file descriptor to wait for."""


class Exchange(Protocol):
    """DHCP of one family, under way."""

    @property
    def sockets(self) -> Sequence[Selectable]:
        """What to wait for."""

    @property
    def due(self) -> float:
        """When to go on even if nothing has come, by the monotonic clock."""

    def advance(self, ready: Collection[Selectable]) -> Optional[Lease]:
        """Take what has come, or do what is due; the lease, once there is one. Raises NoLease."""

    def timeout_error(self) -> NoLease:
        """Return the error for an exchange that has no more time."""


def finish(exchange: Exchange, deadline: float) -> Lease:
    """Go on until there is a lease. Raises NoLease."""
    while True:
        now = time.monotonic()
        if now >= deadline:
            raise exchange.timeout_error()
        wait = max(min(exchange.due, deadline) - now, 0)
        lease = exchange.advance(select.select(exchange.sockets, [], [], wait)[0])
        if lease is not None:
            return lease


class Dhcp(Protocol):
    """DHCP on the guest's behalf."""

    def first(self) -> Lease:
        """Return the lease that the boot begins with. Raises NoLease."""

    def again(
        self,
        identity: Mapping[int, bytes],
        seconds: Optional[float] = None,
        vlan: int = 0,
        waits: tuple[float, ...] = BETTER_OFFER_WAITS,
    ) -> Lease:
        """Another exchange, the client saying ``identity`` of itself; on a VLAN, if given. Raises NoLease.

        ``waits`` is how long an offer without boot information waits for one with it.
        """

    def ask(self, question: Question, lease: Lease) -> Optional[PxeAnswer]:
        """Return the answer of a PXE server, once the interface has the address of ``lease``."""


class NoDhcp:
    """Where pypxeboot does no DHCP itself; ``first_lease`` is what there is instead."""

    def __init__(self, why: str, first_lease: Optional[Callable[[], Lease]] = None) -> None:
        self._why, self._first = why, first_lease

    def first(self) -> Lease:
        """Return what there is instead. Raises NoLease where that is for others to say."""
        if self._first is None:
            raise NoLease(f"no DHCP: {self._why}")
        return self._first()

    def again(
        self,
        identity: Mapping[int, bytes],
        seconds: Optional[float] = None,
        vlan: int = 0,
        waits: tuple[float, ...] = (),
    ) -> Lease:
        """Refuse: there is no DHCP. Raises NoLease."""
        raise NoLease(f"DHCP would have to be done once more, and {self._why}")

    def ask(self, question: Question, lease: Lease) -> Optional[PxeAnswer]:
        """Ask nobody: there is no DHCP."""


def report_step(step: Union[Bound, Failed, Note], no_lease: Callable[[str], NoLease]) -> Optional[Lease]:
    """Log a step that sends nothing, and return its lease, if it has one.

    Raises the NoLease that ``no_lease`` makes of a failure's reason.
    """
    if isinstance(step, Failed):
        raise no_lease(step.reason)
    if isinstance(step, Bound):
        log_lease(step.lease)
        return step.lease
    log.log(logging.WARNING if step.warning else logging.INFO, "%s", step.text)
    return None


def log_lease(lease: Lease) -> None:
    """Log the lease, its routes and its name servers."""
    time_text = "for ever" if lease.seconds is None else f"for {lease.seconds} s"
    log.info("DHCP lease: %s/%d %s from %s", lease.address, lease.prefix_length, time_text, lease.server_id)
    for network, gateway in lease.routes:
        log.info("route: %s via %s", network, gateway or "the link")
    if lease.dns:
        names = ", ".join(str(server) for server in lease.dns)
        log.info("name servers: %s%s", names, f", domain {printable(lease.domain)}" if lease.domain else "")
