"""What DHCPv6 servers and routers say: the decoders, and the lease that is made of it."""

from __future__ import annotations

from pypxeboot.dhcp import identity, identity6
from pypxeboot.guest import Guest
from tests.support.peers.dhcp6 import (
    MAC,
)

UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"


# What the client says of itself.


def test_the_client_is_known_by_its_uuid_or_its_mac() -> None:
    assert identity6.client_duid(MAC, UUID) == bytes.fromhex("0004" + UUID.replace("-", ""))
    for uuid in (None, "00000000-0000-0000-0000-000000000000"):
        assert identity6.client_duid(MAC, uuid) == bytes.fromhex("00030001525400abcdef")


def test_the_words_of_firmware() -> None:
    """No BIOS has PXE over IPv6: x86-64 is 7 there."""
    said = identity6.identity(identity.identity(Guest("52:54:00:ab:cd:ef"), 0), "x86_64")
    name = b"PXEClient:Arch:00007:UNDI:003010"
    assert said == {16: b"\0\0\1\x57\0\x20" + name, 61: b"\0\7", 62: b"\1\3\x0a"}
    http = identity6.identity({**identity.identity(Guest("52:54:00:ab:cd:ef"), 16), 77: b"iPXE"}, "x86_64")
    assert http[61] == b"\0\x10" and http[15] == b"\0\4iPXE"
    assert http[16][6:] == b"HTTPClient:Arch:00016:UNDI:003001"


def test_a_class_of_the_administrators_stays() -> None:
    options = {**identity.identity(Guest("52:54:00:ab:cd:ef"), 0), 60: b"mine"}
    assert identity6.identity(options, "x86_64")[16] == b"\0\0\1\x57\0\4mine"
