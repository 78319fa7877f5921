"""The receiving half of TFTP without a socket: puts blocks in order and says what is to be acknowledged.

RFC 1350 (blocks), RFC 2348 (blksize), RFC 7440 (windowsize). :meth:`Receiver.pump` is the loop that every
byte of a kernel and its initrd goes through: it calls what it is given to receive and send.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping
from typing import Callable

from pypxeboot.text import printable

HEADER = 4  # bytes: opcode and block number, or opcode and error code

# Bytes gathered before they are written and hashed: more makes neither cheaper, but outgrows the cache.
_BATCH = 64 * 1024
_MOST_SLOTS = 512  # with tiny blocks the tables below would outgrow the data


class Op(enum.IntEnum):
    """RFC 1350 5 and RFC 2347: opcodes."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class Code(enum.IntEnum):
    """RFC 1350 5 and RFC 2347: error codes."""

    NOT_DEFINED = 0
    NO_FILE = 1
    NO_ACCESS = 2
    DISK_FULL = 3
    ILLEGAL = 4
    UNKNOWN_TID = 5
    BAD_OPTION = 8


# RFC 2348 and RFC 7440: the least that may be granted; without an option it is as RFC 1350 has it.
_LEAST = {"blksize": 8, "windowsize": 1}
_WITHOUT = {"blksize": 512, "windowsize": 1, "tsize": 0}

_WORD = struct.Struct("!I")
_PAIR = struct.Struct("!HH")
_DATA = Op.DATA << 16


class Violation(Exception):
    """The server broke the protocol; it is told so with ``code``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def option_values(ask: Mapping[str, int], granted: Mapping[str, str]) -> dict[str, int]:
    """``blksize``, ``windowsize`` and ``tsize`` (0: unknown) after an OACK; Violation if it breaks rules."""
    values = dict(_WITHOUT)
    for name, text in granted.items():
        if name not in ask:  # RFC 2347: only options that were asked for may be granted
            raise Violation(Code.BAD_OPTION, f"the server insists on option {printable(name)}")
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
        if number < 0 or (name in _LEAST and not _LEAST[name] <= number <= ask[name]):
            raise Violation(Code.BAD_OPTION, f"the server answers {name} with {printable(text)}")
        values[name] = number
    return values


class Patience:
    """How long to wait for a sign of life: RFC 1123 4.2.3.2, "an adaptive timeout must be used".

    Times are seconds of one monotonic clock. ``first`` is the timeout before round trips are known, ``least``
    and ``most`` bound it then, and ``total`` is the silence after which there is no more hope.
    """

    def __init__(self, first: float, least: float, most: float, total: float, now: float) -> None:
        self._first, self.least, self._most, self._total = first, least, most, total
        self._round_trip = 0.0
        self._timeout = first
        self.silences = 0  # in a row
        self.reset(now)

    def reset(self, now: float, least: float = 0.0) -> None:
        """Note a sign of life: the next one is expected in due time, not before ``least`` seconds."""
        self.silences = 0
        self._since = now
        self._timeout = self._first
        if self._round_trip:
            self._timeout = max(self.least, min(4 * self._round_trip, self._most))
        self._timeout = max(self._timeout, least)
        self.due = now + self._timeout

    def silence(self, now: float) -> None:
        """Note that the time is over without a sign of life; RFC 1123: "with an exponential backoff"."""
        self.silences += 1
        self._timeout = min(2 * self._timeout, self._most)
        self.due = min(now + self._timeout, self._since + self._total)

    def is_over(self, now: float) -> bool:
        """Whether it is no use to wait any longer."""
        return now >= self._since + self._total

    def learn(self, round_trip: float) -> None:
        """Learn from an exchange that was not repeated (Karn's rule)."""
        old = self._round_trip or round_trip
        self._round_trip = 0.75 * old + 0.25 * round_trip


class Haste:
    """Whether to stay awake for the next packet or to sleep until it comes, learned by trying both.

    Between virtual machines, or processes of one host, a block comes in less time than it takes to wake up.
    Where it does not, staying awake gains nothing, and is tried once in a while only.
    """

    _WORTH = 0.9  # a processor kept busy must gain at least that
    _SLOWER = 1.3  # than it has been, twice in a row: something has changed
    _PAUSES = 8, 256  # rounds between trials, doubling while their outcome stays the same

    def __init__(self, batches: int, awake: bool) -> None:
        self.awake = awake
        self._batches = batches  # of one round
        self._seconds: list[float] = []
        self._cost = {False: 0.0, True: 0.0}
        self._usual = 0.0  # cost of a round since the last trial
        self._before = 0.0
        self._slow = 0  # rounds in a row
        self._pause, self._left = self._PAUSES[0], 1
        self._trying = False

    def learn(self, seconds: float) -> None:
        """Learn how long a batch took."""
        self._seconds.append(seconds)
        if len(self._seconds) < self._batches:
            return
        cost = sum(self._seconds)
        self._seconds.clear()
        # The machine does other things, too: what counts is the better of two rounds.
        self._cost[self.awake] = cost if self._trying else min(cost, self._before or cost)
        if self._trying:
            self._decide()
            return
        self._slow = self._slow + 1 if cost > self._SLOWER * self._usual else 0
        self._before = cost
        self._left -= 1
        if self._left <= 0 or self._slow == 2:
            self._trying, self.awake = True, not self.awake

    def _decide(self) -> None:
        better = self._cost[True] < self._WORTH * self._cost[False]
        least, most = self._PAUSES
        self._pause = least if better is self.awake else min(2 * self._pause, most)
        self._left, self._slow, self._before = self._pause, 0, 0.0
        self._trying, self.awake = False, better
        self._usual = self._cost[better]


class Verdict(enum.Enum):
    """What :meth:`Receiver.judge` made of a packet that the loop did not expect."""

    TAKEN = "in sequence and kept; acknowledge it"
    LAST = "the last block; acknowledge it once it is safe"
    GAP = "one before it is missing; acknowledge the last good one at once"
    STALE = "had it before"
    IGNORED = "of no use"


class Receiver:
    """One file on its way in. ``block`` is the number of the last block received in sequence."""

    def __init__(self, blksize: int, windowsize: int) -> None:
        self.blksize = blksize
        self.windowsize = windowsize
        self.block = 0
        self.complete = False
        # One byte more than may come, so that a longer packet shows.
        self.packet = memoryview(bytearray(HEADER + blksize + 1))
        self._payload = self.packet[HEADER : HEADER + blksize]
        self.slots = max(4, min(_MOST_SLOTS, -(-_BATCH // blksize)))  # blocks in a batch
        self._batch = memoryview(bytearray(self.slots * blksize))
        self._places = [self._batch[at : at + blksize] for at in range(0, self.slots * blksize, blksize)]
        self._slot = 0
        self._tail = 0  # length of the short block after the full ones
        self._left = windowsize  # blocks until the next acknowledgement is due
        self._furthest = 0  # how far past a gap blocks have come since it was reported

    @property
    def is_full(self) -> bool:
        """Whether the batch must be taken away before more fits."""
        return self._slot == self.slots

    @property
    def pending(self) -> int:
        """Bytes in sequence that :meth:`take` would give."""
        return self._slot * self.blksize + self._tail

    @property
    def batches_a_window(self) -> int:
        """How many times the batch fills up in one window, at least once."""
        return 1 + self.windowsize // self.slots

    def take(self) -> memoryview:
        """Return what has come in sequence since the last call; valid until the next packet."""
        data = self._batch[: self.pending]
        self._slot = self._tail = 0
        return data

    def acknowledgement(self) -> bytes:
        """Return an ACK of the last block in sequence; the sender goes on with a new window behind it."""
        self._left = self.windowsize
        return _PAIR.pack(Op.ACK, self.block)

    def pump(
        self,
        receive: Callable[[memoryview], int],
        send: Callable[[bytes], object],
        clock: Callable[[], float],
        until: float,
    ) -> int:
        """Take full blocks in sequence, acknowledging each window, while the batch has room, till ``until``.

        Returns the length of a packet that is anything else, left in ``packet`` for a closer look; or 0.
        What ``receive`` and ``send`` raise passes through.
        """
        packet, payload, places = self.packet, self._payload, self._places
        word, pack, full = _WORD.unpack_from, _PAIR.pack, HEADER + self.blksize
        slot, left, window, ack = self._slot, self._left, self.windowsize, int(Op.ACK)
        number = self.block + 1 & 0xFFFF
        wanted, answer = _DATA | number, pack(ack, number)
        try:
            for place in places[slot:]:
                count = receive(packet)
                if count != full or word(packet)[0] != wanted:
                    return count
                # The sender waits for this: nothing stands in front of it that can be done before or behind.
                if left == 1:
                    send(answer)
                place[:] = payload
                slot += 1
                left = left - 1 or window
                # The block number has 16 bits; what comes after 65535 is 0.
                number = number + 1 & 0xFFFF
                wanted = _DATA | number
                if left == 1:
                    answer = pack(ack, number)
                if clock() > until:
                    break
            return 0
        finally:
            if slot != self._slot:
                self._furthest = 0
            self._slot, self._left = slot, left
            self.block = number - 1 & 0xFFFF

    def judge(self, count: int) -> Verdict:
        """Look closer at the DATA packet of ``count`` bytes in ``packet``; the batch must not be full."""
        if count > HEADER + self.blksize:
            raise Violation(Code.ILLEGAL, f"the server sent more than {self.blksize} bytes in a block")
        number = _PAIR.unpack_from(self.packet)[1]
        ahead = (number - self.block - 1) & 0xFFFF
        # Old servers count 65535, 1. One block at a time, no other block 1 can come here: the sender has
        # block 65535 acknowledged. In a window it is the block after a lost block 0.
        if ahead == 0 or (self.windowsize == 1 and self.block == 0xFFFF and number == 1):
            return self._keep(number, count - HEADER)
        if ahead < self.windowsize:
            # RFC 7440 4: the receiver of a block out of sequence acknowledges the last good one, and the
            # sender starts a window behind it. Once for every flight of blocks: the rest of this one comes
            # in ascending order, a number seen again (or below) is of the next.
            news = ahead <= self._furthest or not self._furthest
            self._furthest = ahead
            return Verdict.GAP if news else Verdict.IGNORED
        return Verdict.STALE if ahead >= 0x8000 else Verdict.IGNORED

    def _keep(self, number: int, size: int) -> Verdict:
        self.block = number
        self._furthest = 0
        self._places[self._slot][:size] = self._payload[:size]
        if size < self.blksize:  # RFC 1350 2: "a data packet of less than 512 bytes signals termination"
            self._tail = size
            self.complete = True
            return Verdict.LAST
        self._slot += 1
        return Verdict.TAKEN
