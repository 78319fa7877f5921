"""User and password as HTTP wants them: Basic (RFC 7617) and Digest (RFC 7616, 2617)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Optional

from pypxeboot import text

# Strongest last. "-sess" hashes nonces in once more; nothing but their names tells the others apart.
_ALGORITHMS = {"MD5": "md5", "SHA-512-256": "sha512_256", "SHA-256": "sha256"}
_CHALLENGES_LIMIT = 4096  # characters of all challenges: a nonce is some hundred
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)(?=\s|$)", re.IGNORECASE)


def basic(user: str, password: str) -> str:
    """Return the Authorization field of RFC 7617."""
    return "Basic " + base64.b64encode(text.encode(f"{user}:{password}")).decode("ascii")


def answer(
    challenges: Sequence[str], user: str, password: str, *, method: str, target: str, cnonce: str
) -> Optional[str]:
    """Return the Authorization field that the strongest of ``challenges`` (WWW-Authenticate) asks for.

    ``cnonce`` is a number of ours that nobody can guess. None if nothing here is known.
    """
    joined = ", ".join(challenges)[:_CHALLENGES_LIMIT]
    marks = list(_SCHEME.finditer(joined))
    best: Optional[tuple[int, str]] = None
    for mark, after in zip(marks, [*(m.start() for m in marks[1:]), len(joined)]):
        if mark[1].lower() == "basic":
            found: Optional[tuple[int, str]] = (-1, basic(user, password))
        else:
            wanted = _parameters(joined[mark.end() : after])
            found = _digest(wanted, user, password, method=method, target=target, cnonce=cnonce)
        if found is not None and (best is None or found[0] > best[0]):
            best = found
    return None if best is None else best[1]


def _parameters(words: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(words):
        quoted = re.sub(r"\\(.)", r"\1", match[2]) if match[2] is not None else match[3]
        found.setdefault(match[1].lower(), quoted)
    return found


def _digest(
    wanted: Mapping[str, str], user: str, password: str, *, method: str, target: str, cnonce: str
) -> Optional[tuple[int, str]]:
    """How strong it is, and the field; None where the challenge is none, or of an unknown kind."""
    name = wanted.get("algorithm", "MD5")
    plain = name.upper().replace("-SESS", "")
    nonce, realm = wanted.get("nonce", ""), wanted.get("realm", "")
    offered = [word.strip().lower() for word in wanted.get("qop", "").split(",")]
    if plain not in _ALGORITHMS or not nonce or not re.fullmatch(r"[\x20-\x7e]*", nonce + realm + user):
        return None
    if offered != [""] and "auth" not in offered:
        return None

    def digest_hex(*parts: str) -> str:
        data = text.encode(":".join(parts))
        return hashlib.new(_ALGORITHMS[plain], data, usedforsecurity=False).hexdigest()

    secret = digest_hex(user, realm, password)
    if name.upper().endswith("-SESS"):
        secret = digest_hex(secret, nonce, cnonce)
    asked = digest_hex(method, target)
    # RFC 2617 3.2.2.1: servers without qop know the older form only.
    counted = ("00000001", cnonce, "auth") if offered != [""] else ()
    quoted = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
    quoted["response"] = digest_hex(secret, nonce, *counted, asked)
    if "opaque" in wanted:
        quoted["opaque"] = wanted["opaque"]
    field = "Digest " + ", ".join(f'{key}="{_escaped(value)}"' for key, value in quoted.items())
    if "algorithm" in wanted:
        field += f", algorithm={name}"
    if counted:
        field += f', qop=auth, nc={counted[0]}, cnonce="{cnonce}"'
    return list(_ALGORITHMS).index(plain), field


def _escaped(value: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", value)
