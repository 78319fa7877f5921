"""DHCP messages, good and bad, and the leases that they mean; ids are numbers of the table of bad inputs."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pypxeboot.dhcp import message as dhcp
from pypxeboot.dhcp.message import BadMessage, Message, decode, lease_of, suboptions
from pypxeboot.lease import Lease
from tests.support import effort
from tests.support.peers.dhcp import (
    ADDRESS,
    MAGIC,
    SERVER,
    ip,
    message,
    option,
    standard,
)
from tests.support.samples.leases import lease

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
