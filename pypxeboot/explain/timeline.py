"""The timeline of a capture: packets in, lines of text out, client by client, the verdict last.

Whatever is in the file, the numbers of clients, conversations and lines are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp import message6
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.explain import http_dns, packets, tftp, verdict
from pypxeboot.explain.bars import bars as make_bars
from pypxeboot.explain.conversation import ArpRequest, Attempts, Conversation, in_url
from pypxeboot.explain.dhcp import BOOT_SERVER_PORT, DhcpExchange
from pypxeboot.explain.dhcp6 import Dhcp6Exchange
from pypxeboot.explain.http_dns import DnsQuery, HttpConnection
from pypxeboot.explain.packets import Packet
from pypxeboot.explain.tftp import TftpTransfer
from pypxeboot.explain.waterfall import Bar

_MOST_CLIENTS = 100
_MOST_CONVERSATIONS = 5000
_MOST_OWNERS = 8  # of an address, and those who ask for it
_MOST_LINES = 500  # of one client
_MOST_LINES_OF_ALL = 4000
_TFTP, _DNS, _WEB = 69, 53, (80, 443, 8080)
_DHCP_PORTS = (dhcp.CLIENT_PORT, dhcp.SERVER_PORT, BOOT_SERVER_PORT)
_UNREACHABLE = {
    0: "there is no route to that network",
    1: "that host does not answer",
    3: "the port is closed: no TFTP server listens there",
    9: "a firewall forbids it",
    10: "a firewall forbids it",
    13: "a firewall forbids it",
}
_ICMP_UNREACHABLE, _ICMPV6_UNREACHABLE = 3, 1
_CODES_OF_ICMPV6 = {0: 0, 1: 13, 3: 1, 4: 3}

Keyed = Union[TftpTransfer, HttpConnection, DnsQuery]


@dataclass
class Timeline:
    """The timeline of one capture, filled by :meth:`add` frame by frame, then read by :meth:`lines`.

    ``well`` is, once they are read, whether all went well.
    """

    frames: int = 0
    well: bool = False
    _started: Optional[float] = None
    _end: float = 0.0
    _order: list[Conversation] = field(default_factory=list)
    _exchanges: dict[tuple[str, int], DhcpExchange] = field(default_factory=dict)
    _exchanges6: dict[str, Dhcp6Exchange] = field(default_factory=dict)  # by the client's address on the link
    _open: dict[tuple[object, ...], Keyed] = field(default_factory=dict)
    _arp: dict[str, list[ArpRequest]] = field(default_factory=dict)  # by the address asked for
    _owners: dict[str, str] = field(default_factory=dict)  # MAC by the address that DHCP gave
    _left_out: int = 0

    def add(self, packet: Optional[Packet], when: float) -> None:
        """Take the next frame, of ``when`` in seconds since 1970; None is one that could not be decoded."""
        self.frames += 1
        if self._started is None:
            self._started = when
        self._end = max(self._end, when)
        if packet is None:
            return
        if packet.protocol == packets.UDP:
            self._udp(packet)
        elif packet.protocol == packets.TCP:
            self._tcp(packet)
        elif packet.protocol == 0:
            self._arp_packet(packet)
        elif packet.protocol == packets.ICMP and packet.source_port == _ICMP_UNREACHABLE:
            self._unreachable(packet, packet.target_port)
        elif packet.protocol == packets.ICMPV6 and packet.source_port == _ICMPV6_UNREACHABLE:
            self._unreachable(packet, _CODES_OF_ICMPV6.get(packet.target_port, -1))

    def _keep(self, conversation: Conversation) -> bool:
        if len(self._order) >= _MOST_CONVERSATIONS:
            self._left_out += 1
            return False
        self._order.append(conversation)
        return True

    def _client(self, packet: Packet) -> str:
        """Return who sends ``packet``: the MAC that got its address, or that of the frame (a router's?)."""
        return self._owners.get(packet.source) or packet.mac or packet.source

    # -- DHCP and ARP

    def _udp(self, packet: Packet) -> None:
        if packet.target_port in _DHCP_PORTS and packet.payload[:1] in (b"\1", b"\2"):
            self._dhcp(packet)
        elif packet.target_port in (message6.CLIENT_PORT, message6.SERVER_PORT):
            self._dhcp6(packet)
        elif packet.target_port == _TFTP:
            self._request_file(packet)
        elif _DNS in (packet.source_port, packet.target_port):
            self._dns(packet)
        else:
            self._tftp(packet)

    def _dhcp(self, packet: Packet) -> None:
        try:
            message = dhcp.decode(packet.payload)
        except BadMessage as why:
            known = self._exchanges.get(
                (packet.payload[28:34].hex(":"), int.from_bytes(packet.payload[4:8], "big"))
            )
            if known is not None:
                known.add_undecodable(packet.when, packet.source, str(why))
            return
        key = message.chaddr.hex(":"), message.xid
        exchange = self._exchanges.get(key)
        if exchange is None:
            exchange = DhcpExchange(key[0])
            if not self._keep(exchange):
                return
            self._exchanges[key] = exchange
        exchange.add(message, packet.when, packet.source, packet.target_port)
        self._owns(exchange)

    def _dhcp6(self, packet: Packet) -> None:
        try:
            message = message6.decode(packet.payload)
        except BadMessage:
            return
        asks = packet.target_port == message6.SERVER_PORT
        key = packet.source if asks else packet.target
        exchange = self._exchanges6.get(key)
        if exchange is None:
            exchange = Dhcp6Exchange(packet.mac or key)
            if not asks or not self._keep(exchange):
                return
            self._exchanges6[key] = exchange
        exchange.add(message, packet.when, packet.source)
        self._owns(exchange)

    def _owns(self, exchange: Union[DhcpExchange, Dhcp6Exchange]) -> None:
        if exchange.address and len(self._owners) < _MOST_CONVERSATIONS:
            self._owners[exchange.address] = exchange.client

    def _arp_packet(self, packet: Packet) -> None:
        if packet.flags == 1 and packet.source not in (packet.target, "0.0.0.0"):
            client = self._client(packet)
            requests = self._arp.get(packet.target, [])
            known = next((request for request in requests if request.client == client), None)
            if known is not None:
                if not known.answers:
                    known.asked.add(packet.when)
                return
            request = ArpRequest(client, packet.target, Attempts(packet.when, packet.when))
            if len(requests) < _MOST_OWNERS and self._keep(request):
                self._arp[packet.target] = [*requests, request]
        elif packet.flags == 2:
            for request in self._arp.get(packet.source, ()):
                if len(request.answers) < _MOST_OWNERS:
                    request.answers.add(packet.mac)

    # -- files and names

    def _request_file(self, packet: Packet) -> None:
        name = tftp.read_request_name(packet.payload)
        if name is None:
            self._tftp(packet)
            return
        key = "tftp", packet.source, packet.source_port
        known = self._open.get(key)
        if isinstance(known, TftpTransfer) and known.name == name and not (known.complete or known.failed):
            known.asked.add(packet.when)
            return
        transfer = TftpTransfer(self._client(packet), packet.target, name, Attempts(packet.when, packet.when))
        if self._keep(transfer):
            self._open[key] = transfer

    def _tftp(self, packet: Packet) -> None:
        known = self._open.get(("tftp", packet.target, packet.target_port))
        if isinstance(known, TftpTransfer) and packet.source == known.server:
            known.add_from_server(packet.payload, packet.size, packet.when)
            return
        known = self._open.get(("tftp", packet.source, packet.source_port))
        if isinstance(known, TftpTransfer):
            known.add_from_client(packet.payload)

    def _dns(self, packet: Packet) -> None:
        found = http_dns.decode_query(packet.payload)
        if found is None:
            return
        number, is_answer, what = found
        if is_answer:
            known = self._open.get(("dns", packet.target, packet.target_port, number))
            if isinstance(known, DnsQuery):
                known.add_answer(packet.payload, packet.when)
            return
        key = "dns", packet.source, packet.source_port, number
        known = self._open.get(key)
        if isinstance(known, DnsQuery):
            known.asked.add(packet.when)
            return
        question = DnsQuery(self._client(packet), packet.target, what, Attempts(packet.when, packet.when))
        if self._keep(question):
            self._open[key] = question

    def _tcp(self, packet: Packet) -> None:
        key = "tcp", packet.source, packet.source_port, packet.target, packet.target_port
        known = self._open.get(key)
        first = packet.flags & (packets.SYN | packets.ACK) == packets.SYN
        if known is None and (
            (first and packet.target_port in _WEB) or (not first and http_dns.is_request(packet.payload))
        ):
            known = self._connection(packet, key)
            first = False
        if isinstance(known, HttpConnection):
            if first and not known.established:
                known.asked.add(packet.when)
            known.established = known.established or bool(packet.payload)
            known.add_from_client(packet.payload, packet.when)
            return
        known = self._open.get(("tcp", packet.target, packet.target_port, packet.source, packet.source_port))
        if isinstance(known, HttpConnection):
            known.refused = known.refused or bool(packet.flags & packets.RST)
            known.established = known.established or not packet.flags & packets.RST
            if packet.size:
                known.add_from_server(packet.payload, packet.size, packet.sequence, packet.when)

    def _connection(self, packet: Packet, key: tuple[object, ...]) -> Optional[HttpConnection]:
        host = in_url(packet.target)
        where = host if packet.target_port == 80 else f"{host}:{packet.target_port}"
        connection = HttpConnection(self._client(packet), where, Attempts(packet.when, packet.when))
        if not self._keep(connection):
            return None
        self._open[key] = connection
        return connection

    def _unreachable(self, packet: Packet, code: int) -> None:
        """Take an ICMP error; it has the head of the packet that it is about. ``code`` is one of IPv4."""
        inner = packet.payload
        if packet.protocol == packets.ICMPV6:
            source, header = str(IPv6Address(inner[8:24].ljust(16, b"\0"))), 40
        else:
            source, header = ".".join(map(str, inner[12:16])), (inner[0] & 15) * 4 if inner else 0
        port = int.from_bytes(inner[header : header + 2], "big")
        known = self._open.get(("tftp", source, port))
        if isinstance(known, TftpTransfer):
            what = _UNREACHABLE.get(code, f"it cannot be reached (ICMP code {code})")
            known.unreachable(f"{packet.source} says: {what}")

    # -- the end

    def bars(self) -> list[Bar]:
        """Return what was asked as bars in time."""
        return make_bars(self._order, self._started or 0.0, self._end)

    def files(self) -> list[TftpTransfer]:
        """Return the files that came by TFTP."""
        return [one for one in self._order if isinstance(one, TftpTransfer) and one.complete]

    def _clients(self) -> list[str]:
        """Return the clients that may have booted; those that only sent ARP count if nobody did more."""
        active = [one.client for one in self._order if not isinstance(one, ArpRequest)]
        if not active:
            active = [one.client for one in self._order if one.trouble(self._end)]
        return list(dict.fromkeys(active))

    def lines(self) -> Iterator[str]:
        """Yield the whole timeline; the last line is the verdict."""
        started = self._started or 0.0
        clients = self._clients()
        plural = "" if len(clients) == 1 else "s"
        yield f"{self.frames} frames in {self._end - started:.1f} s, {len(clients)} client{plural}"
        verdicts: list[tuple[str, str, bool]] = []
        left = _MOST_LINES_OF_ALL
        for client in clients[:_MOST_CLIENTS]:
            own = [conversation for conversation in self._order if conversation.client == client]
            yield f"client {client}"
            events = sorted(event for one in own for event in one.lines(self._end))
            shown = events[: min(_MOST_LINES, left)]
            left -= len(shown)
            for when, text in shown:
                yield f"{when - started:9.3f}  {text}"
            if len(events) > len(shown):
                yield f"           and {len(events) - len(shown)} lines more"
            for remark in _remarks(own):
                yield f"           note: {remark}"
            text, well = verdict.client_verdict(own, self._end)
            verdicts.append((client, text, well))
            if len(clients) > 1:
                yield f"           => {text}"
        if self._left_out:
            yield f"{self._left_out} conversations more are left out"
        self.well = bool(verdicts) and all(well for _client, _text, well in verdicts)
        yield f"verdict: {verdict.total_verdict(verdicts)}"


def _remarks(own: list[Conversation]) -> list[str]:
    found = [remark for one in own if isinstance(one, DhcpExchange) for remark in one.remarks()]
    found += [one.remark() for one in own if isinstance(one, TftpTransfer) and one.remark()]
    found += _narrow_paths([one for one in own if isinstance(one, TftpTransfer)])
    return found[:20]


def _narrow_paths(transfers: list[TftpTransfer]) -> list[str]:
    """Return a remark for each server on whose way full blocks vanish, and smaller ones do not."""
    found = []
    for server in dict.fromkeys(one.server for one in transfers):
        own = [one for one in transfers if one.server == server]
        vanished = [one.packet_size for one in own if one.has_vanished]
        came = [one.packet_size for one in own if one.complete and one.size >= one.block_size]
        if vanished and came and max(came) < min(vanished):
            sizes = f"{max(came)} bytes, but not {min(vanished)}"
            found.append(f"TFTP from {server}: the path carries {sizes} (the MTU of a tunnel?)")
    return found
