"""The types of iPXE settings: how text becomes bytes, and how bytes are shown (core/settings.c)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Optional
from uuid import UUID

from pypxeboot.dataclass import dataclass
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.text import decode, encode
from pypxeboot.wire import BadName, Truncated, dns_name


class BadValue(ValueError):
    """The text is no value of the type; ``status`` is what iPXE says then."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class NotSupported(ValueError):
    """Values of the type cannot be made of text."""


class Unformattable(ValueError):
    """The bytes are no value of the type; such a setting expands to nothing."""


@dataclass(frozen=True)
class SettingType:
    """A type; ``number`` is what ``inc`` counts with, None where it cannot."""

    name: str
    parse: Callable[[str], bytes]
    format: Callable[[bytes], str]
    width: Optional[int] = None


# strtoul() with base 0 takes a sign, 0x.., with no digit following, too, and octal 0..
_NUMBER = re.compile(r"[\t-\r ]*([+-]?)(?:0[xX]([0-9a-fA-F]*)|(0[0-7]*)|([1-9][0-9]*))")
# A long of the 64-bit builds: longer values are no numbers.
_LONG = 8
# Blanks, what does not print, the escape itself, and what would end a part of a URI.
_ESCAPED = frozenset(b"%/#:@?=&+")
# What is decoded: what strtoul() with base 16 reads of the two characters behind a percent sign.
_ENCODED = re.compile(rb"%([0-9a-fA-F]{1,2}|[+-][0-9a-fA-F])")


def number(text: str) -> Optional[int]:
    """Read all of ``text`` as C's ``strtoul(text, .., 0)``, modulo 2**32; None if it is not a number."""
    match = _NUMBER.fullmatch(text) if len(text) < 100 else None
    if match is None:
        return None
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(decimal) if decimal else int(octal, 8) if octal else int(hexadecimal or "0", 16)
    return (-value if sign == "-" else value) & 0xFFFFFFFF


def uri_escape(data: bytes) -> str:
    """Percent-encode everything in ``data`` that could not stand in a part of a URI."""
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F and byte not in _ESCAPED else f"%{byte:02X}" for byte in data
    )


def uri_decode(text: str) -> bytes:
    """Return the bytes that percent-encoded ``text`` means; a percent sign without digits stays."""
    return _ENCODED.sub(lambda match: bytes((int(match[1], 16) & 0xFF,)), encode(text))


def c_string(data: bytes) -> str:
    """Cut ``data`` at the first NUL, as iPXE does when it prints."""
    return decode(data.partition(b"\0")[0])


def numeric(data: bytes, signed: bool) -> int:
    """Return the number that ``data`` holds, whatever its width. Raises Unformattable."""
    padding = b"\xff" if signed and data[:1] >= b"\x80" else b"\0"
    if data[:-_LONG].strip(padding):
        raise Unformattable("too large for a number")
    return int.from_bytes(data[-_LONG:], "big", signed=signed)


def _integer(width: int, signed: bool) -> SettingType:
    def parse(text: str) -> bytes:
        value = number(text)
        if value is None:
            raise BadValue(text, Status.BAD_NUMBER)
        return (value & ((1 << 8 * width) - 1)).to_bytes(width, "big")  # "wraps silently"

    def show(data: bytes) -> str:
        value = numeric(data, signed)
        return str(value) if signed else f"{value:#x}"

    return SettingType(f"{'' if signed else 'u'}int{8 * width}", parse, show, width)


def _hex(name: str, separator: str) -> SettingType:
    form = re.compile(rf"(?:[0-9a-fA-F]{{2}}(?:{separator}[0-9a-fA-F]{{2}})*)?")

    def parse(text: str) -> bytes:
        if not form.fullmatch(text):
            raise BadValue(text, Status.BAD_HEX)
        return bytes.fromhex(text.replace(separator, ""))

    def show(data: bytes) -> str:
        return data.hex(separator) if separator else data.hex()

    return SettingType(name, parse, show)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(text, Status.BAD_BASE64) from None


def _parse_ipv4(text: str) -> bytes:
    """inet_aton(): four numbers, each of any base."""
    parts = [number(part) for part in text.split(".")]
    if len(parts) != 4 or any(part is None or part > 0xFF for part in parts):
        raise BadValue(text, Status.BAD_IPV4)
    return bytes(part or 0 for part in parts)


def _format_ipv4(data: bytes) -> str:
    if len(data) < 4:
        raise Unformattable("too short for an address")
    return ".".join(str(byte) for byte in data[:4])


def _parse_ipv6(text: str) -> bytes:
    """inet6_aton(): without a zone or an IPv4 part, and ``::`` stands for two groups at least."""
    groups = len([part for part in text.split(":") if part])
    try:
        if re.search("[.%]", text) or ("::" in text and groups > 6):
            raise ValueError(text)
        return IPv6Address(text).packed
    except ValueError:
        raise BadValue(text, Status.BAD_IPV6) from None


def _format_ipv6(data: bytes) -> str:
    if len(data) < 16:
        raise Unformattable("too short for an address")
    address = IPv6Address(data[:16])
    mapped = int(address) & 0xFFFFFFFF
    # From Python 3.13 on it is written with dots.
    return str(address) if address.ipv4_mapped is None else f"::ffff:{mapped >> 16:x}:{mapped & 0xFFFF:x}"


def _parse_uuid(text: str) -> bytes:
    """uuid_aton(): hyphens may stand between any two bytes."""
    if not re.fullmatch("(?:[0-9a-fA-F]{2}(?:-(?!$))?)*", text):
        raise BadValue(text, Status.BAD_HEX)
    data = bytes.fromhex(text.replace("-", ""))
    if len(data) != 16:
        raise BadValue(text, Status.BAD_UUID)
    return data


def _parse_guid(text: str) -> bytes:
    return swapped(_parse_uuid(text))


def swapped(uuid: bytes) -> bytes:
    """``uuid`` with the other byte order of its first three fields: a GUID is a UUID so written."""
    return UUID(bytes=uuid).bytes_le


def _format_uuid(data: bytes) -> str:
    if len(data) != 16:
        raise Unformattable("not 16 bytes")
    return str(UUID(bytes=data))


def _format_guid(data: bytes) -> str:
    if len(data) != 16:
        raise Unformattable("not 16 bytes")
    return str(UUID(bytes_le=data))


def _format_busdevfn(data: bytes) -> str:
    value = numeric(data, signed=False)
    segment, bus, device, function = value >> 16, value >> 8 & 0xFF, value >> 3 & 0x1F, value & 7
    return f"{segment & 0xFFFF:04x}:{bus:02x}:{device:02x}.{function:x}"


def _format_dnssl(data: bytes) -> str:
    """Names in DNS wire form, which may be compressed (RFC 3397); nothing if one is cut short."""
    out, at = b"", 0
    while at < len(data):
        try:
            labels, at = dns_name(data, at)
        except (Truncated, BadName) as why:
            raise Unformattable(str(why)) from None
        out += (b" " if out else b"") + b".".join(labels)
    return c_string(out)


def _not_parsed(text: str) -> bytes:
    raise NotSupported(text)


_ALL = (
    SettingType("string", encode, c_string),
    SettingType("uristring", uri_decode, uri_escape),
    *(_integer(width, signed) for width in (1, 2, 4) for signed in (True, False)),
    _hex("hex", ":"),
    _hex("hexhyp", "-"),
    _hex("hexraw", ""),
    SettingType("base64", _base64, lambda data: base64.b64encode(data).decode("ascii")),
    SettingType("ipv4", _parse_ipv4, _format_ipv4),
    SettingType("ipv6", _parse_ipv6, _format_ipv6),
    SettingType("uuid", _parse_uuid, _format_uuid),
    SettingType("guid", _parse_guid, _format_guid),
    SettingType("busdevfn", _not_parsed, _format_busdevfn),
    SettingType("dnssl", _not_parsed, _format_dnssl),
)
TYPES = {kind.name: kind for kind in _ALL}
"""Every type by its name."""
