"""Which entry is the default, and which one a label means (normal/menu.c)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional

from pypxeboot.grub.engine.environment import Environment
from pypxeboot.grub.engine.machine import MenuEntry
from pypxeboot.grub.engine.status import CommandError, ErrorNumber, number
from pypxeboot.text import printable


def split_path(text: str) -> list[str]:
    """Split ``a>b>c``, the way through submenus, at each ``>``; ``>>`` is one in a name."""
    found, at = [""], 0
    while at < len(text):
        if text.startswith(">>", at):
            found[-1] += ">"
            at += 2
        elif text[at] == ">":
            found.append("")
            at += 1
        else:
            found[-1] += text[at]
            at += 1
    return found


def join_path(names: Sequence[str]) -> str:
    """Return the way through submenus to an entry as one label."""
    return ">".join(name.replace(">", ">>") for name in names)


def rest_of_path(text: str) -> Optional[str]:
    """Return what stands behind the first ``>`` of a way through submenus, None if nothing does."""
    at = 0
    while at < len(text):
        if text.startswith(">>", at):
            at += 2
        elif text[at] == ">":
            return text[at + 1 :] or None
        else:
            at += 1
    return None


def find_entry(entries: Sequence[MenuEntry], name: str) -> Optional[int]:
    """Return the index of the entry with that number from 0, title or id; None if there is none.

    A name that begins with a number is one: ``grub_strtoul`` does not look behind its digits.
    """
    try:
        return number(name)[0]
    except CommandError as why:
        if why.status is not ErrorNumber.BAD_NUMBER:
            return None
    return next((at for at, entry in enumerate(entries) if name in (entry.title, entry.id)), None)


def default_entry(entries: Sequence[MenuEntry], environment: Environment) -> int:
    """Return the index of the default; the first entry where ``default`` means none."""
    value = environment.get("default")
    found = None if value is None else find_entry(entries, split_path(value)[0])
    return found if found is not None and found < len(entries) else 0


def wanted_entry(entries: Sequence[MenuEntry], name: str) -> Optional[int]:
    """Return the index of the entry that a user means: by id, then title, then number from 0."""
    for names in ([entry.id for entry in entries], [entry.title for entry in entries]):
        if name in names:
            return names.index(name)
    at = int(name) if name.isascii() and name.isdecimal() and len(name) < 9 else len(entries)
    return at if at < len(entries) else None


def timeout(environment: Environment) -> Optional[int]:
    """Return the timeout in seconds, None if the menu waits for ever; what is no number is forgotten."""
    value = environment.get("timeout")
    if value is None:
        return None
    try:
        return min(number(value)[0], 0x7FFFFFFF)
    except CommandError:
        environment.unset("timeout")
        return None


def lost_words(entries: Sequence[MenuEntry], environment: Environment) -> Iterator[str]:
    """Yield what is said in vain of this menu: a default that is none of it, what has to be a number."""
    default, seconds = environment.get("default"), environment.get("timeout")
    spare = environment.get("fallback")
    if default:
        found = find_entry(entries, split_path(default)[0])
        if found is None or found >= len(entries):
            yield f"default={printable(default, 120)!r} is no entry of the menu: the first one boots"
    # -1 is how grub-mkconfig writes "for ever".
    if seconds and seconds != "-1" and not _is_number(seconds):
        yield f"timeout={printable(seconds, 120)!r} is no number: the menu waits for ever"
    if spare and not _is_number(spare):
        yield f"fallback={printable(spare, 120)!r} is no number: there is nothing to fall back to"


def _is_number(text: str) -> bool:
    try:
        number(text)
    except CommandError:
        return False
    return True


def fallbacks(environment: Environment) -> Iterator[int]:
    """Yield the numbers in ``fallback``, and take each of them out of it."""
    while True:
        value = environment.get("fallback")
        if value is None:
            return
        try:
            found, rest = number(value)
        except CommandError:
            environment.unset("fallback")
            return
        environment.set("fallback", rest.lstrip(" \t\r\n"))
        yield found
