"""The receiving half of TFTP without a socket: puts blocks in order and says what is to be acknowledged.

RFC 1350 (blocks), RFC 2348 (blksize), RFC 7440 (windowsize). :meth:`Receiver.pump` is the loop that every
byte of a kernel and its initrd goes through: it calls what it is given to receive and send.
"""

from __future__ import annotations

import enum
import struct
from typing import Callable

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)
HEADER = 4  # opcode and block number, or opcode and error code

# Bytes gathered before they are written and hashed: past 64 KiB neither gets cheaper.
_BATCH = 128 * 1024
_MOST_SLOTS = 512  # with tiny blocks the tables below would outgrow the data

_WORD = struct.Struct("!I")
_PAIR = struct.Struct("!HH")
_FIRST_DATA, _LAST_DATA = DATA << 16, DATA << 16 | 0xFFFF


class TooLong(ValueError):
    """A DATA packet with more bytes than the block size."""


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
        slots = max(4, min(_MOST_SLOTS, -(-_BATCH // blksize)))
        self._batch = memoryview(bytearray(slots * blksize))
        self._places = [self._batch[at : at + blksize] for at in range(0, slots * blksize, blksize)]
        self._slot = 0
        self._tail = 0  # length of the short block after the full ones
        self._left = windowsize  # blocks until the next acknowledgement is due
        self._furthest = 0  # how far past a gap blocks have come since it was reported

    @property
    def full(self) -> bool:
        """Whether the batch must be taken away before more fits."""
        return self._slot == len(self._places)

    @property
    def pending(self) -> int:
        """Bytes in sequence that :meth:`take` would give."""
        return self._slot * self.blksize + self._tail

    def take(self) -> memoryview:
        """What has come in sequence since the last call; valid until the next packet."""
        data = self._batch[: self.pending]
        self._slot = self._tail = 0
        return data

    def acknowledgement(self) -> bytes:
        """An ACK of the last block in sequence; the sender goes on with a new window behind it."""
        self._left = self.windowsize
        return _PAIR.pack(ACK, self.block)

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
        slot, left = self._slot, self._left
        wanted = _FIRST_DATA | (self.block + 1 & 0xFFFF)
        try:
            for place in places[slot:]:
                count = receive(packet)
                if count != full or word(packet)[0] != wanted:
                    return count
                place[:] = payload
                slot += 1
                # The block number has 16 bits; what comes after 65535 is 0.
                wanted = wanted + 1 if wanted != _LAST_DATA else _FIRST_DATA
                left -= 1
                if not left:
                    left = self.windowsize
                    send(pack(ACK, wanted - 1 & 0xFFFF))
                if clock() > until:
                    break
            return 0
        finally:
            if slot != self._slot:
                self._furthest = 0
            self._slot, self._left = slot, left
            self.block = wanted - 1 & 0xFFFF

    def judge(self, count: int) -> Verdict:
        """Look closer at the DATA packet of ``count`` bytes in ``packet``; the batch must not be full."""
        if count > HEADER + self.blksize:
            raise TooLong(f"more than {self.blksize} bytes in a block")
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
