"""Check what somebody typed against MENU PASSWD."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

from pypxeboot.errors import ConfigError
from pypxeboot.text import encode

# Rounds of SHA-crypt are a second of work at most; "$6$rounds=999999999$" would be half an hour.
ROUNDS_LIMIT = 500_000


def matches(stored: str, typed: str) -> bool:
    """Check ``typed`` against ``stored``, which is the password or was made of it (com32/menu/passwd.c).

    Clear text, ``$1$`` MD5-crypt, ``$4$`` salted SHA-1, ``$5$`` and ``$6$`` SHA-crypt; "other $x$ never
    match".
    """
    if stored[:1] != "$" or stored[2:3] != "$":
        return hmac.compare_digest(encode(stored), encode(typed))
    if stored[1] == "4":
        return _sha1(stored[3:], typed)
    return stored[1] in "156" and _crypt(stored, typed)


def _sha1(stored: str, typed: str) -> bool:
    """Check ``salt$digest``, the digest in base64, "with padding or without"; a lone one has no salt."""
    salt, dollar, digest = stored.partition("$")
    if not dollar:
        salt, digest = "", salt
    text = encode(digest.rstrip("="))
    try:
        expected = base64.b64decode(text + bytes(-len(text) % 4).replace(b"\0", b"="), validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(expected, hashlib.sha1(encode(salt) + encode(typed)).digest())


def _crypt(stored: str, typed: str) -> bool:
    """Check ``$5$salt$digest``, perhaps with ``rounds=N$`` before the salt.

    "What follows another ``$`` does not count".
    """
    try:
        from passlib.hash import md5_crypt, sha256_crypt, sha512_crypt
    except ImportError:
        raise ConfigError(
            "the menu asks for a password that only passlib can check, and that is not installed",
            hint="install libpass, or python3-passlib",
        ) from None
    parts = stored.split("$")
    rounds = parts[2].startswith("rounds=") and stored[1] != "1"
    if rounds and not (parts[2][7:].isascii() and parts[2][7:].isdecimal() and len(parts[2]) < 14):
        return False
    if rounds and int(parts[2][7:]) > ROUNDS_LIMIT:
        return False
    scheme: Any = {"1": md5_crypt, "5": sha256_crypt, "6": sha512_crypt}[stored[1]]
    try:
        return bool(scheme.verify(encode(typed), "$".join(parts[: 5 if rounds else 4])))
    except ValueError:  # it is no such hash
        return False
