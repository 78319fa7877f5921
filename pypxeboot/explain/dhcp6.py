"""DHCPv6 in a capture: what a client asks, what it is told, and what its silences mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.dhcp import message6
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Denied, Message, Option, Type
from pypxeboot.explain.conversation import QUIET, Attempts, Line, once_more
from pypxeboot.text import printable

_MOST_LINES = 40
_IAID = 4  # bytes


@dataclass
class Exchange6:
    """All of a client's; ``address`` is what it got."""

    client: str
    address: str = ""
    bootfile: bool = False
    denied: bool = False
    _lines: list[Line] = field(default_factory=list)
    _solicits: Optional[Attempts] = None
    _requests: Optional[Attempts] = None
    _offered: bool = False
    _refused: str = ""

    def add(self, message: Message, when: float, source: str) -> None:
        """One more message."""
        if message.type in (Type.ADVERTISE, Type.REPLY):
            self._answered(message, when, source)
            return
        arch = message.first(Option.CLIENT_ARCH) or b""
        identity = f", architecture {int.from_bytes(arch[:2], 'big')}" if arch else ""
        name = Type(message.type).name if message.type in list(Type) else f"type {message.type}"
        if message.type == Type.SOLICIT:
            self._solicits = once_more(self._solicits, when)
        else:
            self._requests = once_more(self._requests, when)
        self._tell(when, f"DHCPv6 {name.replace('_', ' ')}{identity}")

    def _tell(self, when: float, text: str) -> None:
        if len(self._lines) < _MOST_LINES:
            self._lines.append((when, text))

    def _answered(self, message: Message, when: float, source: str) -> None:
        offer = message.type == Type.ADVERTISE
        verb = "advertises" if offer else "gives"
        try:
            url = message6.boot_file_url(message)
            what = self._address(message, offer=offer)
        except (BadMessage, Denied) as why:
            self._refused = f"{source} {verb} what no client takes: {why}"
            self.denied = isinstance(why, Denied)
            self._tell(when, self._refused)
            return
        self._offered = self._offered or offer
        self.bootfile = self.bootfile or bool(url)
        parts = [*what, *([f"boot file {printable(url)}"] if url else [])]
        self._tell(when, f"{source} {verb} {', '.join(parts) or 'nothing of use'}")

    def _address(self, message: Message, *, offer: bool) -> list[str]:
        """The address in words; none where none was asked for."""
        associations = message.options.get(Option.IA_NA, ())
        if not associations:
            return []
        address, _seconds = message6.address_of(message, associations[0][:_IAID])
        if not offer:
            self.address, self._refused, self.denied = str(address), "", False
        return [f"address {address}"]

    def lines(self, end: float) -> list[Line]:
        """The messages."""
        return self._lines

    def trouble(self, end: float) -> str:
        """What is missing."""
        asked = self._solicits or self._requests
        if self.address or self.bootfile or asked is None:
            return ""
        if self._refused:
            return self._refused
        waited = end - asked.first
        if self._offered or self._requests is not None:
            return f"no DHCPv6 reply in {waited:.1f} s" if waited >= QUIET else ""
        if waited < QUIET:
            return ""
        return f"no answer to DHCPv6 SOLICIT ({asked.words(end)}): no DHCPv6 server hears it"
