"""The targets of the fuzzer that are GRUB's: its scripts, menus, boot files and regular expressions."""

from __future__ import annotations

from contextlib import suppress
from unittest import mock

from pypxeboot import bootsource
from pypxeboot.bootsource import BootRequest
from pypxeboot.errors import InternalError, PxeBootError
from pypxeboot.grub import boot as grub
from pypxeboot.grub import program
from pypxeboot.grub.commands import expressions
from pypxeboot.grub.engine import budget, memdisk
from pypxeboot.text import decode, encode, printable
from tests.support.recorded import replay

KEYS = "enter escape tab up down f2 c 1 ctrl-x backspace page-down right delete e home end".split()
_FAULTS = "internal error"


def _ends(data: bytes, keys: list[str]) -> None:
    """Boot by a configuration, and list it; either may end with an error that somebody foresaw."""
    files = {"/grub/x": data, "/grub/grubenv": data}
    with mock.patch.multiple(budget, STEPS=3000, BYTES=1 << 20):  # enough for what is not a loop
        try:
            choice, served = replay.grub_config(data, keys, files=files)
            assert encode(choice.entry.cmdline) is not None
            told = [*served.log, served.printed]
        except InternalError as why:
            raise AssertionError(why.message) from why
        except PxeBootError as why:
            told = [printable(why.message)]
        assert not any(_FAULTS in line for line in told), told
        with suppress(PxeBootError):
            served = replay.serving({"/k": "@kernel", "/grub/grub.cfg": data, "/grub/x": data})
            served.drive(grub.entries(BootRequest(replay.GRUB, replay.GUEST, replay.LEASE)))


def config(data: bytes) -> None:
    """A grub.cfg, to what boots when nobody types, and to its list."""
    _ends(data, [])


def menu(data: bytes) -> None:
    """Keys (the first bytes), and the grub.cfg in whose menus they are pressed."""
    pressed = [KEYS[byte & 15] for byte in data[1 : 1 + (data[0] & 31 if data else 0)]]
    _ends(data[1 + len(pressed) :], pressed)


def boot_file(data: bytes) -> None:
    """A boot file, to what it is, and to the prefix in it."""
    assert bootsource.kind_of_content(data) in bootsource.Kind
    found = program.built_in(data)
    assert found is None or encode(found.prefix)


def disk(data: bytes) -> None:
    """The disk in a boot file, to its files."""
    found = memdisk.read(data)
    assert sum(map(len, found.files.values())) <= 4 * len(data)


def expression(data: bytes) -> None:
    """A regular expression, and the text it is for, with a NUL between."""
    pattern, _, text = decode(data).partition("\0")
    with suppress(expressions.BadPattern):
        found = expressions.search(pattern, text, lambda: None)
        assert found is None or (found[0] is not None and found[0] in text)
