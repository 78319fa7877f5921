"""DHCPv4 messages: a strict decoder (RFC 2131, 2132, 3396, 3442) and what an ACK means as a :class:`Lease`.

A message is read whole or not at all: an option that runs past its field, or a vital option of the wrong
length, makes the message void, as in systemd and dhcpleased. An optional one of the wrong length is dropped
alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from pypxeboot import text
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.dhcp import server_names
from pypxeboot.lease import Address, DhcpOption, Lease, Network, PxeAnswer, default_route, is_host
from pypxeboot.text import is_dname, printable
from pypxeboot.wire import BadName, Reader, Truncated, dns_name

MAGIC = bytes((99, 130, 83, 99))
BOOTREQUEST, BOOTREPLY = 1, 2
CLIENT_PORT, SERVER_PORT = 68, 67
PXE_PORT = 4011
INFINITE = 0xFFFFFFFF
MIN_BOOTP = 300  # RFC 1542 2.1: relays may drop what is shorter than a BOOTP message
_NONE = IPv4Address(0)
_MAX_DOMAINS = 16  # of a search list; resolv.conf(5) had room for six

# RFC 2131 2: op to file, 236 octets, then the cookie.
_FIXED = 236
_VITAL_LENGTHS = {DhcpOption.MESSAGE_TYPE: 1, DhcpOption.SERVER_ID: 4, DhcpOption.LEASE_TIME: 4}


class Type(IntEnum):
    """Message types of option 53."""

    DISCOVER = 1
    OFFER = 2
    REQUEST = 3
    DECLINE = 4
    ACK = 5
    NAK = 6
    RELEASE = 7
    INFORM = 8


class BadMessage(ValueError):
    """Not a DHCP message that can be used; the text says why."""


@dataclass(frozen=True)
class Message:
    """A decoded message. ``sname`` and ``file`` are empty where option 52 gave them away to options."""

    op: int
    htype: int
    xid: int
    flags: int
    ciaddr: IPv4Address
    yiaddr: IPv4Address
    siaddr: IPv4Address
    giaddr: IPv4Address
    chaddr: bytes
    sname: bytes
    file: bytes
    options: Mapping[int, bytes]

    @property
    def type(self) -> Optional[int]:
        """Option 53, or None for BOOTP."""
        value = self.options.get(DhcpOption.MESSAGE_TYPE)
        return value[0] if value else None

    @property
    def server_id(self) -> Optional[IPv4Address]:
        """Return the server identifier (option 54), if there is one."""
        value = self.options.get(DhcpOption.SERVER_ID)
        return IPv4Address(value) if value else None


def decode(payload: bytes) -> Message:
    """Return the message in a UDP payload. Raises BadMessage."""
    if len(payload) < _FIXED + len(MAGIC):
        raise BadMessage(f"{len(payload)} bytes are too few")
    if payload[_FIXED : _FIXED + 4] != MAGIC:
        raise BadMessage("no DHCP magic cookie")
    reader = Reader(payload)
    op, htype, hlen, _hops = reader.take(4)
    xid = reader.number(4)
    reader.take(2)
    flags = reader.number(2)
    ciaddr, yiaddr, siaddr, giaddr = (IPv4Address(reader.take(4)) for _ in range(4))
    chaddr, sname, file = reader.take(16), reader.take(64), reader.take(128)
    if hlen > 16:
        raise BadMessage(f"hardware address of {hlen} bytes")
    reader.take(len(MAGIC))
    fields: dict[int, list[bytes]] = {}
    _collect(reader.rest(), fields)
    overload = fields.pop(DhcpOption.OVERLOAD, [b""])[0]
    # RFC 2132 9.3: 1 = file, 2 = sname, 3 = both. RFC 3396 5: joined in the order options, file, sname.
    holds_options = overload[0] if len(overload) == 1 and overload[0] in (1, 2, 3) else 0
    if holds_options & 1:
        _collect(file, fields)
        file = b""
    if holds_options & 2:
        _collect(sname, fields)
        sname = b""
    fields.pop(DhcpOption.OVERLOAD, None)  # one inside file or sname counts for nothing: no recursion
    options = {code: b"".join(parts) for code, parts in fields.items()}
    check_vital(options)
    return Message(op, htype, xid, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr[:hlen], sname, file, options)


def check_vital(options: Mapping[int, bytes]) -> None:
    """BadMessage if an option without which there is no lease is of a wrong length."""
    for code, length in _VITAL_LENGTHS.items():
        if code in options and len(options[code]) != length:
            raise BadMessage(f"option {code} of {len(options[code])} bytes")


def _collect(field: bytes, into: dict[int, list[bytes]]) -> None:
    """Add the options of one field to ``into``; an end without option 255 is an end too."""
    reader = Reader(field)
    try:
        while reader.remaining:
            code = reader.number(1)
            if code == DhcpOption.END:
                return
            if code != DhcpOption.PAD:
                into.setdefault(code, []).append(reader.take(reader.number(1)))
    except Truncated:
        raise BadMessage("an option runs past its field") from None


def suboptions(value: bytes) -> dict[int, bytes]:
    """Return the sub-options of an encapsulated space (43, 175), repeated ones joined; empty if malformed."""
    parts: dict[int, list[bytes]] = {}
    try:
        _collect(value, parts)
    except BadMessage:
        return {}
    return {code: b"".join(pieces) for code, pieces in parts.items()}


def lease_of(message: Message) -> tuple[Lease, tuple[str, ...]]:
    """Return the lease that an OFFER or ACK describes, and remarks about what was odd. Raises BadMessage."""
    remarks: list[str] = []
    message = _without_quotes(message, remarks)
    named = _named_servers(message, remarks)
    others = server_names.disagreement(named)
    others += server_names.own_server(named, message.server_id) if others else ()
    if others:
        remarks.append(
            f"boot servers differ: {named[0].where} says {named[0].server}, which counts; {'; '.join(others)}"
        )
    address = message.yiaddr
    if not is_host(address):
        raise BadMessage(f"the address {address} cannot be a host's")
    prefix = _prefix_length(message, address)
    network = IPv4Network((address, prefix), strict=False)
    if prefix < 31 and address in (network.network_address, network.broadcast_address):
        raise BadMessage(f"the address {address} is not a host's in {network}")
    if message.server_id == address or (message.server_id is None and message.siaddr == address):
        raise BadMessage(f"the address {address} is the server's own")
    seconds = _number(message.options.get(DhcpOption.LEASE_TIME), 4)
    if seconds == 0:
        raise BadMessage("the lease time is 0")
    routers = _addresses(message.options.get(DhcpOption.ROUTER))
    lease = Lease(
        address=address,
        prefix_length=prefix,
        routers=routers,
        routes=_routes(message.options, routers),
        dns=_addresses(message.options.get(DhcpOption.DNS_SERVER)),
        domain=_domain(message.options.get(DhcpOption.DOMAIN_NAME), remarks),
        search=search_list(message.options.get(DhcpOption.DOMAIN_SEARCH)),
        server_id=message.server_id,
        next_server=_next_server(named, message),
        other_servers=others or server_names.own_server(named, message.server_id),
        server_names=server_names.names_beside(named),
        bootfile=_bootfile(message, remarks),
        mtu=_number(message.options.get(DhcpOption.INTERFACE_MTU), 2),
        seconds=None if seconds == INFINITE else seconds,
        options=dict(message.options),
        htype=message.htype,
    )
    return lease, tuple(remarks)


def pxe_answer(message: Message, client: bytes) -> Optional[PxeAnswer]:
    """Return what a PXE server says about booting, None where ``message`` is of none.

    PXEClient in option 60 is how it says that it is one (PXE 2.1, 2.2.3); to an HTTPClient it says that.
    """
    server = message.server_id or message.siaddr
    if not message.options.get(DhcpOption.VENDOR_CLASS, b"").startswith(client) or not is_host(server):
        return None
    remarks: list[str] = []
    message = _without_quotes(message, remarks)
    next_server = _next_server(_named_servers(message, remarks), message)
    return PxeAnswer(server, next_server, _bootfile(message, remarks), dict(message.options))


def request(
    xid: int,
    mac: bytes,
    options: Iterable[tuple[int, bytes]],
    *,
    ciaddr: IPv4Address = _NONE,
    secs: int = 0,
    broadcast: bool = False,
) -> bytes:
    """Return the message of a client; an option of more than 255 bytes goes in pieces (RFC 3396)."""
    head = bytes((BOOTREQUEST, 1, len(mac), 0)) + xid.to_bytes(4, "big") + secs.to_bytes(2, "big")
    head += (0x8000 if broadcast else 0).to_bytes(2, "big") + ciaddr.packed + bytes(12)
    body = b""
    for code, value in options:
        for at in range(0, len(value) or 1, 255):
            piece = value[at : at + 255]
            body += bytes((code, len(piece))) + piece
    message = head + mac.ljust(16, b"\0") + bytes(64 + 128) + MAGIC + body + b"\xff"
    return message.ljust(MIN_BOOTP, b"\0")


def release(mac: bytes, xid: int, address: IPv4Address, server: IPv4Address) -> bytes:
    """Return a DHCPRELEASE (RFC 2131, 4.4.6): the client does not want its lease any more."""
    options = ((DhcpOption.MESSAGE_TYPE, bytes((Type.RELEASE,))), (DhcpOption.SERVER_ID, server.packed))
    return request(xid, mac, options, ciaddr=address)


def _number(value: Optional[bytes], width: int) -> Optional[int]:
    return int.from_bytes(value, "big") if value is not None and len(value) == width else None


def _addresses(value: Optional[bytes]) -> tuple[IPv4Address, ...]:
    if not value or len(value) % 4:
        return ()
    found = (IPv4Address(value[at : at + 4]) for at in range(0, len(value), 4))
    return tuple(address for address in found if is_host(address))


def _prefix_length(message: Message, address: IPv4Address) -> int:
    value = message.options.get(DhcpOption.SUBNET_MASK)
    if value is None or len(value) != 4:
        # The class of the address, as iPXE and PXELINUX take it.
        first = int(address) >> 24
        return 8 if first < 128 else 16 if first < 192 else 24
    mask = int.from_bytes(value, "big")
    inverse = mask ^ 0xFFFFFFFF
    if mask == 0 or inverse & (inverse + 1):
        raise BadMessage(f"{IPv4Address(value)} is not a netmask")
    return 32 - inverse.bit_length()


def _routes(
    options: Mapping[int, bytes], routers: tuple[IPv4Address, ...]
) -> tuple[tuple[Network, Optional[Address]], ...]:
    # RFC 3442: "if the DHCP server returns both a Classless Static Routes option and a Router option,
    # the DHCP client MUST ignore the Router option".
    value = options.get(DhcpOption.CLASSLESS_ROUTES)
    classless = None if value is None else _classless_routes(value)
    if classless is not None:
        return classless
    return default_route(routers[0]) if routers else ()


def _classless_routes(value: bytes) -> Optional[tuple[tuple[IPv4Network, Optional[IPv4Address]], ...]]:
    """RFC 3442: width of the mask, its significant octets, the router (0.0.0.0 = on the link)."""
    reader, routes = Reader(value), []
    try:
        while reader.remaining:
            width = reader.number(1)
            if width > 32:
                return None
            octets = reader.take((width + 7) // 8).ljust(4, b"\0")
            gateway = IPv4Address(reader.take(4))
            network = IPv4Network((octets, width), strict=False)
            if int(gateway) and not is_host(gateway):
                return None
            routes.append((network, gateway if int(gateway) else None))
    except Truncated:
        return None
    return tuple(routes)


def _name(value: bytes, what: str, remarks: list[str]) -> str:
    """Return a file name of the network, or '' (and a remark) where it holds what no name holds."""
    name = text.decode(server_names.trimmed(value))
    if name.isprintable():
        return name
    remarks.append(f"{what} is not printable and is not used: {printable(name)}")
    return ""


def _bootfile(message: Message, remarks: list[str]) -> str:
    option = _name(message.options.get(DhcpOption.BOOT_FILE, b""), "boot file name (option 67)", remarks)
    field = _name(message.file, "boot file name (header)", remarks)
    if option and field and option != field:
        remarks.append(
            f"two boot file names: option 67 {printable(option)} is used, header {printable(field)} is not"
        )
    return option or field


def _without_quotes(message: Message, remarks: list[str]) -> Message:
    return replace(
        message,
        options=server_names.unquoted_options(message.options, remarks),
        sname=server_names.unquoted(message.sname, "sname", remarks),
        file=server_names.unquoted(message.file, "the boot file name of the header", remarks),
    )


def _named_servers(message: Message, remarks: list[str]) -> list[server_names.NamedServer]:
    return server_names.named_servers(message.siaddr, message.options, message.sname, remarks)


def _next_server(named: Sequence[server_names.NamedServer], message: Message) -> Optional[str]:
    if named:
        return named[0].server
    return str(message.server_id) if message.server_id is not None else None


def _domain(value: Optional[bytes], remarks: list[str]) -> str:
    name = text.decode(server_names.trimmed(value or b"")).strip()
    if name and not is_dname(name):
        remarks.append(f"domain name (option 15) is not valid and is not used: {printable(name)}")
        return ""
    return name.rstrip(".")


def search_list(value: Optional[bytes]) -> tuple[str, ...]:
    """Return the domains of a search list (RFC 3397), at most 16; none if anything in it is malformed."""
    names: list[str] = []
    at, data = 0, value or b""
    while at < len(data) and len(names) < _MAX_DOMAINS:
        try:
            labels, at = dns_name(data, at)
        except (Truncated, BadName):
            return ()
        name = ".".join(map(text.decode, labels))
        if not is_dname(name):
            return ()
        names.append(name)
    return tuple(names)
