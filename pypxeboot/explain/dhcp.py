"""DHCP in a capture: each exchange of a client with its servers, and what missing answers mean."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.message import BadMessage, Message, Type
from pypxeboot.explain.conversation import QUIET, Attempts, Event, Step, add_attempt
from pypxeboot.lease import DhcpOption, describe
from pypxeboot.text import printable

BOOT_SERVER_PORT = 4011  # PXE 2.1
_MOST_LINES = 40  # of one exchange: a flood of offers ends there
_MOST_SERVERS = 16


@dataclass
class DhcpExchange:
    """All messages with one transaction id (xid); ``address`` is what the client got, empty before an ACK."""

    client: str
    address: str = ""
    bootfile: bool = False
    steps: list[Step] = field(default_factory=list)
    _lines: list[Event] = field(default_factory=list)
    _discovers: Optional[Attempts] = None
    _requests: Optional[Attempts] = None
    _offers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _offered: float = 0.0  # when the last offer came
    _refused: str = ""
    _nak: str = ""
    _mtu: Optional[int] = None
    _boot_server: Optional[float] = None  # when one was asked that has not answered

    def add(self, message: Message, when: float, source: str, port: int) -> None:
        """Take a message of the exchange; ``port`` is the UDP port that it was sent to."""
        if message.op == dhcp.BOOTREQUEST:
            self._add_request(message, when, port)
        else:
            self._add_answer(message, when, source)

    def add_undecodable(self, when: float, source: str, why: str) -> None:
        """Take a message of ``source`` that no client can decode; ``why`` says what is wrong with it."""
        self._refused = f"{source} sends what cannot be read: {why}"
        self._tell(when, self._refused)

    def _tell(self, when: float, text: str) -> None:
        if len(self._lines) < _MOST_LINES:
            self._lines.append((when, text))

    def _add_request(self, message: Message, when: float, port: int) -> None:
        if len(self.steps) < _MOST_LINES and message.type not in (Type.RELEASE, Type.DECLINE):
            asked = "PXE boot server" if port == BOOT_SERVER_PORT else f"DHCP {_type(message)}"
            self.steps.append(Step(when, asked))
        if port == BOOT_SERVER_PORT:
            self._boot_server = when
            self._tell(when, "asks a PXE boot server (port 4011)")
        elif message.type == Type.DISCOVER:
            again = f", {when - self._discovers.last:.1f} s after the last" if self._discovers else ""
            self._tell(when, f"DISCOVER{_identity(message)}{again}")
            self._discovers = add_attempt(self._discovers, when)
        elif message.type == Type.REQUEST:
            wanted = _address(message.options.get(DhcpOption.REQUESTED_ADDRESS, b"")) or str(message.ciaddr)
            server = _address(message.options.get(DhcpOption.SERVER_ID, b""))
            self._tell(when, f"REQUEST for {wanted}{f' to {server}' if server else ''}")
            self._requests = add_attempt(self._requests, when)
        elif message.type == Type.RELEASE:
            self._tell(when, f"RELEASE of {message.ciaddr}")
        elif message.type == Type.DECLINE:
            self._nak = "the client declines the address: somebody else has it"
            address = _address(message.options.get(DhcpOption.REQUESTED_ADDRESS, b""))
            self._tell(when, f"DECLINE of {address}: somebody else has it")
        else:
            self._tell(when, f"message of type {_type(message)}{_identity(message)}")

    def _add_answer(self, message: Message, when: float, source: str) -> None:
        server = str(message.server_id or source)
        if self.steps and not self.steps[-1].answered:
            self.steps[-1] = self.steps[-1]._replace(answered=when, server=server)
        if self._boot_server is not None and not int(message.yiaddr):
            self._boot_server = None
        if message.type == Type.NAK:
            why = printable(message.options.get(DhcpOption.MESSAGE, b""))
            self._nak = f"{server} says NAK{': ' if why else ''}{why}"
            self._tell(when, self._nak)
            self._nak += " (is there a second DHCP server, or was the lease given to somebody else?)"
            return
        if not int(message.yiaddr):
            self._proxy(message, when, server)
            return
        try:
            lease, remarks = dhcp.lease_of(message)
        except BadMessage as why:
            self._refused = f"{server} offers what no client takes: {why}"
            self._tell(when, self._refused)
            return
        if message.type == Type.ACK or message.type is None:
            self._tell(when, f"{server} acknowledges {describe(lease)}")
            self.address, self._nak, self._mtu = str(lease.address), "", lease.mtu
            self.bootfile = self.bootfile or lease.is_bootable
        else:
            self._tell(when, f"{server} offers{self._after(when)}: {describe(lease)}")
            self._offered = when
            if len(self._offers) < _MOST_SERVERS:
                self._offers[server] = (lease.bootfile, lease.next_server or "")
        for remark in remarks:
            self._tell(when, remark)

    def _proxy(self, message: Message, when: float, server: str) -> None:
        name = printable((message.options.get(DhcpOption.BOOT_FILE, b"") or message.file).partition(b"\0")[0])
        what = f"boot file {name}" if name else "no boot file"
        kind = printable(message.options.get(DhcpOption.VENDOR_CLASS, b"").partition(b"\0")[0])
        self.bootfile = self.bootfile or bool(name) or DhcpOption.VENDOR_OPTIONS in message.options
        menu = (
            ", a PXE menu or list of servers (option 43)"
            if DhcpOption.VENDOR_OPTIONS in message.options
            else ""
        )
        who = f"{server} (a proxy{f', {kind}' if kind else ''})"
        self._tell(when, f"{who} says{self._after(when)}: {what}{menu}")

    def _after(self, when: float) -> str:
        return f" after {when - self._discovers.first:.2f} s" if self._discovers else ""

    @property
    def is_denied(self) -> bool:
        """Whether the exchange ended with a NAK (or a DECLINE of the client)."""
        return bool(self._nak)

    def lines(self, end: float) -> list[Event]:
        """Return one line for each message."""
        return self._lines

    def trouble(self, end: float) -> str:
        """Return which answer is missing, and what that means."""
        if self._nak:
            return self._nak
        asked = self._discovers or self._requests
        if self.address or asked is None:
            return self._silent_boot_server(end)
        if self._requests is not None:
            what = f"no answer to the REQUEST in {end - self._requests.first:.1f} s"
            return f"{what}: did the server withdraw, or does something filter DHCP (snooping)?"
        if self._offers and end - self._offered < QUIET:
            return "the capture ends before the client has taken an offer"
        if self._offers:
            what = f"the client takes none of {len(self._offers)} offers"
            return f"{what}: it misses something, a boot file perhaps"
        if self._refused:
            return self._refused
        waited = end - asked.first
        if waited < QUIET:
            return f"the capture ends {waited:.1f} s after the first DISCOVER: too early to tell"
        what = "a DISCOVER" if asked.count == 1 else f"{asked.count} DISCOVERs"
        return (
            f"no answer to {what} in {waited:.1f} s: no DHCP server hears it (another VLAN? a firewall, "
            "br_netfilter, STP?), or none knows this MAC"
        )

    def _silent_boot_server(self, end: float) -> str:
        if self._boot_server is None or end - self._boot_server < 1:
            return ""
        return "no answer from the PXE boot server (port 4011)"

    def remarks(self) -> list[str]:
        """Return what does not keep the client from booting, but is worth a look."""
        found = []
        ways = {way for way in self._offers.values() if any(way)}
        if len(ways) > 1:
            servers = " and ".join(sorted(self._offers))
            found.append(f"DHCP servers offer different things to boot: {servers}")
        if self._mtu is not None and self._mtu < 1500:
            found.append(f"the path carries {self._mtu} bytes, as DHCP says (option 26)")
        return found


def _identity(message: Message) -> str:
    parts = []
    for code, what in ((DhcpOption.VENDOR_CLASS, "as "), (DhcpOption.USER_CLASS, "user class ")):
        value = printable(message.options.get(code, b""), 80)
        parts += [f"{what}{value}"] if value else []
    arch = message.options.get(DhcpOption.CLIENT_ARCH)
    if arch is not None:
        parts.append(f"architecture {int.from_bytes(arch[:2], 'big')}")
    return f" {', '.join(parts)}" if parts else ""


def _type(message: Message) -> str:
    try:
        return Type(message.type or 0).name
    except ValueError:
        return str(message.type)


def _address(value: bytes) -> str:
    return ".".join(map(str, value)) if len(value) == 4 else ""
