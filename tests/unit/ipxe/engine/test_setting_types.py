"""Settings of iPXE scripts: types, names, blocks, and where a name is looked up."""

from __future__ import annotations

import pytest

from pypxeboot.ipxe.engine.setting_types import (
    TYPES,
    NotSupported,
    Unformattable,
)


@pytest.mark.parametrize(
    ("kind", "text", "raw", "again"),
    [
        ("string", "a b", b"a b", "a b"),
        ("uristring", "a%20b%2Fc", b"a b/c", "a%20b%2Fc"),
        ("int8", "300", b"\x2c", "44"),
        ("int8", "-1", b"\xff", "-1"),
        ("int16", "0x10", b"\x00\x10", "16"),
        ("int32", "010", b"\0\0\0\x08", "8"),
        ("uint8", "255", b"\xff", "0xff"),
        ("uint16", "70000", b"\x11\x70", "0x1170"),
        ("uint32", "0", b"\0\0\0\0", "0x0"),
        ("hex", "1b:5b:4a", b"\x1b[J", "1b:5b:4a"),
        ("hexhyp", "52-54-00", b"\x52\x54\x00", "52-54-00"),
        ("hexraw", "abcdef", b"\xab\xcd\xef", "abcdef"),
        ("base64", "Aqq7", b"\x02\xaa\xbb", "Aqq7"),
        ("ipv4", "10.1.2.3", b"\x0a\x01\x02\x03", "10.1.2.3"),
        ("ipv6", "fe80::1", b"\xfe\x80" + bytes(13) + b"\x01", "fe80::1"),
        (
            "uuid",
            "000102030405-0607-0809-0a0b0c0d0e0f",
            bytes(range(16)),
            "00010203-0405-0607-0809-0a0b0c0d0e0f",
        ),
        (
            "guid",
            "03020100-0504-0706-0809-0a0b0c0d0e0f",
            bytes(range(16)),
            "03020100-0504-0706-0809-0a0b0c0d0e0f",
        ),
    ],
)
def test_types(kind: str, text: str, raw: bytes, again: str) -> None:
    assert TYPES[kind].parse(text) == raw
    assert TYPES[kind].format(raw) == again


def test_what_is_shown_and_cannot_be_typed() -> None:
    assert TYPES["busdevfn"].format(bytes((0, 0, 0, 0x1A))) == "0000:00:03.2"
    assert TYPES["dnssl"].format(b"\x01a\x07example\0\x01b\0") == "a.example b"
    assert TYPES["dnssl"].format(b"\x07example\0\x01b\xc0\0") == "example b.example"
    for kind, text in (("busdevfn", "0000:00:03.2"), ("dnssl", "a.example")):
        with pytest.raises(NotSupported):
            TYPES[kind].parse(text)
    for raw in (b"\x05abc", b"\xc0\0", b"\x01a\xc0\0"):
        with pytest.raises(Unformattable):
            TYPES["dnssl"].format(raw)
