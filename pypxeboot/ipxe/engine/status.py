"""Exit statuses of iPXE commands, and what iPXE says of them.

A status is iPXE's 32-bit error number, which is what ``${errno}`` shows and what iPXE's error pages are named
after: the POSIX error in the top byte, by iPXE's count; the source file and place where it arose in the two
bytes below; and last what the platform calls the error, here a BIOS by the numbers of PXE. 0 is success;
``exit 7`` makes 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import joined_hints

# The POSIX errors: what PXE calls them (ipxe/errno/pcbios.h), and iPXE's words. Three have none in the usual
# builds.
_ERRORS = {
    0x02: (0x3C, "Permission denied"),
    0x0B: (0xA0, "Operation canceled"),
    0x0F: (0x39, "Connection reset"),
    0x1A: (0x11, "Host is unreachable"),
    0x1C: (0x02, "Invalid argument"),
    0x1D: (0x39, "Input/output error"),
    0x28: (0x11, "Network unreachable"),
    0x2C: (0x3B, "No such device"),
    0x2D: (0x3B, "No such file or directory"),
    0x2E: (0x01, "Exec format error"),
    0x34: (0x06, "No space left on device"),
    0x3C: (0x03, "Operation not supported"),
    0x3D: (0x01, None),
    0x3E: (0x3B, None),
    0x41: (0x3C, "Operation not permitted"),
    0x46: (0x01, "Result too large"),
    0x4C: (0x35, "Connection timed out"),
    0x4F: (0x01, None),
}

_WORDS: dict[int, str] = {}


def _number(error: int, place: int, words: str = "") -> int:
    """Return the number of an error that arises at ``place``, which may have ``words`` of its own for it."""
    number = error << 24 | place << 8 | _ERRORS[error][0]
    if words:
        _WORDS[number] = words
    return number


class Status(IntEnum):
    """What a command ends with; a script may ``exit`` with any other number, too."""

    OK = 0

    # What the commands themselves find wrong (core/exec.c, core/parseopt.c, image/script.c).
    NOT_A_COMMAND = _number(0x2E, 0x0220)
    NOT_SET = _number(0x2D, 0x0220)
    NOT_EQUAL = _number(0x46, 0x0220)
    HELP = _number(0x0B, 0x1621)
    NO_INTEGER = _number(0x1C, 0x1621)
    UNKNOWN_OPTION = _number(0x1C, 0x1622)
    OPTION_ARGUMENT = _number(0x1C, 0x1623)
    ARGUMENT_COUNT = _number(0x46, 0x1620)
    NO_SUCH_CARD = _number(0x2C, 0x1620)
    NO_SUCH_DIALOG = _number(0x2D, 0x1620)
    NO_SUCH_CONFIGURATOR = _number(0x3C, 0x1620)
    NO_SUCH_LABEL = _number(0x2D, 0x0280)
    CUT_SHORT = _number(0x1C, 0x0280)

    # Settings (core/settings.c and the files of the types).
    NO_SUCH_BLOCK = _number(0x2C, 0x0C20)
    NOT_STORABLE = _number(0x3C, 0x0C20)
    NO_SUCH_SETTING = _number(0x2D, 0x0C20)
    NOT_APPLICABLE = _number(0x3D, 0x0C20)
    CARD_NOT_STORABLE = _number(0x3C, 0x1460)
    BAD_MAC = _number(0x1C, 0x1460)
    NOT_FORMATTABLE = _number(0x46, 0x0C20)
    BAD_NUMBER = _number(0x1C, 0x0C20)
    BAD_HEX = _number(0x1C, 0x1120)
    BAD_BASE64 = _number(0x1C, 0x1020)
    BAD_UUID = _number(0x1C, 0x2A20)
    BAD_IPV4 = _number(0x1C, 0x0560)
    BAD_IPV6 = _number(0x1C, 0x0660)

    # Images and downloads.
    NOT_EXECUTABLE = _number(0x2E, 0x0080)
    NO_SUCH_IMAGE = _number(0x2D, 0x0AE0)
    NO_SUCH_SCHEME = _number(0x3C, 0x0920)
    HTTP_NO_LOCATION = _number(0x1C, 0x4160)
    TFTP_NO_LOCATION = _number(0x1C, 0x1260)
    HTTP_NOT_FOUND = _number(0x2D, 0x0C61, "Not found")
    HTTP_FORBIDDEN = _number(0x41, 0x0C61)
    HTTP_UNAUTHORIZED = _number(0x02, 0x0C61)
    HTTP_NO_LOGIN = _number(0x02, 0x4361)
    HTTP_OTHER = _number(0x4F, 0x0C60)
    HTTP_CLIENT_ERROR = _number(0x1D, 0x0C64, "HTTP 4xx Client Error")
    HTTP_SERVER_ERROR = _number(0x1D, 0x0C65, "HTTP 5xx Server Error")
    TFTP_NOT_FOUND = _number(0x2D, 0x1261, "Not found")
    TFTP_DENIED = _number(0x02, 0x1260)
    TFTP_ILLEGAL = _number(0x3D, 0x1260)
    TFTP_ERROR = _number(0x3C, 0x1260)
    TFTP_TIMED_OUT = _number(0x4C, 0x1260)
    CONNECTION_REFUSED = _number(0x0F, 0x0A60)
    CONNECTION_TIMED_OUT = _number(0x4C, 0x0A60)
    UNREACHABLE = _number(0x28, 0x0A60)
    NO_NAME_SERVER = _number(0x3E, 0x1162)
    JOB_TIMED_OUT = _number(0x4C, 0x0720)

    # Questions.
    PROMPT_TIMED_OUT = _number(0x4C, 0x22E0)
    OTHER_KEY = _number(0x0B, 0x22E0)
    READ_TIMED_OUT = _number(0x4C, 0x32E0)
    READ_CANCELED = _number(0x0B, 0x32E0)
    NOTHING_TO_CHOOSE = _number(0x2D, 0x2CE0)
    MENU_CANCELED = _number(0x0B, 0x2CE0)

    # The rest.
    NOTHING_TO_BOOT = _number(0x2D, 0x03E1)
    NO_VLAN_TAG = _number(0x1C, 0x3060)
    NO_VLAN = _number(0x3D, 0x3060)
    PING_TIMED_OUT = _number(0x4C, 0x1B20)
    NO_SUCH_COLOUR = _number(0x1C, 0x1E20)
    NO_SUCH_PAIR = _number(0x1C, 0x1D20)
    NO_SUCH_CERTIFICATE = _number(0x2D, 0x4FE0)
    NO_SUCH_FEATURE = _number(0x2D, 0x80E0)
    NO_PICTURE = _number(0x3C, 0x2120)
    NO_VIDEO_MODE = _number(0x2D, 0x8C20)

    # Others, of which only the POSIX error is told.
    DENIED = 0x02 << 24
    CANCELED = 0x0B << 24
    INVALID = 0x1C << 24
    IO_ERROR = 0x1D << 24
    NOT_FOUND = 0x2D << 24
    NO_SPACE = 0x34 << 24
    UNSUPPORTED = 0x3C << 24
    TIMED_OUT = 0x4C << 24


def error_text(status: int) -> str:
    """Return ``status`` in iPXE's words, with the page that explains it where iPXE has that very one."""
    page = f"(https://ipxe.org/{status:08x})"
    words = _WORDS.get(status) or _ERRORS.get(status >> 24, (0, None))[1]
    if words is None:
        return f"Error 0x{status:08x} {page}"
    return f"{words} {page}" if status & 0xFFFFFF else words


@dataclass
class LastFailure:
    """Why the last command failed, in words, and ``where``: on which line of which script.

    ``hint`` says what to do about it, where that is known. ``before`` is another that a script went on from,
    and ``hint_before`` what to do about that one.
    """

    words: str = ""
    where: str = ""
    hint: Optional[str] = None
    before: str = ""
    hint_before: Optional[str] = None

    def clear(self) -> None:
        """Begin another command, which has not failed yet."""
        self.words = self.where = ""
        self.hint = None

    def go_on(self, where: str) -> None:
        """Remember the failure of a command behind which a script may go on."""
        self.before, self.hint_before = f"{self.where or where}: {self.words}", self.hint

    def blame(self, unset: Sequence[str]) -> None:
        """Have the settings that a failed line uses, and that are not set, be the first thing to look at."""
        if unset and not self.where:
            names = ", ".join(f"${{{name}}}" for name in unset)
            self.hint = joined_hints(f"{names} is not set, and stands for nothing there", self.hint)

    def explain(self, words: str, hint: Optional[str] = None) -> None:
        """Have ``words`` be the cause, whatever was said before."""
        self.words, self.hint = words, hint

    def note(self, words: str) -> None:
        """Have ``words`` be the cause, unless there is one: what failed first is the cause of the rest."""
        self.words = self.words or words

    def locate(self, where: str) -> None:
        """Say on which line it failed, unless that is known: the innermost script knows best."""
        self.where = self.where or where
