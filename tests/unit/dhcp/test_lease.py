"""DHCP messages, good and bad, and the leases that they mean; ids are numbers of the table of bad inputs."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Optional

import pytest

from pypxeboot.dhcp.message import BadMessage, decode, lease_of
from tests.support.peers.dhcp import (
    BAD_ADDRESSES,
    ESCAPES,
    SERVER,
    ip,
    message,
    standard,
)
from tests.support.samples.leases import lease


def remarks(options: bytes, **fields: bytes) -> tuple[str, ...]:
    return lease_of(decode(message(options, **fields)))[1]  # type: ignore[arg-type]


def test_6_option_67_wins_over_the_header_and_that_is_said() -> None:
    options = standard(o67=b"option.0")
    assert lease(options, file=b"header.0").bootfile == "option.0"
    (said,) = remarks(options, file=b"header.0")
    assert "option.0" in said and "header.0" in said
    assert remarks(options, file=b"option.0") == ()
    assert lease(file=b"header.0").bootfile == "header.0"


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"pxelinux.0", "pxelinux.0"),
        (b"pxelinux.0\0", "pxelinux.0"),
        (b"pxelinux.0\0\0\0", "pxelinux.0"),
        (b"pxelinux.0\0\xff", "pxelinux.0"),
        (b"pxelinux.0\xff", "pxelinux.0"),
        (b"pxelinux.0\0garbage", "pxelinux.0"),
        (b"", ""),
        (b"\0", ""),
        (b"\xff", ""),
        (b"/" * 255, "/" * 255),
        ("größe.0".encode(), "größe.0"),
        (b"a%0ab.0", "a%0ab.0"),
        (b" a b ", " a b "),
    ],
)
def test_7_names_of_boot_files(raw: bytes, name: str) -> None:
    assert lease(standard(o67=raw)).bootfile == name
    if len(raw) <= 128:
        assert lease(file=raw).bootfile == name


@pytest.mark.parametrize(
    "raw", [ESCAPES, b"a\nb", b"a\x1b[2J", b"\xff\xfe", b"caf\xe9.0", b"a\x7f", b"\xe2\x80\xae"]
)
def test_7_unprintable_names_are_not_used_and_shown_escaped(raw: bytes) -> None:
    assert lease(standard(o67=raw)).bootfile == ""
    assert lease(standard(o67=raw), file=b"good.0").bootfile == "good.0", "that source alone"
    (said,) = remarks(standard(o67=raw))
    assert said.isprintable() and "67" in said


HOSTILE = [
    b"$(reboot)",
    b"`id`",
    b'";reboot',
    b"a b",
    b"a\nb",
    b"caf\xe9",
    b"-a",
    b"a..b",
    b"a" * 64,
    b"*",
    b"../x",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_8_names_that_are_none_are_dropped(name: bytes) -> None:
    options = standard(o12=name, o15=name, o17=name)
    assert lease(options).domain == ""
    assert all(said.isprintable() for said in remarks(options))
    assert lease(standard(o66=name), siaddr="0.0.0.0").next_server == SERVER, "the server itself (option 54)"


@pytest.mark.parametrize(
    ("raw", "domain"), [(b"example.org\0", "example.org"), (b"a_b.example.", "a_b.example")]
)
def test_8_domain(raw: bytes, domain: str) -> None:
    assert lease(standard(o15=raw)).domain == domain


@pytest.mark.parametrize("address", [*BAD_ADDRESSES, "0.0.0.0", SERVER])
def test_10_addresses_that_no_host_has(address: str) -> None:
    with pytest.raises(BadMessage):
        lease(yiaddr=address)


def test_10_the_server_is_known_by_siaddr_where_there_is_no_option_54() -> None:
    with pytest.raises(BadMessage):
        lease(standard(o54=None), yiaddr=SERVER)


@pytest.mark.parametrize("mask", ["0.0.0.0", "255.0.255.0", "0.255.255.0", "255.255.255.1", "0.0.0.1"])
def test_10_masks_with_holes(mask: str) -> None:
    with pytest.raises(BadMessage):
        lease(standard(o1=ip(mask)))


@pytest.mark.parametrize(
    ("mask", "length"),
    [("255.255.255.255", 32), ("255.255.255.254", 31), ("128.0.0.0", 1), ("255.255.254.0", 23)],
)
def test_masks(mask: str, length: int) -> None:
    found = lease(standard(o1=ip(mask)))
    assert (found.prefix_length, str(found.netmask)) == (length, mask)


@pytest.mark.parametrize(
    ("address", "length"),
    [("10.1.2.3", 8), ("127.255.0.1", None), ("128.1.2.3", 16), ("191.255.2.3", 16), ("192.0.2.3", 24)],
)
def test_mask_by_class_where_there_is_none(address: str, length: Optional[int]) -> None:
    if length is None:
        with pytest.raises(BadMessage):
            lease(standard(o1=None), yiaddr=address)
    else:
        assert lease(standard(o1=None), yiaddr=address).prefix_length == length


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"\xff" * 4, None), (None, None), (b"\0\0\0\1", 1), (b"\xff\xff\xff\xfe", 0xFFFFFFFE)],
)
def test_11_lease_times(value: Optional[bytes], seconds: Optional[int]) -> None:
    timers = {"o58": b"\xff" * 4, "o59": b"\0\0\0\1"}  # T1 after T2: nothing is renewed here
    assert lease(standard(o51=value, **timers)).seconds == seconds


def test_11_no_time_at_all() -> None:
    with pytest.raises(BadMessage):
        lease(standard(o51=bytes(4)))


def test_precedence_of_the_next_server() -> None:
    """siaddr, 66, the first of 150, sname, 54: one after the other is taken away."""
    everything = {"o66": b"tftp.example\0", "o150": ip("10.77.0.7") + ip("10.77.0.8")}
    named = {"sname": b"sname.example"}
    assert lease(standard(**everything), **named).next_server == SERVER
    named["siaddr"] = "0.0.0.0"  # type: ignore[assignment]
    assert lease(standard(**everything), **named).next_server == "tftp.example"
    everything["o66"] = b"no host name"
    assert lease(standard(**everything), **named).next_server == "10.77.0.7"
    del everything["o150"]
    assert lease(standard(**everything), **named).next_server == "sname.example"
    assert lease(standard(**everything), siaddr="0.0.0.0").next_server == SERVER
    assert lease(standard(o54=None), siaddr="0.0.0.0").next_server is None


@pytest.mark.parametrize("siaddr", ["255.255.255.255", "127.0.0.1"])
def test_a_next_server_that_no_host_can_be_is_none(siaddr: str) -> None:
    assert lease(standard(o66=b"tftp.example"), siaddr=siaddr).next_server == "tftp.example"


def routes(value: bytes, **changed: bytes) -> list[tuple[str, Optional[str]]]:
    found = lease(standard(o121=value, **changed)).routes
    return [(str(network), None if gateway is None else str(gateway)) for network, gateway in found]


def test_classless_routes_come_before_routers() -> None:
    value = b"\0" + ip("10.77.0.9") + b"\x10\xc0\xa8" + ip("10.77.0.8") + b"\x20\x0a\x4d\1\1" + bytes(4)
    assert routes(value) == [
        ("0.0.0.0/0", "10.77.0.9"),
        ("192.168.0.0/16", "10.77.0.8"),
        ("10.77.1.1/32", None),
    ]
    assert routes(b"") == [], "an empty one counts, too: the router option must be ignored"
    assert routes(b"\x19\xc0\xa8\1\xff" + ip(SERVER)) == [("192.168.1.128/25", SERVER)], (
        "host bits are cleared"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"\x21\1\2\3\4\5" + ip(SERVER),
        b"\x18\xc0\xa8",
        b"\0",
        b"\0\x0a\x4d\0",
        b"\0" + b"\x7f\0\0\1",
        b"\0" + b"\xff" * 4,
    ],
)
def test_malformed_routes_leave_the_router(value: bytes) -> None:
    assert routes(value) == [("0.0.0.0/0", SERVER)]


def test_routers_and_name_servers() -> None:
    found = lease(standard(o3=ip("0.0.0.0") + ip("10.77.0.1"), o6=ip("127.0.0.1") + ip("10.77.0.1")))
    assert found.routers == found.dns == (IPv4Address("10.77.0.1"),)
    assert found.routes == ((IPv4Network("0.0.0.0/0"), IPv4Address("10.77.0.1")),)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"\3eng\7example\0\x05sales\xc0\x04", ("eng.example", "sales.example")),
        (b"", ()),
        (b"\0", ()),
        (b"\xc0\x00", ()),
        (b"\1a\xc0\x00", ()),
        (b"\x05abc", ()),
        (b"\3eng", ()),
        (b"\3e g\0", ()),
        (b"\xc0", ()),
        (b"\xc0\xff", ()),
        (b"\1a\0" * 100, ("a",) * 16),
        (b"\x40" + b"a" * 64 + b"\0", ()),
        (b"".join(b"\x3f" + b"a" * 63 for _ in range(5)) + b"\0", ()),
    ],
)
def test_search_list(value: bytes, names: tuple[str, ...]) -> None:
    assert lease(standard(o119=value)).search == names


@pytest.mark.parametrize(
    ("value", "server", "told"),
    [
        (b"10.0.0.4", "10.0.0.4", ""),
        (b"10.0.0.4\0", "10.0.0.4", ""),
        (
            bytes((10, 77, 0, 4)),
            "10.77.0.4",
            "four bytes of an address in place of text: taken for 10.77.0.4",
        ),
        (b"tftp", "tftp", ""),
        (b'"10.0.0.4"', "10.0.0.4", "has quotes around it"),
        (b"'files.example'", "files.example", "has quotes around it"),
        (b"0.0.0.0", SERVER, "says 0.0.0.0, which is no address of a host"),
        (b"10.0.0.300", SERVER, "says 10.0.0.300, which is no address"),
        (b"10.77.0", SERVER, "which is no address"),
        (b"255.255.255.255", SERVER, "which is no address"),
        (b"*", SERVER, "is not a host name"),
        (b"", SERVER, ""),
    ],
)
def test_a_boot_server_is_an_address_or_a_name(value: bytes, server: str, told: str) -> None:
    """In option 66, and in sname; without one it is the DHCP server itself."""
    for options, fields in ((standard(o66=value), {}), (standard(), {"sname": value})):
        assert lease(options, siaddr="0.0.0.0", **fields).next_server == server  # type: ignore[arg-type]
        said = lease_of(decode(message(options, siaddr="0.0.0.0", **fields)))[1]  # type: ignore[arg-type]
        assert len(said) == bool(told) and told in "".join(said)


def test_boot_servers_that_differ_are_told_once_with_the_one_that_counts() -> None:
    options = standard(o66=b"10.0.0.4", o150=bytes((10, 0, 0, 5)))
    (said,) = lease_of(decode(message(options, siaddr="10.0.0.3", sname=b"10.0.0.6")))[1]
    assert said.startswith(
        "boot servers differ: siaddr (next-server) says 10.0.0.3, which counts; option 66 says"
    )
    assert "option 150 says 10.0.0.5; sname says 10.0.0.6; " in said and f"(option 54) is {SERVER}" in said


@pytest.mark.parametrize("name", [b"tftp.example", b"10.0.0.3"])
def test_boot_servers_that_may_be_the_same_are_no_news(name: bytes) -> None:
    assert lease_of(decode(message(standard(o66=name), siaddr="10.0.0.3")))[1] == ()


def test_quotes_around_file_names() -> None:
    options = standard(o67=b'"pxelinux.0"', o209=b'"pxe.cfg"', o210=b"'/tftp/'")
    found, said = lease_of(decode(message(options)))
    assert (found.bootfile, found.options[209], found.options[210]) == ("pxelinux.0", b"pxe.cfg", b"/tftp/")
    assert len(said) == 3
