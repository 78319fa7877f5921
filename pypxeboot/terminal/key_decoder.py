"""Decodes the bytes that a terminal sends into names of keys (of :class:`pypxeboot.picture.KeyPress`).

The sequences of the VT100 and VT220, xterm, the Linux console, rxvt, screen and tmux are known all at once:
nobody knows what terminal is behind libxl's ``TERM=vt100``.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from typing import Optional

_ESC = 0x1B
_LONGEST = 32  # bytes of a sequence; real ones have up to 8
_UTF8 = getincrementaldecoder("utf-8")

_CONTROLS = {
    0x08: "backspace", 0x09: "tab", 0x0A: "enter", 0x0D: "enter", 0x7F: "backspace",
}  # fmt: skip

_FINALS = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end",
    "P": "f1", "Q": "f2", "R": "f3", "S": "f4",
    "a": "up", "b": "down", "c": "right", "d": "left",  # rxvt, with shift
}  # fmt: skip

# "ESC O x": cursor keys and keypad in application mode.
_SS3 = {
    **_FINALS,
    "M": "enter", "X": "=", "j": "*", "k": "+", "l": ",", "m": "-", "n": ".", "o": "/",
    **{chr(ord("p") + digit): str(digit) for digit in range(10)},
}  # fmt: skip

# "ESC [ number ~", and rxvt's ends for shift and control in place of the tilde.
_NUMBERS = {
    1: "home", 2: "insert", 3: "delete", 4: "end", 5: "page-up", 6: "page-down", 7: "home", 8: "end",
    11: "f1", 12: "f2", 13: "f3", 14: "f4", 15: "f5", 17: "f6", 18: "f7", 19: "f8", 20: "f9", 21: "f10",
    23: "f11", 24: "f12",
}  # fmt: skip
_LINUX = {"A": "f1", "B": "f2", "C": "f3", "D": "f4", "E": "f5"}  # "ESC [ [ x"

# Complete sequences behind ESC, and what may still become one.
_SEQUENCE = re.compile(rb"O[ -~]|\[\[[ -~]|\[[0-9:;<=>?]+\$|\[[0-?]*[ -/]*[@-Z\\-~]")
_BEGINNING = re.compile(rb"\[[0-?]*[ -/]*|\[\[|O?")


class Decoder:
    """Decodes keys from bytes that come in pieces.

    A lone ESC is a key, or the first byte of one: while :attr:`pending`, the caller has to wait a moment, and
    to call :meth:`flush` if nothing more came.
    """

    def __init__(self) -> None:
        self._held = b""
        self._utf8 = _UTF8("ignore")
        self._after_return = False

    @property
    def pending(self) -> bool:
        """Whether what came so far may be the beginning of a key."""
        return bool(self._held)

    def feed(self, data: bytes) -> list[str]:
        """Take ``data``, and return the keys that are complete with it."""
        self._held += data
        keys: list[str] = []
        while self._held and self._step(keys):
            pass
        return keys

    def flush(self) -> list[str]:
        """Return the keys in what was held back, since nothing more came for a moment."""
        held, self._held = self._held, b""
        # An unfinished sequence is a key that we do not know, but for those of one ESC, or Alt with O or [.
        return ["escape", *map(chr, held[1:])] if len(held) in (1, 2) else []

    def _step(self, keys: list[str]) -> bool:
        """Take one character or sequence from what is held; return False where more of it has to come."""
        if self._held[0] == _ESC:
            return self._escape(keys)
        byte, self._held = self._held[0], self._held[1:]
        return_before, self._after_return = self._after_return, byte == 0x0D
        if byte >= 0x80 or self._utf8.getstate()[0]:
            self._character(byte, keys)
        elif byte in _CONTROLS:
            if not (byte == 0x0A and return_before):  # the two are one key
                keys.append(_CONTROLS[byte])
        elif 1 <= byte <= 26:
            keys.append(f"ctrl-{chr(byte + 0x60)}")
        elif byte >= 0x20:
            keys.append(chr(byte))
        return True

    def _character(self, byte: int, keys: list[str]) -> None:
        """Take a byte of a character of several bytes."""
        if byte < 0x80:  # which is broken off
            self._utf8.reset()
            self._held = bytes([byte]) + self._held
            return
        keys += [ch for ch in self._utf8.decode(bytes([byte])) if ch.isprintable()]

    def _escape(self, keys: list[str]) -> bool:
        self._utf8.reset()
        self._after_return = False
        rest = self._held[1:]
        found = _SEQUENCE.match(rest)
        if found is not None:
            self._held = rest[found.end() :]
            key = _name(found[0].decode("ascii"))
            keys += [] if key is None else [key]
            return True
        if _BEGINNING.fullmatch(rest):
            if len(rest) > _LONGEST:  # no key: its end is all that matters
                self._held = b"\x1b[:" + (b" " if rest[-1] < 0x30 else b"")
            return False
        if rest[:1] == b"[":  # a sequence that is broken off by something else
            broken = _BEGINNING.match(rest)
            self._held = rest[broken.end() if broken else 1 :]
            return True
        self._held = rest
        keys.append("escape")
        return True


def _name(sequence: str) -> Optional[str]:
    """Return the key of a complete sequence (without its ESC), None if unknown; modifiers do not count."""
    if sequence.startswith("O"):
        return _SS3.get(sequence[1])
    if sequence.startswith("[["):
        return _LINUX.get(sequence[2])
    parameters, final = sequence[1:-1], sequence[-1]
    if len(sequence) > _LONGEST:
        return None
    if final in "~$^@":
        number = parameters.partition(";")[0]
        return _NUMBERS.get(int(number)) if re.fullmatch("[0-9]{1,2}", number) else None
    return _FINALS.get(final) if re.fullmatch("(1?;[0-9]{1,3})?", parameters) else None
