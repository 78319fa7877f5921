"""The types of iPXE settings: how text becomes bytes, and how bytes are shown (core/settings.c)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Optional
from urllib.parse import unquote_to_bytes
from uuid import UUID

from pypxeboot.text import decode, encode


class BadValue(ValueError):
    """The text is no value of the type."""


class NotSupported(ValueError):
    """Values of the type cannot be made of text."""


class Unformattable(ValueError):
    """The bytes are no value of the type; such a setting expands to nothing."""


@dataclass(frozen=True)
class Type:
    """A type; ``number`` is what ``inc`` counts with, None where it cannot."""

    name: str
    parse: Callable[[str], bytes]
    format: Callable[[bytes], str]
    width: Optional[int] = None


# strtoul() with base 0 takes a sign, 0x.. and octal 0..
_NUMBER = re.compile(r"\s*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))")
# A long of the 64-bit builds: longer values are no numbers.
_LONG = 8
# Blanks, what does not print, the escape itself, and what would end a part of a URI.
_ESCAPED = frozenset(b"%/#:@?=&+")


def number(text: str) -> Optional[int]:
    """What C's ``strtoul(text, .., 0)`` makes of all of ``text``, modulo 2**32; None if it is no number."""
    match = _NUMBER.fullmatch(text) if len(text) < 100 else None
    if match is None:
        return 0 if text == "" else None
    sign, hexadecimal, octal, decimal = match.groups()
    value = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    return (-value if sign == "-" else value) & 0xFFFFFFFF


def uri_escape(data: bytes) -> str:
    """``data`` with everything percent-encoded that could not stand in a part of a URI."""
    return "".join(
        chr(byte) if 0x20 < byte < 0x7F and byte not in _ESCAPED else f"%{byte:02X}" for byte in data
    )


def c_string(data: bytes) -> str:
    """``data`` as iPXE prints it: up to the first NUL."""
    return decode(data.partition(b"\0")[0])


def numeric(data: bytes, signed: bool) -> int:
    """The number that ``data`` holds, whatever its width. Raises Unformattable."""
    if len(data) > _LONG:
        raise Unformattable("too long for a number")
    return int.from_bytes(data, "big", signed=signed)


def _integer(width: int, signed: bool) -> Type:
    def parse(text: str) -> bytes:
        value = number(text)
        if value is None:
            raise BadValue(text)
        return (value & ((1 << 8 * width) - 1)).to_bytes(width, "big")  # "wraps silently"

    def show(data: bytes) -> str:
        value = numeric(data, signed)
        return str(value) if signed else f"{value:#x}"

    return Type(f"{'' if signed else 'u'}int{8 * width}", parse, show, width)


def _hex(name: str, separator: str) -> Type:
    def parse(text: str) -> bytes:
        digits = text.split(separator) if separator else re.findall("..?", text)
        if not text:
            return b""
        if not all(re.fullmatch("[0-9a-fA-F]{1,2}", pair) for pair in digits):
            raise BadValue(text)
        return bytes(int(pair, 16) for pair in digits)

    def show(data: bytes) -> str:
        return data.hex(separator) if separator else data.hex()

    return Type(name, parse, show)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(encode(text), validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(text) from None


def _parse_ipv4(text: str) -> bytes:
    parts = text.split(".")
    if len(parts) != 4 or not all(re.fullmatch("[0-9]{1,3}", part) and int(part) < 256 for part in parts):
        raise BadValue(text)
    return bytes(int(part) for part in parts)


def _format_ipv4(data: bytes) -> str:
    if len(data) < 4:
        raise Unformattable("too short for an address")
    return ".".join(str(byte) for byte in data[:4])


def _parse_ipv6(text: str) -> bytes:
    try:
        return IPv6Address(text).packed
    except ValueError:
        raise BadValue(text) from None


def _format_ipv6(data: bytes) -> str:
    if len(data) < 16:
        raise Unformattable("too short for an address")
    return str(IPv6Address(data[:16]))


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


def _parse_dnssl(text: str) -> bytes:
    out = b""
    for name in text.split():
        for part in name.strip(".").split("."):
            label = encode(part)
            if not 0 < len(label) < 64:
                raise BadValue(text)
            out += bytes((len(label),)) + label
        out += b"\0"
    return out


def _format_dnssl(data: bytes) -> str:
    """Names in DNS wire form; a name ends where it is cut short, or points elsewhere (RFC 3397)."""
    names, labels, at = [], [], 0
    while at < len(data):
        length = data[at]
        if length & 0xC0 or at + 1 + length > len(data):
            break
        if length:
            labels.append(decode(data[at + 1 : at + 1 + length]))
        elif labels:
            names.append(".".join(labels))
            labels = []
        at += 1 + length
    return " ".join(names + ([".".join(labels)] if labels else []))


def _not_parsed(text: str) -> bytes:
    raise NotSupported(text)


_ALL = (
    Type("string", encode, c_string),
    Type("uristring", lambda text: unquote_to_bytes(encode(text)), uri_escape),
    *(_integer(width, signed) for width in (1, 2, 4) for signed in (True, False)),
    _hex("hex", ":"),
    _hex("hexhyp", "-"),
    _hex("hexraw", ""),
    Type("base64", _base64, lambda data: base64.b64encode(data).decode("ascii")),
    Type("ipv4", _parse_ipv4, _format_ipv4),
    Type("ipv6", _parse_ipv6, _format_ipv6),
    Type("uuid", _not_parsed, _format_uuid),
    Type("guid", _not_parsed, _format_guid),
    Type("busdevfn", _not_parsed, _format_busdevfn),
    Type("dnssl", _parse_dnssl, _format_dnssl),
)
TYPES = {kind.name: kind for kind in _ALL}
"""Every type by its name."""
