"""Who may boot an entry: users, their passwords, and what PBKDF2 made of them (normal/auth.c)."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Optional

from pypxeboot.effects import Print, Sleep, Steps
from pypxeboot.grub.engine.machine import Grub
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine
from pypxeboot.text import encode

# grub-mkpasswd-pbkdf2 takes 10000 rounds for 64 bytes: a million blocks are some seconds of work.
_ROUNDS = 1_000_000
_PBKDF2 = re.compile(r"grub\.pbkdf2\.sha512\.([0-9]{1,9})\.((?:[0-9a-fA-F]{2})*)\.((?:[0-9a-fA-F]{2})+)")
_LONGEST = 1024  # GRUB_AUTH_MAX_PASSLEN
_WORDS = re.compile(r"[ \t,;|&]+")
_STOPS = line_editor.ENTER | line_editor.CANCEL
_LONGEST_PAUSE = 16.0


def may(machine: Grub, users: Optional[str]) -> bool:
    """Whether who is known by now is one of ``users``, or a superuser; anybody where there are none."""
    superusers = machine.environment.get("superusers")
    if superusers is None:
        return True
    return bool(machine.authenticated & {*_WORDS.split(superusers), *_WORDS.split(users or "")})


def authenticate(machine: Grub, users: Optional[str]) -> Steps[bool]:
    """Ask who is there, unless that is known; whether it is one of ``users``, or a superuser."""
    if may(machine, users) or machine.selection.listing:
        return True
    user = yield from machine.find_user()
    if user is None:
        return False
    name = yield from _ask(user, "Enter username: ", hidden=False)
    password = None if name is None else (yield from _ask(user, "Enter password: ", hidden=True))
    stored = machine.passwords.get(name or "")
    if name and password is not None and stored is not None and matches(*stored, password):
        machine.authenticated.add(name)
        if may(machine, users):
            machine.denied = 0
            return True
    machine.denied += 1
    yield Sleep(min(2.0 ** (machine.denied - 1), _LONGEST_PAUSE))
    yield from machine.fail("", "access denied")
    return False


def _ask(user: User, prompt: str, *, hidden: bool) -> Steps[Optional[str]]:
    yield Print(prompt)
    line, key = yield from line_editor.edit_line(user, Clock(), EditLine("", 0), _STOPS, hidden=hidden)
    yield Print("\n")
    return None if isinstance(key, WaitEnded) or key in line_editor.CANCEL else line.text


def matches(is_hash: bool, stored: str, typed: str) -> bool:
    """Check ``typed`` against ``stored``: the password itself, or the hash that grub-mkpasswd-pbkdf2 prints.

    A hash that would take too long never matches.
    """
    if not is_hash:
        return hmac.compare_digest(encode(stored)[: _LONGEST - 1], encode(typed)[: _LONGEST - 1])
    found = _PBKDF2.fullmatch(stored)
    if found is None:
        return False
    rounds, salt, expected = int(found[1]), bytes.fromhex(found[2]), bytes.fromhex(found[3])
    if not rounds or rounds * (len(expected) // 64 + 1) > _ROUNDS:
        return False
    made = hashlib.pbkdf2_hmac("sha512", encode(typed), salt, rounds, len(expected))
    return hmac.compare_digest(made, expected)
