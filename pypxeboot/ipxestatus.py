"""Exit statuses of iPXE commands, and what iPXE says of them.

A status is iPXE's 32-bit error number: the POSIX error in the top byte, below it where it arose. That is what
``${errno}`` shows, and what iPXE's error pages are named after. 0 is success; ``exit 7`` makes 7.
"""

from __future__ import annotations

OK = 0

# Error numbers as real iPXE prints them.
NOT_A_COMMAND = 0x2E022008
NOT_EXECUTABLE = 0x2E008008
NOT_STORABLE = 0x3C0C205F
BAD_VALUE = 0x1C0C2016
HTTP_NOT_FOUND = 0x2D0C6102
TFTP_NOT_FOUND = 0x2D12603B
NOT_EQUAL = 0x46022001
_NUMBERED = frozenset(
    {
        NOT_A_COMMAND, NOT_EXECUTABLE, NOT_STORABLE, BAD_VALUE, HTTP_NOT_FOUND, TFTP_NOT_FOUND, NOT_EQUAL,
    }
)  # fmt: skip

# Others, of which only the class is told.
DENIED = 0x02000000
CANCELED = 0x0B000000
UNREACHABLE = 0x1A000000
INVALID = 0x1C000000
IO_ERROR = 0x1D000000
NO_DEVICE = 0x2C000000
NOT_FOUND = 0x2D000000
NO_SPACE = 0x34000000
UNSUPPORTED = 0x3C000000
OUT_OF_RANGE = 0x46000000
TIMED_OUT = 0x4C000000

_TEXTS = {
    0x02: "Permission denied",
    0x0B: "Operation canceled",
    0x1A: "Host is unreachable",
    0x1C: "Invalid argument",
    0x1D: "Input/output error",
    0x2C: "No such device",
    0x2D: "No such file or directory",
    0x2E: "Exec format error",
    0x34: "No space left on device",
    0x3C: "Operation not supported",
    0x46: "Result too large",
    0x4C: "Connection timed out",
}


def text(status: int) -> str:
    """``status`` in iPXE's words, with the page that explains it where iPXE has that very one."""
    words = "Not found" if status == HTTP_NOT_FOUND else _TEXTS.get(status >> 24)
    if words is None:
        return f"Error 0x{status:08x} (https://ipxe.org/{status:08x})"
    return f"{words} (https://ipxe.org/{status:08x})" if status in _NUMBERED else words
