"""DHCPv6 messages (RFC 8415, RFC 5970): a strict codec, and what their options say.

As with :mod:`pypxeboot.dhcp.message` a message is read whole or not at all, while an option that is of no
vital use is dropped alone where it makes no sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from ipaddress import IPv6Address
from typing import Optional

from pypxeboot import text
from pypxeboot.dataclass import dataclass
from pypxeboot.dhcp.message import INFINITE, BadMessage
from pypxeboot.lease import is_host
from pypxeboot.text import printable
from pypxeboot.wire import Reader, Truncated

CLIENT_PORT, SERVER_PORT = 546, 547
SERVERS = "ff02::1:2"  # All_DHCP_Relay_Agents_and_Servers

_MAX_DUID = 130  # RFC 8415 11.1: 128 octets and the type


class MessageType6(IntEnum):
    """Message types of a client's exchanges."""

    SOLICIT = 1
    ADVERTISE = 2
    REQUEST = 3
    REPLY = 7
    INFORMATION_REQUEST = 11


class Option(IntEnum):
    """Option codes of DHCPv6 (RFC 8415, RFC 5970)."""

    CLIENT_ID = 1
    SERVER_ID = 2
    IA_NA = 3
    IA_ADDRESS = 5
    REQUESTED = 6
    PREFERENCE = 7
    ELAPSED_TIME = 8
    STATUS = 13
    USER_CLASS = 15
    VENDOR_CLASS = 16
    DNS_SERVERS = 23
    SEARCH_LIST = 24
    BOOT_FILE_URL = 59
    BOOT_FILE_PARAMETERS = 60
    CLIENT_ARCH = 61
    INTERFACE_ID = 62


class StatusCode(IntEnum):
    """What a server has done; RFC 8415 21.13."""

    SUCCESS = 0
    UNSPECIFIED = 1
    NO_ADDRESS = 2
    NO_BINDING = 3
    NOT_ON_LINK = 4
    USE_MULTICAST = 5


class Denied(ValueError):
    """A server says that there is no address; the text has its words."""


@dataclass(frozen=True)
class Message6:
    """A decoded message; an option may be there more than once."""

    type: int
    xid: int
    options: Mapping[int, tuple[bytes, ...]]

    def first(self, code: int) -> Optional[bytes]:
        """Return the value of an option, that of the first one."""
        return self.options.get(code, (None,))[0]

    @property
    def preference(self) -> int:
        """How much a server wants to be taken: 0 to 255."""
        value = self.first(Option.PREFERENCE)
        return value[0] if value is not None and len(value) == 1 else 0


def decode(payload: bytes) -> Message6:
    """Return the message in a UDP payload. Raises BadMessage."""
    reader = Reader(payload)
    try:
        kind, xid = reader.number(1), reader.number(3)
        return Message6(kind, xid, _options(reader))
    except Truncated as why:
        raise BadMessage(f"an option runs past the message: {why}") from None


def _options(reader: Reader) -> dict[int, tuple[bytes, ...]]:
    found: dict[int, list[bytes]] = {}
    while reader.remaining:
        code = reader.number(2)
        found.setdefault(code, []).append(reader.take(reader.number(2)))
    return {code: tuple(values) for code, values in found.items()}


def encode(kind: MessageType6, xid: int, options: Iterable[tuple[int, bytes]]) -> bytes:
    """Return the UDP payload of a message."""
    parts = [bytes((kind,)), xid.to_bytes(3, "big")]
    return b"".join((*parts, *(_option(code, value) for code, value in options)))


def _option(code: int, value: bytes) -> bytes:
    return code.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def association(iaid: bytes, address: Optional[IPv6Address] = None) -> bytes:
    """IA_NA: an address is wanted, this one if given. Its times are the server's business (zero)."""
    wanted = b"" if address is None else _option(Option.IA_ADDRESS, address.packed + bytes(8))
    return iaid + bytes(8) + wanted


# What a server says.


def server_duid(message: Message6) -> bytes:
    """Who answers. Raises BadMessage."""
    duid = message.first(Option.SERVER_ID)
    if duid is None or not 2 < len(duid) <= _MAX_DUID:
        raise BadMessage("no valid server identifier")
    return duid


def address_of(message: Message6, iaid: bytes) -> tuple[IPv6Address, Optional[int]]:
    """Get the address that is given, and for how many seconds (None: for ever). Raises Denied, BadMessage."""
    try:
        _check_status(message.first(Option.STATUS))
        for value in message.options.get(Option.IA_NA, ()):
            reader = Reader(value)
            if reader.take(4) != iaid:
                continue
            reader.take(8)  # T1, T2: when to renew, which is the guest's own business
            inside = _options(reader)
            _check_status(inside.get(Option.STATUS, (None,))[0])
            for item in inside.get(Option.IA_ADDRESS, ()):
                found = _address(Reader(item))
                if found is not None:
                    return found
    except Truncated as why:
        raise BadMessage(f"an address option runs past its end: {why}") from None
    raise Denied("no address in it")


def _address(reader: Reader) -> Optional[tuple[IPv6Address, Optional[int]]]:
    address, _preferred, valid = IPv6Address(reader.take(16)), reader.number(4), reader.number(4)
    _check_status(_options(reader).get(Option.STATUS, (None,))[0])
    if not valid or not is_host(address) or address.is_link_local:
        return None
    return address, None if valid == INFINITE else valid


def _check_status(value: Optional[bytes]) -> None:
    """Denied where a server says so; no status is a good one."""
    if value is None:
        return
    reader = Reader(value)
    code, said = reader.number(2), printable(reader.rest())
    if code != StatusCode.SUCCESS:
        name = (
            StatusCode(code).name.lower().replace("_", " ") if code in list(StatusCode) else f"status {code}"
        )
        raise Denied(f"{name} ({said})" if said else name)


def servers(value: Optional[bytes]) -> tuple[IPv6Address, ...]:
    """Addresses of hosts, one behind the other."""
    if not value or len(value) % 16:
        return ()
    found = (IPv6Address(value[at : at + 16]) for at in range(0, len(value), 16))
    return tuple(address for address in found if is_host(address))


def boot_file_url(message: Message6) -> str:
    """Option 59; empty if there is none. Raises BadMessage for what no URL is made of."""
    url = text.decode((message.first(Option.BOOT_FILE_URL) or b"").partition(b"\0")[0]).strip()
    if not url.isprintable():
        raise BadMessage(f"the boot file URL is not printable: {printable(url)}")
    return url


def boot_file_parameters(value: Optional[bytes]) -> tuple[str, ...]:
    """Option 60: words, each behind its length; none where they are not all fit for a command line."""
    reader, words = Reader(value or b""), []
    try:
        while reader.remaining:
            words.append(text.decode(reader.take(reader.number(2))))
    except Truncated:
        return ()
    return tuple(words) if all(word.isprintable() for word in words) else ()
