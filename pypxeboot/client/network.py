"""The guest's place on the network in the course of a boot: addresses, PXE servers, what scripts ask for."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Optional, Protocol

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.dhcp import boot_server, identity, neighbor
from pypxeboot.dhcp.client import BETTER_OFFER_WAITS
from pypxeboot.dhcp.message import PXE_PORT
from pypxeboot.dhcp.pxe_options import LOCAL_BOOT, Services, boot_item
from pypxeboot.effects import ChangeVlan, Leased, Ping, Resolve, Resolved, RunDhcp, SetAddress
from pypxeboot.errors import NoBootSource, PxeBootError
from pypxeboot.lease import DhcpOption, Lease, is_host
from pypxeboot.limits import Deadline
from pypxeboot.net import ping
from pypxeboot.net.exchange import Dhcp, NoDhcp
from pypxeboot.plan import Plan
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# One option has 255 bytes at most, and a request must fit in a frame; real classes have a dozen characters.
_OPTIONS_LIMIT = 255
_NAME_WAIT = 1.0  # seconds for a name that is only looked up to say more of a failure
_HOSTS_OWN = "with --link host the interface is the host's own"


class Interfaces(Protocol):
    """What the host side does for it. All raise PxeBootError with why it cannot be.

    ``own_network``: the interfaces here are the guest's alone, so a script may change them.
    """

    own_network: bool

    def configure(self, lease: Lease, vlan: int = 0) -> None:
        """Give the guest's interface its address, routes and MTU, and this process its name servers."""

    def set_vlan(self, tag: int, *, remove: bool) -> None:
        """Make or take away the interface of a VLAN."""


@dataclass
class GuestNet:
    """The guest's network as one boot has it.

    ``lease`` is the last that DHCP gave, ``seconds`` is how long DHCP has taken in all,
    ``leased`` when it gave the lease.
    """

    plan: Plan
    interfaces: Interfaces
    dhcp: Dhcp
    deadline: Deadline
    lease: Optional[Lease] = None
    seconds: float = 0.0
    leased: float = 0.0

    @property
    def overdue(self) -> str:
        """Say that the lease has ended while the guest was booted; empty if it has not."""
        lease = self.lease
        if lease is None or lease.seconds is None or time.monotonic() < self.leased + lease.seconds:
            return ""
        return f"the lease of {lease.seconds} s has ended during the boot: the address may be somebody else's"

    def other_names(self) -> tuple[str, ...]:
        """Say which names beside the boot server's address are another server's, as far as a second tells."""
        lease = self.lease
        if lease is None or not lease.server_names or not lease.dns:
            return ()
        from pypxeboot.net.resolver import Resolver

        servers = [str(server) for server in lease.dns]
        asked = Resolver(servers, lease.search or (lease.domain,), wait=_NAME_WAIT, lifetime=_NAME_WAIT)
        found = []
        for where, name in lease.server_names[:1]:
            with suppress(OSError, UnicodeError):
                addresses = asked.addresses(name)
                if lease.next_server not in addresses:
                    found.append(f"{where} says {name}, which is {addresses[0]}")
        return tuple(found)

    def hint_of_servers(self) -> Optional[str]:
        """Return what to do where DHCP names other boot servers than the one that was asked."""
        if self.lease is None:
            return None
        others = (*self.lease.other_servers, *self.other_names())
        named = "; ".join(printable(other) for other in others)
        return (
            f"DHCP names other boot servers, too: {named}; --server ADDR asks one of them" if others else None
        )

    def begin(self) -> Lease:
        """Return the address that the boot begins with: given by hand, or by DHCP."""
        if self.plan.static is None:
            return self._run_dhcp(self.dhcp.first)
        return self._without_dhcp(self.plan.static)

    def take_address(self, lease: Lease) -> Lease:
        """Return an address that somebody gave by hand; there is no DHCP from now on."""
        self.dhcp = NoDhcp("the address was given by hand")
        return self._without_dhcp(lease)

    def _without_dhcp(self, lease: Lease) -> Lease:
        log.info("no DHCP: address %s/%d was given", lease.address, lease.prefix_length)
        if lease.address.version == 6:
            self.interfaces.configure(neighbor.on_link(self.plan.guest.mac_bytes))
        self.interfaces.configure(lease)
        return lease

    def as_ipxe(self) -> Lease:
        """DHCP once more, as an iPXE that the first answer's program would have been. Raises NoLease."""
        return self._run_dhcp(lambda: self.dhcp.again(identity.identity_of(identity.as_ipxe(self.plan))))

    def redhcp(self, effect: RunDhcp) -> Leased:
        """DHCP once more, for a script."""
        if sum(len(value) + 2 for _code, value in effect.options) > _OPTIONS_LIMIT:
            return Leased(None, f"options of more than {_OPTIONS_LIMIT} bytes do not fit in a request")
        options = {**identity.identity_of(identity.as_ipxe(self.plan)), **dict(effect.options)}
        try:
            return Leased(
                self._run_dhcp(
                    lambda: self.dhcp.again(options, effect.seconds, effect.vlan, BETTER_OFFER_WAITS[:1]),
                    effect.vlan,
                )
            )
        except PxeBootError as why:
            if time.monotonic() >= self.deadline.at:
                raise
            return Leased(None, why.message)

    def _run_dhcp(self, exchange: Callable[[], Lease], vlan: int = 0) -> Lease:
        began = time.monotonic()
        try:
            lease = self.plan.with_overrides(exchange())
            self.interfaces.configure(lease, vlan)
            lease = self.lease = self._add_boot_server(lease)
        finally:
            self.seconds += time.monotonic() - began
        self.leased = time.monotonic()
        return lease

    def _add_boot_server(self, lease: Lease) -> Lease:
        """``lease`` with what PXE servers say about booting; those that have not said it yet are asked."""
        answer = next(filter(boot_server.is_complete, lease.pxe), None)
        question = None if answer is not None else boot_server.of_proxies(lease)
        if question is not None:
            answer = self.dhcp.ask(question, lease)
            if answer is None:
                servers = ", ".join(str(address) for address, _port in question.targets)
                log.warning("PXE server %s does not answer at port %d", servers, PXE_PORT)
        if answer is None:
            return lease
        if answer.server != lease.server_id:
            what = printable(answer.bootfile) or "of a boot server"
            log.info("proxyDHCP server %s: boot file %s", answer.server, what)
            lease = replace(lease, proxy=answer)
        return lease.with_boot_answer(answer)

    def boot_server(self, lease: Lease, services: Services, kind: int) -> Lease:
        """``lease`` with what a boot server of type ``kind`` says, or with the guest's disk for type 0.

        Raises NoBootSource where none answers and the lease has no boot file of its own.
        """
        if kind == LOCAL_BOOT:
            options = {**lease.options, DhcpOption.VENDOR_OPTIONS: boot_item(LOCAL_BOOT)}
            return replace(lease, bootfile="", options=options)
        answer = self.dhcp.ask(boot_server.of_boot_servers(services, kind), lease)
        if answer is None:
            told = f"no PXE boot server of type {kind} answers"
            if not lease.bootfile:
                hint = "is it running, does a firewall drop UDP 4011?"
                raise NoBootSource(told, hint=hint)
            log.warning("%s: the boot file of DHCP is taken", told)
            return lease
        log.info("boot server %s: boot file %s", answer.server, printable(answer.bootfile))
        self.lease = replace(lease.with_boot_answer(answer), boot_server=answer)
        return self.lease

    def configure(self, effect: SetAddress) -> str:
        """Return the address that a script gives."""
        lease = effect.lease
        if not self.interfaces.own_network:
            return _HOSTS_OWN
        if not is_host(lease.address) or not 0 < lease.prefix_length <= lease.address.max_prefixlen:
            return f"{lease.address}/{lease.prefix_length} cannot be the address of a guest"
        log.info("the script sets address %s/%d", lease.address, lease.prefix_length)
        try:
            self.interfaces.configure(lease, effect.vlan)
        except PxeBootError as why:
            return why.message
        return ""

    def vlan(self, effect: ChangeVlan) -> str:
        """Make or take away the interface of a VLAN; return why not, else nothing."""
        if not self.interfaces.own_network:
            return _HOSTS_OWN
        if not 0 < effect.tag < 4095:
            return f"there is no VLAN {effect.tag}"
        try:
            self.interfaces.set_vlan(effect.tag, remove=effect.remove)
        except PxeBootError as why:
            return why.message
        return ""

    def lookup(self, effect: Resolve) -> Resolved:
        """Return the addresses of a name, asked of the guest's name servers."""
        try:
            found = socket.getaddrinfo(effect.name, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as why:
            return Resolved((), printable(getattr(why, "strerror", None) or str(why)))
        return Resolved(tuple(dict.fromkeys(str(item[4][0]) for item in found)))

    def ping(self, effect: Ping) -> int:
        """How many echo requests were answered."""
        try:
            return ping.ping(effect.host, effect.count, effect.size, effect.seconds, self.deadline.at)
        except (OSError, UnicodeError) as why:
            log.info(
                "ping %s: %s", printable(effect.host), printable(getattr(why, "strerror", "") or str(why))
            )
            return 0
