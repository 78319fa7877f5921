"""What a command of GRUB ends with: 0, or the number of an error (include/grub/err.h); ``$?`` shows it."""

from __future__ import annotations

from enum import IntEnum
from typing import Optional


class ErrorNumber(IntEnum):
    """The numbers that scripts can see; the names are those of ``grub_err_t``."""

    NONE = 0
    TEST_FAILURE = 1
    BAD_FILE_TYPE = 4
    FILE_NOT_FOUND = 5
    FILE_READ_ERROR = 6
    BAD_FILENAME = 7
    UNKNOWN_FS = 8
    BAD_NUMBER = 10
    OUT_OF_RANGE = 11
    UNKNOWN_DEVICE = 12
    BAD_DEVICE = 13
    READ_ERROR = 14
    UNKNOWN_COMMAND = 16
    INVALID_COMMAND = 17
    BAD_ARGUMENT = 18
    BAD_OS = 21
    NO_KERNEL = 22
    NOT_IMPLEMENTED = 24
    MENU = 27
    TIMEOUT = 28
    IO = 29
    ACCESS_DENIED = 30
    NET_BAD_ADDRESS = 32
    NET_NO_ANSWER = 35
    NET_NO_CARD = 36
    NET_NO_DOMAIN = 43


class CommandError(Exception):
    """Why a command fails: the status it ends with, and GRUB's words for it.

    A failure without words (``false``, a test that is not true) is told to nobody. ``hint`` says what to do
    about it, where that is known; ``unreached``: a server was not, or failed itself.
    """

    def __init__(
        self, status: ErrorNumber, words: str = "", *, hint: Optional[str] = None, unreached: bool = False
    ) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.hint = hint
        self.unreached = unreached


def number(text: str, base: int = 0) -> tuple[int, str]:
    """Parse the number at the front of ``text`` as ``grub_strtoull`` does; return it and what is behind it.

    ``base`` 0 is octal behind ``0`` and hexadecimal behind ``0x``. Raises CommandError where there is no
    digit, and where the number has more than 64 bits.
    """
    rest = text.lstrip(" \t\r\n")
    if rest[:2] == "0x" and base in (0, 16):
        base, rest = 16, rest[2:]
    elif base == 0:
        base = 8 if rest[:1] == "0" and rest[1:2] in tuple("01234567") else 10
    digits = "0123456789abcdef"[:base]
    at = 0
    while at < len(rest) and rest[at].lower() in digits and rest[at].isascii():
        at += 1
    if not at:
        raise CommandError(ErrorNumber.BAD_NUMBER, "unrecognized number")
    if at > 64 or int(rest[:at], base) >> 64:
        raise CommandError(ErrorNumber.OUT_OF_RANGE, "overflow is detected")
    return int(rest[:at], base), rest[at:]
