"""Names of hosts, asked of the name servers of the guest's network, never of the host's own files."""

from __future__ import annotations

import importlib
import ipaddress
import socket
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable, Union

from pypxeboot import text

if TYPE_CHECKING:
    from dns.message import Message, QueryMessage


_TRIES = 2  # rounds over all servers, as resolv.conf(5) has it
_WAIT = 2.0  # seconds for one answer; a name server of the same site needs milliseconds
_SERVERS = 3  # the first of them, as resolv.conf(5)
_SEARCH = 6  # domains that are tried, as resolv.conf(5) had it
_ADDRESSES = 8  # of one name that are tried
_LIFETIME = 15.0  # seconds for one name, whatever there is to ask

# What dnspython itself imports only when an answer holds such a record; see prepare().
_RECORDS = ("IN.A", "IN.AAAA", "ANY.CNAME", "ANY.SOA", "ANY.OPT")

_Infos = list[tuple[Any, ...]]


class Resolver:
    """Asks ``servers`` (addresses); names without a dot are tried in the ``search`` domains first.

    ``family`` (4 or 6) is the one that there is an address of: such are asked for first.
    """

    def __init__(
        self,
        servers: Sequence[str],
        search: Sequence[str] = (),
        *,
        family: int = 4,
        wait: float = _WAIT,
        lifetime: float = _LIFETIME,
        port: int = 53,
    ) -> None:
        self._servers = list(servers)[:_SERVERS]
        self._search = [domain.strip(".") for domain in search if text.is_dname(domain)][:_SEARCH]
        self._wait = wait
        self._lifetime = lifetime
        self._port = port
        self._kinds = ("AAAA", "A") if family == 6 else ("A", "AAAA")
        self._known: dict[str, list[str]] = {}

    def addresses(self, name: str) -> list[str]:
        """Get the addresses of ``name`` of one family, the own one if there are any; socket.gaierror if none.

        What was found is kept for the life of the resolver, which is one boot.
        """
        if name not in self._known:
            self._known[name] = self._look_up(name)
        return self._known[name]

    def _look_up(self, name: str) -> list[str]:
        if not text.is_dname(name):
            raise socket.gaierror(socket.EAI_NONAME, "no host can have that name")
        if not self._servers:
            raise socket.gaierror(socket.EAI_FAIL, "DHCP gave no DNS server")
        deadline = time.monotonic() + self._lifetime
        failures: list[str] = []
        for candidate in self._candidates(name):
            for kind in self._kinds:
                found = self._ask(candidate, kind, deadline, failures)
                if found:
                    return found
        if failures:
            raise socket.gaierror(socket.EAI_AGAIN, failures[-1])
        raise socket.gaierror(socket.EAI_NONAME, "the DNS does not know that name")

    def _candidates(self, name: str) -> list[str]:
        if "." in name:
            return [name]
        return [f"{name}.{domain}" for domain in self._search] + [name]

    def _ask(self, name: str, kind: str, deadline: float, failures: list[str]) -> list[str]:
        """Get the addresses of exactly ``name``; none, with a line in ``failures``, if the servers only fail.

        gaierror if no server answers at all: then there is no use in asking for another name.
        """
        import dns.exception
        import dns.message
        import dns.rcode
        import dns.rdatatype

        try:
            query = dns.message.make_query(name, kind)
        except (dns.exception.DNSException, ValueError):
            return []  # too long with this domain
        said = ""
        for server in self._servers * _TRIES:
            try:
                reply = self._exchange(query, server, deadline)
                if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    answer = reply.resolve_chaining().answer or ()
                    wanted = dns.rdatatype.from_text(kind)
                    return [str(item) for item in answer if item.rdtype == wanted][:_ADDRESSES]
                said = f"the DNS server {server} says {dns.rcode.to_text(reply.rcode())}"
            except (dns.exception.DNSException, OSError, EOFError, ValueError):
                continue
        if not said:
            raise socket.gaierror(socket.EAI_AGAIN, "no DNS server answers")
        failures.append(said)
        return []

    def _exchange(self, query: Message, server: str, deadline: float) -> QueryMessage:
        """Return the answer of ``server`` by UDP, by TCP if that is cut short."""
        import dns.exception
        import dns.message
        import dns.query

        wait = min(self._wait, deadline - time.monotonic())
        if wait <= 0:
            raise dns.exception.Timeout
        # Only a datagram from the address and port that were asked counts; others are skipped over.
        reply, _ = dns.query.udp_with_fallback(query, server, wait, self._port, ignore_unexpected=True)
        if not isinstance(reply, dns.message.QueryMessage):
            raise dns.exception.FormError
        return reply


def prepare() -> None:
    """Import all that a query will need, for a process that soon cannot open files any more."""
    import dns.query  # noqa: F401

    for name in _RECORDS:
        importlib.import_module(f"dns.rdtypes.{name}")


def with_zone(address: str, interface: str) -> str:
    """``address``, with the link that it is on where it is one of a link: ``fe80::1%eth0``."""
    plain = address.partition("%")[0]
    return f"{plain}%{interface}" if ipaddress.ip_address(plain).is_link_local and ":" in plain else plain


def install(
    resolver: Resolver, interface: str, reach_ipv6: Callable[[], None] = lambda: None
) -> Callable[[], None]:
    """Let ``socket.getaddrinfo`` of this process ask ``resolver``. The function returned takes that back.

    Addresses of a link are those of ``interface``. ``reach_ipv6`` is called before one of IPv6 is told.
    """
    original = socket.getaddrinfo

    def getaddrinfo(
        host: Union[bytes, str, None],
        port: Union[bytes, str, int, None],
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> _Infos:
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name is None or _is_numeric(name):
            if name is not None and _family(name) == socket.AF_INET6:
                reach_ipv6()
            where = None if name is None else with_zone(name, interface)
            return list(original(where, port, family, type, proto, flags | socket.AI_NUMERICHOST))
        found: _Infos = []
        for address in resolver.addresses(name):
            if family in (0, _family(address)):
                if _family(address) == socket.AF_INET6:
                    reach_ipv6()
                found += original(address, port, family, type, proto, socket.AI_NUMERICHOST)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address of the wanted family")
        return found

    def restore() -> None:
        socket.getaddrinfo = original

    socket.getaddrinfo = getaddrinfo
    return restore


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
