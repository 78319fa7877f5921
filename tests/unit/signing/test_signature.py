"""Detached signatures, made by the real openssl, and everything that can be wrong with them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.signing import signature
from tests.support.samples.signatures import CHAINS, DATA, Authority


def now() -> datetime:
    """The time."""
    return datetime.now(timezone.utc)


def check(
    authority: Authority, signed: bytes, *, signer: str = "", after: int = 0, data: bytes = DATA
) -> str:
    """What is wrong with a signature ``after`` days from now, where only the root is trusted."""
    pieces = [data[at : at + 999] for at in range(0, len(data), 999)]
    return signature.check(signed, pieces, authority.pem("root"), signer, now() + timedelta(days=after))


def test_a_good_signature(authority: Authority) -> None:
    signed = authority.sign("good")
    assert check(authority, signed) == ""
    assert check(authority, signed, signer="good") == "" == check(authority, signed, signer="other.example")
    assert check(authority, authority.sign("ec")) == ""
    assert check(authority, authority.sign("good", "-md", "sha512")) == ""


def test_what_is_wrong_is_told(authority: Authority) -> None:
    good = authority.sign("good")
    assert "not that of this file" in check(authority, good, data=DATA + b"!")
    assert "not signed by nobody.example" in check(authority, good, signer="nobody.example")
    assert "not for code signing" in check(authority, authority.sign("web"))
    assert "not trusted" in check(authority, authority.sign("without-usage"))
    assert "not trusted" in check(authority, authority.sign("under-no-ca", chain="no-ca"))
    assert "not trusted" in check(authority, authority.sign("good", chain="root"))  # a link is missing
    assert "not trusted" in check(authority, good, after=60)
    assert "not trusted" in check(authority, good, after=-60)
    assert "sha1" in check(authority, authority.sign("good", "-md", "sha1"))
    assert "not trusted" in signature.check(good, [DATA], authority.pem("web"), "", now())
    assert "--trust" in signature.check(good, [DATA], None, "", now())
    assert "cannot be read" in signature.check(good, [DATA], b"no certificate", "", now())


def test_signed_attributes_are_not_of_ipxe(authority: Authority) -> None:
    words = ["cms", "-sign", "-binary", "-in", "data", "-signer", "good.pem", "-inkey", "good.key"]
    authority.openssl(*words, "-outform", "DER", "-out", "attributes")
    assert "-noattr" in check(authority, (authority.directory / "attributes").read_bytes())


def test_der_or_pem(authority: Authority) -> None:
    signed = authority.sign("good", "-outform", "PEM")
    assert signed.startswith(b"-----BEGIN CMS-----") and check(authority, signed) == ""
    assert "not that of this file" in check(authority, signed, data=b"other")
    assert "not a signature in DER or PEM" in check(authority, signed[: len(signed) // 2])


def test_what_is_wrong_with_a_chain_is_told(authority: Authority) -> None:
    for name, why in (
        ("weak-key", "a key has fewer than 2048 bits"),
        ("weak-curve", "a key has fewer than 256 bits"),
        ("under-old-digest", "is signed by an algorithm that is not trusted"),
        ("under-constraints", "critical extension 2.5.29.30"),
        ("under-no-path", "does not allow as many authorities"),
        ("under-twin", "no authority of that name has signed it"),
    ):
        said = check(authority, authority.sign(name, chain=CHAINS.get(name, "below")))
        assert why in said and said.startswith("the signer is not trusted: ") or "weak" in name, said
    assert "has expired on" in check(authority, authority.sign("good"), after=60)
    assert "is not valid before" in check(authority, authority.sign("good"), after=-60)
    assert "no certificate of its issuer is at hand" in check(authority, authority.sign("good", chain="web"))


def test_every_signer_must_be_good(authority: Authority) -> None:
    both = authority.sign("good", "-signer", "web.pem", "-inkey", "web.key")
    assert "not for code signing" in check(authority, both)
    assert check(authority, both, signer="good") == ""


def test_hostile_bytes_are_an_answer_in_words(authority: Authority) -> None:
    """Whatever is done to the bytes: no exception, one printable line; a changed signature is not good."""
    good, chance = authority.sign("good"), random.Random(7)
    for _ in range(1500):
        bad = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8))):
            bad[chance.randrange(len(bad))] = chance.randrange(256)
        if chance.random() < 0.2:
            del bad[chance.randrange(len(bad)) :]
        said = check(authority, bytes(bad))
        assert said.isprintable() and len(said) < 400
    assert check(authority, good[:-1] + bytes((good[-1] ^ 1,)))
    for junk in (b"", b"0", b"0\x80" * 30000, b"\x30\x84\xff\xff\xff\xff", DATA, bytes(signature.LIMIT + 1)):
        assert check(authority, junk)


@pytest.mark.parametrize("content", [None, b"", b"no certificate\n", bytes(1 << 20)])
def test_trust_must_be_certificates(tmp_path: Path, content: Optional[bytes]) -> None:
    from pypxeboot.config import options, planner
    from pypxeboot.errors import UsageError

    path = tmp_path / "trust"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="--trust"):
        planner.plan(options.parse(["--mac", "52:54:00:ab:cd:ef", "--trust", str(path)]))


@pytest.mark.parametrize("name", [b"\xff\xfe\xfd\xfc", b"\x00\x00\x00\x00", b"\x1b[2J"])
def test_a_signer_whose_name_is_damaged(authority: Authority, name: bytes) -> None:
    damaged = authority.sign("good").replace(b"\x0c\x04good", b"\x0c\x04" + name)
    for signer in ("", "good", "other.example"):
        why = check(authority, damaged, signer=signer)
        assert why and why.isprintable()
    damaged = authority.sign("good").replace(b"\x0c\x04good", b"\x0f\x04good")  # of a type that no name has
    assert "cannot be checked" in check(authority, damaged, signer="good")
