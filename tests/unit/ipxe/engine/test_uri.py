"""The form of scripts, commands and URIs: lines, options, and what a relative URI means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.text import decode
from pypxeboot.url import Location


@pytest.mark.parametrize(
    ("base", "relative", "expected"),
    [
        ("http://h/a/b.ipxe", "c", "http://h/a/c"),
        ("http://h/a/b.ipxe?x=1", "c?y=2", "http://h/a/c?y=2"),
        ("http://h/a/b.ipxe?x=1", "c", "http://h/a/c"),
        ("http://h/a/b.ipxe", "/c", "http://h/c"),
        ("http://h/a/b.ipxe", "../c", "http://h/c"),
        ("http://h/a/b.ipxe", "../../../c", "http://h/c"),
        ("http://h/a/b.ipxe", "./.././c", "http://h/c"),
        ("http://h/a/b.ipxe", "c/../d", "http://h/a/c/../d"),
        ("http://h/a/b.ipxe", "...c", "http://h/a/...c"),
        ("http://h/a/b.ipxe", "..", "http://h/"),
        ("http://h/a/b.ipxe?x", "?y", "http://h/a/b.ipxe?y"),
        ("http://h:80", "c", "http://h:80/c"),
        ("http://u:p@h/a", "c", "http://u:p@h/c"),
        ("http://h/a", "https://i/c", "https://i/c"),
        ("http://h/a", "iscsi:10.0.0.1::::iqn", "iscsi:10.0.0.1::::iqn"),
        ("tftp://h/a/b", "c#fragment", "tftp://h/a/c#fragment"),
        ("tftp://h//a/b", "c", "tftp://h//a/c"),
        ("tftp://h//b", "c", "tftp://h/c"),
    ],
)
def test_relative_uris(base: str, relative: str, expected: str) -> None:
    assert str(Uri.parse(relative).resolve(Uri.parse(base))) == expected


@given(st.text(max_size=60))
def test_any_text_is_a_uri(text: str) -> None:
    uri = Uri.parse(text).resolve(Uri.parse("http://h/a/b"))
    try:
        assert uri.locate().host
    except (ConfigError, UnicodeEncodeError):
        pass


@given(st.binary(max_size=9), st.binary(max_size=9))
def test_user_and_password_need_not_be_utf_8(user: bytes, password: bytes) -> None:
    location = Location("http", "h", "k", None, decode(user), decode(password))
    assert Uri.of(location).locate() == location
