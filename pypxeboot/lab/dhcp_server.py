"""The DHCP server of the lab: a message in, a message out. The rules are those of RFC 2131, 4.3."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.dhcp import message as dhcp
from pypxeboot.lease import DhcpOption
from pypxeboot.text import encode, printable

LEASE_SECONDS = 3600
_OPTIONS = dict[int, bytes]


@dataclass(frozen=True)
class Site:
    """What the server gives: addresses of ``network`` from ``first`` to ``last``, and where to boot from.

    ``hosts`` maps MAC addresses (``52:54:00:ab:cd:ef``) to addresses that are theirs alone. ``prefix`` is
    option 210, None for none.
    """

    network: IPv4Network
    server: IPv4Address
    first: IPv4Address
    last: IPv4Address
    bootfile: str
    prefix: Optional[str] = None
    domain: str = "lab.test"
    hosts: Mapping[str, IPv4Address] = field(default_factory=dict)


class Server:
    """Keeps who has which address."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._leases: dict[bytes, IPv4Address] = {}
        self._declined: set[IPv4Address] = set()

    def answer(self, payload: bytes) -> tuple[Optional[bytes], str]:
        """Return the reply to a message, None if there is none to give, and a line about it for the log."""
        try:
            message = dhcp.decode(payload)
        except dhcp.BadMessage as why:
            return None, f"ignored: {why}"
        if message.op != dhcp.BOOTREQUEST or message.type is None or len(message.chaddr) != 6:
            return None, "ignored: no request of a DHCP client"
        kind, address = self._decide(message)
        who = message.chaddr.hex(":")
        asked = dhcp.Type(message.type).name if message.type in list(dhcp.Type) else str(message.type)
        name = printable(message.options.get(DhcpOption.VENDOR_CLASS, b""), 40)
        asked += f" ({name})" if name else ""
        if kind is None:
            return None, f"{who} {asked}: no answer"
        told = f"{kind.name} {address}" if address else kind.name
        return self._reply(message, kind, address), f"{who} {asked}: {told}"

    def _decide(self, message: dhcp.Message) -> tuple[Optional[dhcp.Type], Optional[IPv4Address]]:
        who = message.chaddr
        if message.type == dhcp.Type.DISCOVER:
            address = self._address_for(who, _requested_address(message))
            return (dhcp.Type.OFFER, address) if address else (None, None)
        if message.type == dhcp.Type.REQUEST:
            return self._decide_request(message)
        if message.type == dhcp.Type.DECLINE:
            declined = self._leases.pop(who, None)
            if declined and declined not in self.site.hosts.values():
                self._declined.add(declined)
        elif message.type == dhcp.Type.INFORM:
            return dhcp.Type.ACK, None
        return None, None  # RELEASE: the address stays reserved for its MAC, as RFC 2131 3.1 allows

    def _decide_request(self, message: dhcp.Message) -> tuple[Optional[dhcp.Type], Optional[IPv4Address]]:
        """4.3.2: SELECTING names the server; INIT-REBOOT the address in option 50; RENEWING in ciaddr."""
        known = self._leases.get(message.chaddr)
        if message.server_id is not None and message.server_id != self.site.server:
            return None, None  # it took the offer of another server
        wanted = _requested_address(message) or message.ciaddr
        if known is not None and wanted == known:
            return dhcp.Type.ACK, known
        if message.server_id is None and known is None and wanted in self.site.network:
            # "If the DHCP server has no record of this client, then it MUST remain silent"
            return None, None
        return dhcp.Type.NAK, None

    def _address_for(self, who: bytes, requested: Optional[IPv4Address]) -> Optional[IPv4Address]:
        fixed = self.site.hosts.get(who.hex(":"))
        if fixed is not None:
            self._leases[who] = fixed
        if who not in self._leases:
            taken = {*self._leases.values(), *self._declined, *self.site.hosts.values(), self.site.server}
            pool = range(int(self.site.first), int(self.site.last) + 1)
            free = [address for address in map(IPv4Address, pool) if address not in taken]
            if not free:
                return None
            self._leases[who] = requested if requested in free else free[0]
        return self._leases[who]

    def _reply(self, message: dhcp.Message, kind: dhcp.Type, address: Optional[IPv4Address]) -> bytes:
        site = self.site
        options: _OPTIONS = {DhcpOption.MESSAGE_TYPE: bytes([kind]), DhcpOption.SERVER_ID: site.server.packed}
        file = b""
        if kind is not dhcp.Type.NAK:
            options[DhcpOption.SUBNET_MASK] = site.network.netmask.packed
            options[DhcpOption.ROUTER] = options[DhcpOption.DNS_SERVER] = site.server.packed
            options[DhcpOption.DOMAIN_NAME] = encode(site.domain)
            options[DhcpOption.TFTP_SERVER_NAME] = str(site.server).encode()
            options[DhcpOption.BOOT_FILE] = encode(site.bootfile)
            file = encode(site.bootfile)[:127]
            if site.prefix is not None:
                options[DhcpOption.PATH_PREFIX] = encode(site.prefix)
            if address is not None:
                options[DhcpOption.LEASE_TIME] = LEASE_SECONDS.to_bytes(4, "big")
        if DhcpOption.CLIENT_ID in message.options:
            options[DhcpOption.CLIENT_ID] = message.options[DhcpOption.CLIENT_ID]  # RFC 6842
        server = IPv4Address(0) if kind is dhcp.Type.NAK else site.server
        body = bytes([dhcp.BOOTREPLY, 1, 6, 0]) + message.xid.to_bytes(4, "big") + bytes(2)
        body += message.flags.to_bytes(2, "big") + message.ciaddr.packed
        body += (address or IPv4Address(0)).packed + server.packed + message.giaddr.packed
        body += message.chaddr.ljust(16, b"\0") + bytes(64) + file.ljust(128, b"\0") + dhcp.MAGIC
        body += b"".join(bytes([code, len(value)]) + value for code, value in options.items()) + b"\xff"
        return body.ljust(300, b"\0")  # BOOTP's least size; old relays drop shorter ones


def _requested_address(message: dhcp.Message) -> Optional[IPv4Address]:
    value = message.options.get(DhcpOption.REQUESTED_ADDRESS, b"")
    return IPv4Address(value) if len(value) == 4 else None
