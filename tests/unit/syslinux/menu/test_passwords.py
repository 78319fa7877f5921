"""MENU PASSWD in each of its forms, against what other programs made of the same passwords."""

from __future__ import annotations

import base64
import hashlib
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.syslinux.menu.passwords import matches
from pypxeboot.text import decode
from tests.support import effort


def openssl(scheme: str, salt: str, password: str) -> str:
    argv = ["openssl", "passwd", f"-{scheme}", "-salt", salt, password]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "stored, password",
    [
        ("secret", "secret"),
        ("$x", "$x"),
        ("two words ", "two words "),
        ("$4$SALTSALT$vhgm468MvJuxW+RQ8tSiIhFMy74", "pw"),  # recorded with the real menu
        ("$4$SALTSALT$vhgm468MvJuxW+RQ8tSiIhFMy74=", "pw"),
        # The salts and passwords of "Unix crypt using SHA-256 and SHA-512".
        ("$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", "Hello world!"),
        ("$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", "Hello world!"),
        (
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
            "Hello world!",
        ),
    ],
)
def test_known_answers(stored: str, password: str) -> None:
    assert matches(stored, password)
    assert not matches(stored, password + "x")
    assert not matches(stored, password[:-1])


@pytest.mark.parametrize("scheme", ["1", "5", "6"])
@pytest.mark.parametrize("salt", ["x", "saltsalt"])
@pytest.mark.parametrize("password", ["secret", "p\u00e4ss w\u00f6rd", "x" * 200])
def test_what_openssl_makes(scheme: str, salt: str, password: str) -> None:
    stored = openssl(scheme, salt, password)
    assert matches(stored, password) and matches(stored + "$more", password)
    assert not matches(stored, password.upper()) and not matches(stored[:-1], password)


def test_sha1_without_salt_and_of_bytes() -> None:
    digest = base64.b64encode(hashlib.sha1(b"p").digest()).decode()
    assert matches(f"$4${digest}", "p") and matches(f"$4$${digest}", "p")
    digest = base64.b64encode(hashlib.sha1(b"\xff\xfep").digest()).decode()
    assert matches(decode(b"$4$\xff\xfe$") + digest, "p")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$2$salt$whatever",
        "$9$salt$whatever",
        "$4$",
        "$4$salt$!!!",
        "$1$",
        "$1$salt",
        "$5$rounds=$salt$" + "a" * 43,
        "$5$rounds=10$salt$" + "a" * 43,
        "$6$rounds=999999999$salt$" + "a" * 86,
        "$6$rounds=500001$salt$" + "a" * 86,
        "$6$rounds=\u0665000$salt$" + "a" * 86,
        "$1$rounds=999999999$" + "a" * 22,
        decode(b"$5$\xff$") + "a" * 43,
    ],
)
def test_what_never_matches(stored: str) -> None:
    assert effort.lines(lambda: matches(stored, "secret")) < 20_000
    assert not matches(stored, "secret")


@given(st.text(), st.text(min_size=1))
def test_anything_at_all(stored: str, typed: str) -> None:
    stored, typed = (text.encode("utf-8", "replace").decode() for text in (stored, typed))
    for form in (stored, "$1$" + stored, "$4$" + stored, "$5$" + stored, "$6$" + stored):
        assert matches(form, typed) in (True, False)
    assert matches(stored, stored) or stored[:1] == "$" == stored[2:3]
