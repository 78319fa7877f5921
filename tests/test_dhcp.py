"""DHCP messages, good and bad, and the leases that they mean; ids are numbers of the table of bad inputs."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

import effort
import pytest
from dhcp_peers import ADDRESS, BAD_ADDRESSES, ESCAPES, MAGIC, SERVER, ip, message, option, standard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.message import BadMessage, Message, decode, lease_of, suboptions
from pypxeboot.lease import Lease


def lease(options: Optional[bytes] = None, **fields: object) -> Lease:
    """The lease of a message with these options."""
    return lease_of(decode(message(standard() if options is None else options, **fields)))[0]  # type: ignore[arg-type]


def remarks(options: bytes, **fields: bytes) -> tuple[str, ...]:
    return lease_of(decode(message(options, **fields)))[1]  # type: ignore[arg-type]


BAD: dict[str, bytes] = {
    "1-empty": b"",
    "1-one-byte": b"\x02",
    "1-239-bytes": message(standard())[:239],
    "1-wrong-cookie": message(standard(), magic=b"\x63\x82\x53\x64"),
    "1-no-cookie": message(standard(), magic=b""),
    "2-length-past-the-end": message(standard()[:-1] + b"\x43\xfaab"),
    "2-code-without-length": message(standard()[:-1] + b"\x43"),
    "2-one-byte-short": message(standard()[:-1] + b"\x43\x03ab"),
    "2-inside-file": message(option(52, b"\1") + standard(), file=b"\x43\xff" + b"a" * 126),
    "2-inside-sname": message(option(52, b"\2") + standard(), sname=b"\x43\x40" + b"a" * 62),
    "4-type-empty": message(standard(o53=b"")),
    "4-type-of-two": message(standard(o53=b"\2\2")),
    "4-type-twice": message(option(53, b"\2") + standard()),
    "4-server-of-three": message(standard(o54=b"\x0a\x4d\0")),
    "4-server-empty": message(standard(o54=b"")),
    "4-lease-time-of-two": message(standard(o51=b"\0\1")),
    "hardware-address-of-17": message(standard(), hlen=17),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_messages_are_void(case: str) -> None:
    with pytest.raises(BadMessage):
        decode(BAD[case])


def test_1_a_request_is_decoded_and_told_apart() -> None:
    assert decode(message(standard(), op=1)).op == dhcp.BOOTREQUEST


def test_3_the_end_mark_may_be_missing() -> None:
    whole = standard(o67=b"pxelinux.0")
    assert decode(message(whole[:-1])).options == decode(message(whole)).options
    assert decode(message(whole + b"\x43\xfaab")).options == decode(message(whole)).options, "after the end"


def test_3_padding_is_skipped() -> None:
    padded = b"\0\0" + option(53, b"\2") + bytes(5) + option(67, b"a") + bytes(40)
    assert decode(message(padded)).options == {53: b"\2", 67: b"a"}


@pytest.mark.parametrize(
    ("code", "value", "name"),
    [
        (150, b"\x0a\x4d\0\1\1", "options"),
        (1, b"\xff\xff\xff", "prefix_length"),
        (3, b"\x0a\x4d\0", "routers"),
        (3, b"", "routers"),
        (6, b"\x0a\x4d\0\1\x0a", "dns"),
        (26, b"\5", "mtu"),
        (26, b"\0\0\5\xdc", "mtu"),
    ],
)
def test_4_an_optional_one_of_wrong_length_is_dropped_alone(code: int, value: bytes, name: str) -> None:
    kept = lease(standard(**{f"o{code}": value}, o67=b"pxelinux.0"))
    assert kept.bootfile == "pxelinux.0" and str(kept.address) == ADDRESS
    expected = {"prefix_length": 8, "mtu": None, "routers": (), "dns": ()}
    assert name not in expected or getattr(kept, name) == expected[name]
    assert kept.next_server == SERVER


def test_5_empty_options_cost_nothing() -> None:
    def work(count: int) -> int:
        codes = itertools.islice(itertools.cycle(range(1, 51)), count)
        flood = message(b"".join(bytes((code, 0)) for code in codes))
        return effort.lines(lambda: decode(flood))

    assert work(700) < 2.2 * work(350) < 2.2 * 25 * 350, "lines of Python, so many for each of them"


@pytest.mark.parametrize("value", [b"\0", b"\4", b"\xff", b"", b"\1\1"])
def test_5_overload_of_another_value_means_nothing(value: bytes) -> None:
    found = decode(message(option(52, value) + standard(), file=b"f", sname=b"s"))
    assert (found.file.rstrip(b"\0"), found.sname.rstrip(b"\0")) == (b"f", b"s")
    assert 52 not in found.options


@pytest.mark.parametrize(
    ("value", "seen"), [(1, {12: b"file"}), (2, {12: b"sname"}), (3, {12: b"filesname"})], ids=["1", "2", "3"]
)
def test_5_overload(value: int, seen: dict[int, bytes]) -> None:
    fields = {"file": option(12, b"file") + b"\xff", "sname": option(12, b"sname") + b"\xff"}
    found = decode(message(option(52, bytes((value,))) + standard(), **fields))
    assert found.options[12] == seen[12]
    assert (found.file == b"") is bool(value & 1) and (found.sname == b"") is bool(value & 2)
    assert found.type == 2, "the options behind option 52 count"


def test_5_overload_inside_an_overloaded_field_is_no_recursion() -> None:
    file = option(52, b"\2") + option(12, b"host") + b"\xff"
    found = decode(message(option(52, b"\1") + standard(), file=file, sname=option(67, b"evil") + b"\xff"))
    assert found.options[12] == b"host"
    assert 67 not in found.options and 52 not in found.options
    assert found.sname.startswith(b"\x43\x04evil")


def test_6_split_options_are_joined_across_all_fields() -> None:
    """RFC 3396: in the order options, file, sname."""
    options = option(52, b"\3") + option(67, b"dir/") + option(54, ip(SERVER)) + option(67, b"pxe") + b"\xff"
    found = decode(message(options, file=option(67, b"linux") + b"\xff", sname=option(67, b".0") + b"\xff"))
    assert found.options[67] == b"dir/pxelinux.0"


def test_6_option_of_more_than_255_bytes() -> None:
    name = b"/".join([b"directory"] * 60)
    assert decode(message(option(210, name) + standard())).options[210] == name


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


def test_14_suboptions() -> None:
    assert suboptions(b"\6\1\x08\x06\1\4\xff\7\1\1") == {6: b"\x08\4"}
    for bad in (b"\6\xff\1", b"\6", b"\0" * 60000, b"\1\0" * 30000):
        assert set(suboptions(bad)) <= {1}


REAL = message(
    option(52, b"\1")
    + standard(
        o66=b"10.77.0.1\0", o6=ip(SERVER), o15=b"example", o119=b"\7example\0", o121=b"\0" + ip(SERVER)
    ),
    file=option(67, b"pxelinux.0\0") + b"\xff",
)


def test_every_truncation() -> None:
    outcomes = set()
    for size in range(len(REAL)):
        try:
            found = decode(REAL[:size])
            lease_of(found)
            outcomes.add("message")
        except BadMessage:
            assert size < len(REAL) - 1
            outcomes.add("bad")
    assert outcomes == {"message", "bad"}


def test_every_byte_changed() -> None:
    for at in range(len(REAL)):
        for value in (0, 1, 0x7F, 0xFF):
            check_total(REAL[:at] + bytes((value,)) + REAL[at + 1 :])


def check_total(data: bytes) -> None:
    """A message or BadMessage, a lease or BadMessage; nothing else, whatever comes."""
    try:
        found = decode(data)
        assert isinstance(found, Message)
        got, said = lease_of(found)
        assert isinstance(got, Lease) and all(line.isprintable() for line in said)
        assert (
            got.domain.isprintable() and got.bootfile.isprintable() and (got.next_server or "").isprintable()
        )
    except BadMessage as why:
        assert str(why).isprintable()


@given(st.binary(max_size=1500))
@settings(max_examples=300)
def test_any_bytes(data: bytes) -> None:
    check_total(data)


raw_options = st.lists(
    st.tuples(
        st.sampled_from([*range(1, 16), 26, 43, 51, 52, 53, 54, 66, 67, 119, 121, 150]),
        st.binary(max_size=60),
    )
)


@given(
    raw_options,
    st.binary(max_size=128),
    st.binary(max_size=64),
    st.binary(max_size=8),
    st.integers(0, 2**32 - 1),
)
@example([(119, b"\xc0\x00" * 30)] * 40, b"", b"", b"", 1)
@settings(max_examples=500)
def test_any_options(
    pairs: list[tuple[int, bytes]], file: bytes, sname: bytes, tail: bytes, address: int
) -> None:
    options = b"".join(option(code, value) for code, value in pairs) + tail
    yiaddr = str(IPv4Address(address))
    check_total(message(options, file=file, sname=sname, yiaddr=yiaddr))
    check_total(message(standard()[:-1] + options, file=file, sname=sname))


@pytest.mark.parametrize("kind", ["offer", "ack", "nak"])
def test_against_scapy(kind: str) -> None:
    layers = pytest.importorskip("scapy.layers.dhcp")
    first = [("message-type", kind), ("server_id", SERVER), ("lease_time", 3600)]
    options = [*first, (67, b"pxelinux.0"), (209, b"conf"), "end"]
    built = layers.BOOTP(
        op=2, xid=77, yiaddr=ADDRESS, siaddr=SERVER, chaddr=b"\x52\x54\0\xab\xcd\xef", file=b"f"
    )
    data = bytes(built / layers.DHCP(options=options))
    assert data[236:240] == MAGIC
    found, theirs = decode(data), layers.BOOTP(data)
    assert (found.xid, found.op, found.flags) == (theirs.xid, theirs.op, int(theirs.flags))
    for name in ("ciaddr", "yiaddr", "siaddr", "giaddr"):
        assert str(getattr(found, name)) == getattr(theirs, name)
    assert found.file == theirs.file.ljust(128, b"\0") and found.chaddr == bytes(theirs.chaddr)[:6]
    assert found.type == {"offer": 2, "ack": 5, "nak": 6}[kind]
    assert found.server_id == IPv4Address(SERVER)
    assert found.options[67] == b"pxelinux.0" and found.options[209] == b"conf"
    assert found.options[51] == (3600).to_bytes(4, "big")
    assert lease_of(found)[0].seconds == 3600
