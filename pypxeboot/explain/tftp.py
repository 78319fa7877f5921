"""TFTP in a capture: each read request, the options agreed on, the blocks, and how the transfer ended."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.explain.conversation import Attempts, Event, rate
from pypxeboot.text import printable, size_text

_RRQ, _WRQ, _DATA, _ACK, _ERROR, _OACK = 1, 2, 3, 4, 5, 6
_MOST_TIMES = 64
_MOST_CONTENT = 64 << 10  # bytes of a file that are kept
_NOT_FOUND = (1, 2)  # error codes: file not found, access violation


@dataclass
class TftpTransfer:
    """The transfer of one file, which ``client`` asked ``server`` for; sizes in bytes.

    ``answered`` and ``last`` are when the server's first and last packet came, ``again`` when blocks came
    twice or too early; ``content`` is the file, as far as it is small.
    """

    client: str
    server: str
    name: str
    asked: Attempts
    size: int = 0
    failed: str = ""  # the server's ERROR, or what ICMP said
    not_found: bool = False  # and that says merely that there is no such file
    complete: bool = False
    duplicates: int = 0  # blocks that came more than once
    reordered: int = 0  # blocks before which one was missing
    answered: Optional[float] = None
    last: float = 0.0
    again: list[float] = field(default_factory=list)
    content: bytearray = field(default_factory=bytearray)
    _options: dict[str, str] = field(default_factory=dict)
    _block: int = 0  # the last in order
    _given_up: str = ""

    def add_from_server(self, data: bytes, size: int, when: float) -> None:
        """Take a packet of ``size`` bytes from the server, of which the capture has ``data``."""
        operation = int.from_bytes(data[:2], "big")
        if self.answered is None:
            self.answered = when
        if self.complete or self.failed:
            return
        self.last = when
        if operation == _ERROR:
            code = int.from_bytes(data[2:4], "big")
            words = printable(data[4:].partition(b"\0")[0])
            self.failed, self.not_found = f'ERROR {code} "{words}"', code in _NOT_FOUND
        elif operation == _OACK:
            self._options = _pairs(data[2:])
        elif operation == _DATA and size >= 4:
            self._take(int.from_bytes(data[2:4], "big"), size - 4, data[4:], when)

    def _take(self, number: int, size: int, data: bytes, when: float) -> None:
        step = (number - self._block) & 0xFFFF  # block numbers wrap at 65536
        if step == 1:
            self._block = number
            if len(self.content) == self.size and self.size + len(data) <= _MOST_CONTENT:
                self.content += data
            self.size += size
            self.complete = size < self.block_size
        elif step == 0 or step > 0x8000:
            self.duplicates += 1
            self._repeat(when)
        else:
            self.reordered += 1
            self._repeat(when)

    def _repeat(self, when: float) -> None:
        if len(self.again) < _MOST_TIMES:
            self.again.append(when)

    def add_from_client(self, data: bytes) -> None:
        """Take a packet of the client that is not a request."""
        if int.from_bytes(data[:2], "big") == _ERROR and not self.complete:
            self._given_up = printable(data[4:].partition(b"\0")[0]) or "no reason given"

    def unreachable(self, words: str) -> None:
        """Take an ICMP error about the request; ``words`` says what it means."""
        if self.answered is None:
            self.failed = words

    @property
    def has_vanished(self) -> bool:
        """Whether options were agreed on, and then no block came."""
        return bool(self._options) and not self._block and not self.complete and not self.failed

    @property
    def packet_size(self) -> int:
        """The size of a packet with a full block, in bytes."""
        return self.block_size + (52 if ":" in self.server else 32)

    @property
    def block_size(self) -> int:
        """The size of a block in bytes, as it was agreed on."""
        text = self._options.get("blksize", "512")
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 512

    def _end(self, end: float) -> str:
        """Return how a transfer ended that did not succeed."""
        if self.failed:
            return self.failed
        if self._given_up:
            return f"the client gives up after {size_text(self.size)}: {self._given_up}"
        return self.trouble(end).partition(": ")[2]

    def lines(self, end: float) -> list[Event]:
        """Return one line for the whole transfer."""
        text = f"TFTP {self.name} from {self.server}: "
        if not self.complete:
            return [(self.asked.first, text + self._end(end))]
        seconds = max(self.last - self.asked.first, 1e-6)
        text += f"{size_text(self.size)} in {seconds:.3f} s{rate(self.size, seconds)}"
        parts = [f"{name} {value}" for name, value in self._options.items()] or ["no options"]
        parts += [f"asked {self.asked.count} times"] if self.asked.count > 1 else []
        parts += [f"{self.duplicates} blocks came twice"] if self.duplicates else []
        parts += [f"{self.reordered} came out of order"] if self.reordered else []
        return [(self.asked.first, f"{text}, {', '.join(parts)}")]

    def trouble(self, end: float) -> str:
        """Return what is wrong if the server was silent or failed; a mere "no such file" is not wrong."""
        name = f"TFTP {self.name} from {self.server}: "
        if self.complete or self.not_found or self._given_up:
            return ""
        if self.failed:
            return name + self.failed
        if self.answered is None:
            if end - self.asked.first < 1:
                return ""
            meaning = "no TFTP server runs there, or a firewall drops UDP 69 or the replies"
            return f"{name}no answer ({self.asked.summary(end)}): {meaning}"
        if not self._block:
            return (
                f"{name}options are agreed on, but no block comes: packets of "
                f"{self.packet_size} bytes do not get through (MTU, fragments), or the ACK is lost"
            )
        return f"{name}it stops after {size_text(self.size)}: the server or the way to it is gone"

    def remark(self) -> str:
        """Return a remark about packet loss, where there was much of it; else empty text."""
        lost = self.duplicates + self.reordered
        blocks = self.size // self.block_size + 1
        if lost <= max(2, blocks // 50):
            return ""
        return f"TFTP {self.name}: {lost} of {blocks} blocks came twice or out of order: packets are lost"


def read_request_name(data: bytes) -> Optional[str]:
    """Return the name of the file that a read request asks for; None for any other packet."""
    if data[:2] != bytes((0, _RRQ)):
        return None
    return printable(data[2:].partition(b"\0")[0]) or "(no name)"


def _pairs(data: bytes) -> dict[str, str]:
    """Return the options (name and value) in an OACK, as text."""
    words = [printable(word, 40) for word in data.split(b"\0")[:16]]
    return {name.lower(): value for name, value in zip(words[::2], words[1::2]) if name}
