"""DHCPv6 in a capture: the messages of a client and its servers, and what missing answers mean."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.dhcp import message6
from pypxeboot.dhcp.message import BadMessage
from pypxeboot.dhcp.message6 import Denied, Message6, MessageType6, Option
from pypxeboot.explain.conversation import QUIET, Attempts, Event, Step, add_attempt
from pypxeboot.text import printable

_MOST_LINES = 40
_IAID = 4  # bytes


@dataclass
class Dhcp6Exchange:
    """All DHCPv6 messages of a client; ``address`` is what it got, empty before a REPLY."""

    client: str
    address: str = ""
    bootfile: bool = False
    is_denied: bool = False
    steps: list[Step] = field(default_factory=list)
    _lines: list[Event] = field(default_factory=list)
    _solicits: Optional[Attempts] = None
    _requests: Optional[Attempts] = None
    _offered: bool = False
    _refused: str = ""

    def add(self, message: Message6, when: float, source: str) -> None:
        """Take a message that ``source`` sent."""
        if message.type in (MessageType6.ADVERTISE, MessageType6.REPLY):
            if self.steps and not self.steps[-1].answered:
                self.steps[-1] = self.steps[-1]._replace(answered=when, server=source)
            self._add_answer(message, when, source)
            return
        arch = message.first(Option.CLIENT_ARCH) or b""
        identity = f", architecture {int.from_bytes(arch[:2], 'big')}" if arch else ""
        name = (
            MessageType6(message.type).name if message.type in list(MessageType6) else f"type {message.type}"
        )
        if len(self.steps) < _MOST_LINES:
            self.steps.append(Step(when, f"DHCPv6 {name.replace('_', ' ')}"))
        if message.type == MessageType6.SOLICIT:
            self._solicits = add_attempt(self._solicits, when)
        else:
            self._requests = add_attempt(self._requests, when)
        self._tell(when, f"DHCPv6 {name.replace('_', ' ')}{identity}")

    def _tell(self, when: float, text: str) -> None:
        if len(self._lines) < _MOST_LINES:
            self._lines.append((when, text))

    def _add_answer(self, message: Message6, when: float, source: str) -> None:
        offer = message.type == MessageType6.ADVERTISE
        verb = "advertises" if offer else "gives"
        try:
            url = message6.boot_file_url(message)
            what = self._address(message, offer=offer)
        except (BadMessage, Denied) as why:
            self._refused = f"{source} {verb} what no client takes: {why}"
            self.is_denied = isinstance(why, Denied)
            self._tell(when, self._refused)
            return
        self._offered = self._offered or offer
        self.bootfile = self.bootfile or bool(url)
        parts = [*what, *([f"boot file {printable(url)}"] if url else [])]
        self._tell(when, f"{source} {verb} {', '.join(parts) or 'nothing of use'}")

    def _address(self, message: Message6, *, offer: bool) -> list[str]:
        """Return the address as text for a line; nothing where none was asked for."""
        associations = message.options.get(Option.IA_NA, ())
        if not associations:
            return []
        address, _seconds = message6.address_of(message, associations[0][:_IAID])
        if not offer:
            self.address, self._refused, self.is_denied = str(address), "", False
        return [f"address {address}"]

    def lines(self, end: float) -> list[Event]:
        """Return one line for each message."""
        return self._lines

    def trouble(self, end: float) -> str:
        """Return which answer is missing, and what that means."""
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
        return f"no answer to DHCPv6 SOLICIT ({asked.summary(end)}): no DHCPv6 server hears it"
