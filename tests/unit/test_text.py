"""Text from strangers: bytes and back, safe to print, names; and the reader of bytes."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.text import decode, encode, is_dname, printable, size_text
from pypxeboot.wire import BadName, Truncated, dns_name


@given(st.binary())
def test_bytes_survive_the_round_trip(data: bytes) -> None:
    assert encode(decode(data)) == data


@pytest.mark.parametrize(
    "data", [b"", b"plain", "größe".encode(), b"caf\xe9", b"\xff\xfe\x00", b"\xc3", b"\xed\xa0\x80"]
)
def test_readable_where_it_is_utf8(data: bytes) -> None:
    assert encode(decode(data)) == data
    try:
        assert decode(data) == data.decode()
    except UnicodeDecodeError:
        assert not decode(data).isprintable()


def test_only_what_stands_for_bytes_can_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode("\ud800")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain text, größe 漢字", "plain text, größe 漢字"),
        ("a\x1b[2J", "a\\x1b[2J"),
        ("a\nb\r\tc\0", "a\\x0ab\\x0d\\x09c\\x00"),
        ("\x7f\x9b\xad", "\\x7f\\x9b\\xad"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\u200b\u2028\ufeff", "\\u200b\\u2028\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        (b"caf\xe9\xff", "caf\\xe9\\xff"),
        ("\udc80", "\\x80"),
        ("\ud800", "\\ud800"),
        (b"", ""),
        ("", ""),
    ],
)
def test_printable(value: object, shown: str) -> None:
    assert printable(value) == shown  # type: ignore[arg-type]


@given(st.one_of(st.text(), st.binary()), st.integers(1, 300))
def test_printable_for_all(value: object, limit: int) -> None:
    shown = printable(value, limit)  # type: ignore[arg-type]
    assert shown.isprintable() and len(shown) <= limit + 3
    shown.encode()


def test_24_long_text_is_cut_and_that_shows() -> None:
    assert printable("a" * 200) == "a" * 200
    assert printable("a" * 201) == "a" * 200 + "..."
    assert len(printable("\x1b" * 1400)) == 203 and printable("\x1b" * 1400).endswith("...")
    begin = time.process_time()
    printable("\x1b" * 10_000_000)
    assert time.process_time() - begin < 0.1, "no work for what is not shown"


GOOD = [
    "a",
    "A-1",
    "example.org",
    "example.org.",
    "_tftp._udp.example",
    "a_b",
    "x" * 63,
    "10.77.0.1",
    "xn--bcher-kva.example",
]
GOOD += [".".join(["a" * 49] * 5), "1", "0x7f"]
BAD = [
    "",
    ".",
    "..",
    "a..b",
    ".a",
    "-a",
    "a-",
    "a-.b",
    "a b",
    "a\n",
    "a\nb",
    "\na",
    "a\0",
    "x" * 64,
    "ä",
    "a/b",
    "a:1",
    "a;b",
]
BAD += [
    "$(id)",
    "`id`",
    "user:pw@host",
    "*",
    ".".join(["a" * 50] * 5 + ["a"]),
    "a" * 300,
    "a\u0660",
    "[::1]",
    "a,b",
    "%0a",
]


@pytest.mark.parametrize("name", GOOD)
def test_names(name: str) -> None:
    assert is_dname(name)


@pytest.mark.parametrize("name", BAD)
def test_8_15_names_that_are_none(name: str) -> None:
    assert not is_dname(name)


@given(st.text())
def test_names_hold_no_surprise(text: str) -> None:
    if is_dname(text):
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,254}", text) and not text.startswith("-")


def test_names_are_judged_quickly() -> None:
    begin = time.process_time()
    for text in (
        "a" * 100_000,
        "a-" * 50_000,
        "a." * 50_000 + "-",
        "-" * 100_000,
        ("a" * 62 + "-") * 4 + "!",
    ):
        assert not is_dname(text)
    assert time.process_time() - begin < 0.2


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (8_808_038, "8.4 MiB"),
        (1 << 30, "1.0 GiB"),
        (1 << 40, "1024.0 GiB"),
        (12.7, "13 B"),
    ],
)
def test_sizes(number: float, text: str) -> None:
    assert size_text(number) == text


@pytest.mark.parametrize(
    ("data", "at", "labels", "after"),
    [
        (b"\0", 0, (), 1),
        (b"\3eng\7example\0rest", 0, (b"eng", b"example"), 13),
        (b"..\1a\0..", 2, (b"a",), 5),
        (b"\7example\0\5sales\xc0\0..", 9, (b"sales", b"example"), 17),
        (b"\1a\0\xc0\0\xc0\3..", 5, (b"a",), 7),  # a pointer to a pointer
        (b"\1\xff\0", 0, (b"\xff",), 3),
        (b"\x3f" + b"a" * 63 + b"\0", 0, (b"a" * 63,), 65),
        (b"\1a" * 127 + b"\0", 0, (b"a",) * 127, 255),
    ],
)
def test_dns_names(data: bytes, at: int, labels: tuple[bytes, ...], after: int) -> None:
    assert dns_name(data, at) == (labels, after)


@pytest.mark.parametrize("data", [b"", b"\3", b"\3en", b"\3eng", b"\xc0", b"\xc0\xff", b"\1a\xc0\4"])
def test_dns_names_that_run_past_the_end(data: bytes) -> None:
    with pytest.raises(Truncated):
        dns_name(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc0\0",  # itself
        b"\1a\xc0\0",  # a circle
        b"\x40" + b"a" * 64 + b"\0",  # reserved, or of a kind that was given up (RFC 6891, 5)
        b"\x80\0",
        b"\1a" * 128 + b"\0",
    ],
)
def test_bytes_that_are_no_dns_name(data: bytes) -> None:
    with pytest.raises(BadName):
        dns_name(data)


@given(st.binary(max_size=600), st.integers(0, 700))
def test_dns_names_for_all(data: bytes, at: int) -> None:
    try:
        labels, after = dns_name(data, at)
    except (Truncated, BadName):
        return
    assert at < after <= len(data) and len(labels) <= 127
    assert all(0 < len(label) <= 63 for label in labels)
