"""The TFTP client: RFC 1350, 2347 (options), 2348 (blksize), 2349 (tsize), 7440 (windowsize); IPv4 and IPv6.

:func:`get` asks for the best and falls back: to no options where the server refuses them, to smaller blocks
where large ones vanish on the way. Packets are tftpy's; ``tftpreceiver`` puts blocks in order.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from typing import Any, Callable, Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import FetchError, NotFound, Refused, ServerError, TooLarge
from pypxeboot.fetch.tftp.options import HEADERS, SMALL, Memory, Options, Transfer
from pypxeboot.fetch.tftp.packets import (
    ErrorPacket,
    error_packet,
    granted_options,
    opcode,
    read_request,
    rejection,
    server_error,
)
from pypxeboot.fetch.tftp.peer import Line, find
from pypxeboot.fetch.tftp.receiver import (
    HEADER,
    Code,
    Haste,
    Op,
    Patience,
    Receiver,
    Verdict,
    Violation,
    option_values,
)
from pypxeboot.net import tcp
from pypxeboot.text import printable, size_text

log = logging.getLogger(__name__)

_LEAST = 8  # bytes of a block (RFC 2348)
_QUIET = 0.1  # s; a block that comes again sooner is an echo, later a sender that lost our acknowledgement
_NETWORK_ERRORS = 3  # in a row: one ICMP message may be forged, or tell of a server that restarts
_BLACK_HOLE = 3  # silences after the OACK before smaller blocks are tried
_SILENT = -1
_NO_DATA = (
    "the server has answered, and then sent no data: does its firewall drop UDP to the port that it answers "
    "from (nf_conntrack_tftp lets it in), or does the way swallow large packets?"
)


def get(
    host: str,
    name: bytes,
    write: Callable[[memoryview], object],
    *,
    port: int = 69,
    limit: int,
    deadline: float,
    expect: Optional[Callable[[int], None]] = None,
    options: Optional[Options] = None,
    memory: Optional[Memory] = None,
) -> Transfer:
    """Fetch ``name`` from ``host``, handing ``write`` its bytes in order, in large pieces not to be kept.

    ``deadline`` is a time of :func:`time.monotonic`; ``expect`` is told the size if the server announces
    it; ``memory`` has what worked with servers before, and is added to. Raises NotFound and ServerError (what
    the server answers), FetchError (silence, broken protocol, cut short, OSError of ``write``) and Refused
    (more than ``limit`` bytes, or a name that no request can carry). What else ``write`` and ``expect`` raise
    ends the transfer and passes through.
    """
    started = time.monotonic()
    job = _Job(host, name, write, port, limit, deadline, expect, options or Options())
    try:
        family, address, mtu = find(host, port)
    except (OSError, ValueError) as error:  # ValueError: what cannot be a host name
        why = printable(getattr(error, "strerror", None) or str(error))
        raise FetchError(f"{job.what}: cannot reach the server: {why}", cause=tcp.cause(error)) from None
    memory = {} if memory is None else memory
    first = ask = _first_ask(job, family, mtu, memory.get((host, port)))
    retransmits = 0
    while True:
        session = _TransferSession(job, family, address, ask)
        try:
            receiver = session.run()
        except _AskAgain as again:
            ask = again.ask
            log.debug("%s: asking again, options now %s", job.what, ask)
            continue
        finally:
            session.close()
            retransmits += session.retransmits
        if ask != first:
            memory[host, port] = ask
        taken, asked = receiver.blksize, first.get("blksize", SMALL)
        return Transfer(
            session.size,
            session.tsize,
            taken,
            receiver.windowsize,
            time.monotonic() - started,
            retransmits,
            mtu,
            vanished=asked if ask.get("blksize", asked) < asked else None,
        )


@dataclass(frozen=True)
class _Job:
    host: str
    name: bytes
    write: Callable[[memoryview], object]
    port: int
    limit: int
    deadline: float
    expect: Optional[Callable[[int], None]]
    options: Options

    @property
    def what(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tftp://{printable(host)}/{printable(self.name)}"


class _AskAgain(Exception):
    """Another request for the file is worth it, with the options ``ask``."""

    def __init__(self, ask: Mapping[str, int]) -> None:
        self.ask = ask


def _first_ask(job: _Job, family: int, mtu: int, known: Optional[Mapping[str, int]]) -> Mapping[str, int]:
    """Return the options of the first request: none if there is no room for them beside the name.

    A block fits a packet of ``mtu`` bytes; ``known`` is what has worked with that server.
    """
    if not job.name or b"\0" in job.name:
        raise Refused(f"{job.what}: not a file name that TFTP can carry")
    headers = HEADERS[6 if family == socket.AF_INET6 else 4]
    blksize = max(_LEAST, min(job.options.blksize + HEADERS[4], mtu) - headers)
    ask: Mapping[str, int] = {"tsize": 0, "blksize": blksize, "windowsize": job.options.windowsize}
    if known is not None:
        ask = {name: min(value, ask.get(name, value)) for name, value in known.items()}
    # RFC 2347: "The maximum size of a request packet is 512 octets"; more has overrun servers.
    for options in (ask, {}):
        if len(read_request(job.name, options)) <= SMALL:
            return options
    raise Refused(f"{job.what}: a name of {len(job.name)} bytes is too long for a TFTP request")


class _TransferSession:
    """One request and what comes of it."""

    def __init__(self, job: _Job, family: int, address: Any, ask: Mapping[str, int]) -> None:
        self._job = job
        self._line = Line(family, address, rejection)
        self._ask = dict(ask)
        if ask:  # a window must find room to wait; the kernel counts a packet as up to twice its size
            self._ask["windowsize"] = max(1, min(ask["windowsize"], self._line.room // (2 * ask["blksize"])))
        options = job.options
        self._patience = Patience(
            options.timeout, options.min_timeout, options.max_timeout, options.patience, time.monotonic()
        )
        self._errors = 0  # of the network, in a row
        self._sent = 0.0  # when we last sent something, or might have
        self.receiver = Receiver(SMALL, 1)
        self.retransmits = self.size = 0
        self.tsize: Optional[int] = None

    def close(self) -> None:
        """Give the port back."""
        self._line.close()

    def run(self) -> Receiver:
        """Fetch the file; _AskAgain if another request may fare better."""
        try:
            self._begin(self._first_answer())
            self._receive()
            return self.receiver
        except ErrorPacket as error:  # RFC 1350 7: never acknowledged
            raise self._refusal(error) from None
        except Violation as broken:
            self._line.tell(error_packet(broken.code, str(broken)))
            raise FetchError(f"{self._job.what}: {broken}") from None
        except BaseException as error:
            full = isinstance(error, Refused) or isinstance(error.__cause__, OSError)
            self._line.tell(error_packet(Code.DISK_FULL if full else Code.NOT_DEFINED, "Transfer given up"))
            raise

    def _refusal(self, error: ErrorPacket) -> Exception:
        words, cause = printable(error.text) or "no reason given", f"tftp-{int(error.code)}"
        if error.code in (Code.NO_FILE, Code.NO_ACCESS):
            return NotFound(f"{self._job.what}: {words}", cause=cause)
        # RFC 2347: ERROR 8 refuses the options; servers older than that use whatever code comes to mind.
        if self._ask and self._is_empty:
            return _AskAgain({})
        words = f"the server says: {words} (TFTP error {error.code})"
        return ServerError(f"{self._job.what}: {words}", cause=cause)

    # -- the request

    def _first_answer(self) -> bytes:
        request, patience = read_request(self._job.name, self._ask), self._patience
        started, deadline = time.monotonic(), self._job.deadline
        while True:
            try:
                self._line.ask(request)
            except OSError as error:
                self._network_error(error)
            answer = self._hear(min(patience.due, deadline))
            now = time.monotonic()
            if answer is not None:
                if not patience.silences:  # or it would not be clear what was answered
                    patience.learn(now - started)
                return answer
            if now >= deadline or patience.is_over(now):
                raise self._no_answer(now - started)
            patience.silence(now)
            self.retransmits += 1

    def _hear(self, until: float) -> Optional[bytes]:
        """Return the first packet of the server that can be an answer, or None."""
        while True:
            try:
                data = self._line.answer(until)
            except OSError as error:
                self._network_error(error)
                continue
            if data is None:
                return None
            operation = opcode(data) if len(data) >= HEADER else 0
            if operation in (Op.RRQ, Op.WRQ, Op.ACK, Op.ERROR, Op.OACK) or data[:HEADER] == b"\0\3\0\1":
                return data

    def _no_answer(self, seconds: float) -> FetchError:
        asked = "once" if not self.retransmits else f"{self.retransmits + 1} times"
        host = printable(self._job.host)
        words = f"no answer from TFTP server {host} (asked {asked} in {seconds:.1f} s)"
        other = printable(self._line.stranger or "")
        if not other:
            return FetchError(words, cause="timeout")
        hint = (
            f"a server has to answer from the address that was asked, and not from {other}: bind it to that "
            f"(tftpd-hpa --address, dnsmasq bind-interfaces), look for NAT, or ask {other} (--server)"
        )
        return FetchError(f"{words}, but one came from {other}", hint=hint, cause="timeout")

    def _late(self, words: str) -> FetchError:
        """Return the error of a transfer that has begun, and does not end."""
        hint = _NO_DATA if self._is_empty else None
        return FetchError(f"{self._job.what}: {words} ({self._progress})", hint=hint, cause="timeout")

    def _begin(self, data: bytes) -> None:
        """Settle with the server on what its first packet says."""
        operation = opcode(data)
        if operation == Op.ERROR:
            raise server_error(data)
        if operation not in (Op.DATA, Op.OACK):
            raise Violation(Code.ILLEGAL, "the server answered with something else than data")
        self._line.connect()
        packets = self._line.turn_strangers_away()
        if operation == Op.OACK:
            self._agree(granted_options(data))
            self._acknowledge()
        else:
            packets.insert(0, data)
        for packet in packets:
            if not self.receiver.complete:
                count = min(len(packet), len(self.receiver.packet))
                self.receiver.packet[:count] = packet[:count]
                self._look(count)
        # The server opens the file before it answers, but the first read may be from a slow disk.
        self._patience.reset(time.monotonic(), self._job.options.timeout)

    def _agree(self, granted: Mapping[str, str]) -> None:
        values = option_values(self._ask, granted)
        self.receiver = Receiver(values["blksize"], values["windowsize"])
        if self.receiver.windowsize > 1:
            self._patience.least = self._job.options.window_timeout
        self.tsize = values["tsize"] or None  # 0: an empty file, or a server that echoes what we sent
        self._check_limit(values["tsize"])
        if self.tsize and self._job.expect:
            self._job.expect(self.tsize)

    # -- the blocks

    def _receive(self) -> None:
        receiver, patience = self.receiver, self._patience
        haste = Haste(receiver.batches_a_window, awake=receiver.windowsize > 1)
        while not receiver.complete:
            started, before = time.monotonic(), receiver.pending
            self._line.set_timeout(min(patience.due, self._job.deadline) - started)
            count = self._pump(self._line.poll if haste.awake else self._line.receive)
            now = time.monotonic()
            if receiver.pending > before:
                self._sent = now
                if receiver.is_full and not before:
                    haste.learn(now - started)
                    patience.learn((now - started) * receiver.windowsize / receiver.slots)
            if count > 0:
                self._look(count)
            if receiver.pending > before or receiver.complete:
                self._errors = 0
                patience.reset(now)
            if now >= self._job.deadline and not receiver.complete:
                raise self._late("not finished in time")
            if receiver.is_full:
                self._flush()
                patience.reset(time.monotonic())
            elif count == _SILENT or now >= patience.due:
                self._silence(now)
        self._finish()

    def _pump(self, receive: Callable[[memoryview], int]) -> int:
        """Length of a packet to be looked at, 0 if there is none, or _SILENT."""
        try:
            return self.receiver.pump(receive, self._line.send, time.monotonic, self._job.deadline)
        except BlockingIOError:
            return _SILENT
        except OSError as error:
            self._network_error(error)
            return 0

    def _look(self, count: int) -> None:
        """Deal with the packet that was not the next full block."""
        packet = self.receiver.packet
        operation = opcode(packet) if count >= HEADER else 0
        if operation == Op.DATA:
            self._judge(count)
        elif operation == Op.ERROR:
            raise server_error(bytes(packet[:count]))
        elif operation in (Op.RRQ, Op.WRQ):
            raise Violation(Code.ILLEGAL, "the server sent a request in the middle of the transfer")
        elif operation == Op.OACK and self._is_empty:
            self._answer_echo()

    def _judge(self, count: int) -> None:
        verdict = self.receiver.judge(count)
        if verdict in (Verdict.TAKEN, Verdict.GAP):
            self.retransmits += verdict is Verdict.GAP
            self._acknowledge()
        elif verdict is Verdict.STALE:
            self._answer_echo()

    def _answer_echo(self) -> None:
        # Were every copy of a block acknowledged, a sender that answers every acknowledgement with a block
        # would send all that follows twice: the "Sorcerer's Apprentice" of RFC 1123 4.2.3.1.
        if time.monotonic() - self._sent >= _QUIET:
            self.retransmits += 1
            self._acknowledge()

    def _acknowledge(self) -> None:
        try:
            self._line.send(self.receiver.acknowledgement())
        except OSError as error:
            self._network_error(error)
        self._sent = time.monotonic()

    def _silence(self, now: float) -> None:
        """Nothing has come for too long: acknowledge again, or give up."""
        self._line.turn_strangers_away()
        if self._patience.is_over(now):
            raise self._late("the server has fallen silent")
        self._patience.silence(now)
        self.retransmits += 1
        if self._is_empty and self._patience.silences == _BLACK_HOLE:
            # The OACK was short; where full blocks do not fit through, nobody says so.
            for blksize in self._job.options.smaller:
                if blksize < self.receiver.blksize:
                    raise _AskAgain({**self._ask, "blksize": blksize})
        self._acknowledge()

    def _flush(self) -> None:
        piece = self.receiver.take()
        self.size += len(piece)
        self._check_limit(self.size)
        try:
            self._job.write(piece)
        except OSError as error:
            raise FetchError(f"{self._job.what}: cannot store it: {error}") from error
        self._line.turn_strangers_away()

    def _finish(self) -> None:
        self._flush()
        if self.tsize not in (None, self.size):
            raise FetchError(f"{self._job.what}: {self.tsize} bytes announced, {self.size} sent")
        self._acknowledge()

    @property
    def _is_empty(self) -> bool:
        return not self.size and not self.receiver.pending

    @property
    def _progress(self) -> str:
        total = f" of {size_text(self.tsize)}" if self.tsize else ""
        return f"{size_text(self.size + self.receiver.pending)}{total} received"

    def _check_limit(self, size: int) -> None:
        if size > self._job.limit:
            raise TooLarge(f"{self._job.what}: larger than the limit of {size_text(self._job.limit)}")

    def _network_error(self, error: OSError) -> None:
        self._errors += 1
        if self._errors >= _NETWORK_ERRORS:
            said = error.strerror if self._is_empty else f"{error.strerror} ({self._progress})"
            raise FetchError(f"{self._job.what}: {said}", cause=tcp.cause(error)) from None
