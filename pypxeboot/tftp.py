"""The TFTP client: RFC 1350, 2347 (options), 2348 (blksize), 2349 (tsize), 7440 (windowsize); IPv4 and IPv6.

:func:`get` asks for the best and falls back: to no options where the server refuses them, to smaller blocks
where large ones vanish on the way. Packets are tftpy's; ``tftpreceiver`` puts blocks in order.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from pypxeboot.errors import FetchError, NotFound, Refused
from pypxeboot.text import printable, size_text
from pypxeboot.tftpreceiver import ACK, DATA, ERROR, HEADER, OACK, RRQ, WRQ, Receiver, TooLong, Verdict

log = logging.getLogger(__name__)

# RFC 1350 5 and RFC 2347: error codes.
_NOT_DEFINED, _NO_FILE, _NO_ACCESS, _DISK_FULL, _ILLEGAL, _UNKNOWN_TID = range(6)
_BAD_OPTION = 8

_SMALL = 512  # RFC 1350: the block size without options; RFC 2347: the longest request
_IPV6_EXTRA = 20  # bytes by which an IPv6 header is longer
_RECEIVE_BUFFER = 1 << 20  # a window waits here while a batch is written; the kernel may grant less
_STRANGERS = 16  # packets from elsewhere that are answered in one go
_QUIET = 0.1  # s; a block that comes again sooner is an echo, later a sender that lost our acknowledgement
_NETWORK_ERRORS = 3  # in a row: one ICMP message may be forged, or tell of a server that restarts
_BLACK_HOLE = 3  # silences after the OACK before smaller blocks are tried
_SILENT = -1

# Linux: ICMP errors for a socket that is not connected; Python has no names for these.
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}


@dataclass(frozen=True)
class Options:
    """What to ask for, and how long to wait (seconds)."""

    blksize: int = 1468  # an Ethernet frame less IP, UDP and TFTP headers: never fragmented
    windowsize: int = 64
    smaller: tuple[int, ...] = (1024, _SMALL)  # asked for in turn when larger blocks do not come through
    timeout: float = 0.5  # until the first answer; doubles with every silence
    min_timeout: float = 0.25  # once round trips have been measured
    max_timeout: float = 8.0
    retries: int = 6  # requests or acknowledgements sent again before the server is given up


@dataclass(frozen=True)
class Transfer:
    """A finished transfer. ``retransmits`` counts what had to be sent again by us."""

    size: int
    tsize: Optional[int]
    blksize: int
    windowsize: int
    seconds: float
    retransmits: int


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
) -> Transfer:
    """Fetch ``name`` from ``host``, handing ``write`` its bytes in order, in large pieces not to be kept.

    ``deadline`` is a time of :func:`time.monotonic`; ``expect`` is told the size if the server announces it.
    Raises NotFound, FetchError (silence, broken protocol, cut short, OSError of ``write``) and Refused (more
    than ``limit`` bytes, or a name that no request can carry). What else ``write`` and ``expect`` raise ends
    the transfer and passes through.
    """
    started = time.monotonic()
    job = _Job(host, name, write, port, limit, deadline, expect, options or Options())
    family, address = _resolve(job)
    ask = _first_ask(job, family)
    retransmits = 0
    while True:
        with _Session(job, family, address, ask) as session:
            try:
                session.run()
            except _AskAgain as again:
                log.debug("%s: asking again, options now %s", job.what, dict(again.ask))
                ask = again.ask
                retransmits += session.retransmits + 1
                continue
        receiver, seconds = session.receiver, time.monotonic() - started
        retransmits += session.retransmits
        return Transfer(
            session.size, session.tsize, receiver.blksize, receiver.windowsize, seconds, retransmits
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
        return f"tftp://{printable(self.host)}/{printable(self.name)}"


class _AskAgain(Exception):
    """The same file is worth another request, with the options ``ask``."""

    def __init__(self, ask: Mapping[str, int]) -> None:
        super().__init__()
        self.ask = ask


class _ServerError(Exception):
    """The server sent an ERROR."""

    def __init__(self, code: int, text: bytes) -> None:
        super().__init__()
        self.code = code
        self.text = text


class _Violation(Exception):
    """The server broke the protocol; it is told so with ``code``."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def _resolve(job: _Job) -> tuple[int, Any]:
    """Family and address of the server: the first of its addresses that there is a route to."""
    try:
        found = socket.getaddrinfo(job.host, job.port, type=socket.SOCK_DGRAM)
        for family, _, _, _, address in found:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                try:
                    probe.connect(address)  # sends nothing
                except OSError as error:
                    problem = error
                    continue
                return family, address
    except (OSError, ValueError) as error:  # ValueError: what cannot be a host name
        raise FetchError(f"{job.what}: cannot find the server: {printable(str(error))}") from None
    raise FetchError(f"{job.what}: no way to the server: {problem}")


def _first_ask(job: _Job, family: int) -> Mapping[str, int]:
    """The options of the first request: none if there is no room for them beside the name."""
    if not job.name or b"\0" in job.name:
        raise Refused(f"{job.what}: not a file name that TFTP can carry")
    blksize = job.options.blksize - (_IPV6_EXTRA if family == socket.AF_INET6 else 0)
    ask = {"tsize": 0, "blksize": blksize, "windowsize": job.options.windowsize}
    # RFC 2347: "The maximum size of a request packet is 512 octets"; more has overrun servers.
    for options in (ask, {}):
        if len(_request(job.name, options)) <= _SMALL:
            return options
    raise Refused(f"{job.what}: a name of {len(job.name)} bytes is too long for a TFTP request")


class _Session:
    """One request and what comes of it.

    Two sockets share a local port: ``_door`` hears everybody, ``_line`` is connected to the address and port
    that the server answers from (its TID), so that the kernel keeps strangers out of the loop over the blocks.
    """

    def __init__(self, job: _Job, family: int, address: Any, ask: Mapping[str, int]) -> None:
        self._job = job
        self._address = address
        self._ask = ask
        self._timeout = job.options.timeout
        self._rtt: Optional[float] = None
        self._silences = self._errors = 0  # in a row
        self._sent = 0.0  # when we last sent something, or might have
        self._peer: Any = None
        self.receiver = Receiver(_SMALL, 1)
        self.retransmits = self.size = 0
        self.tsize: Optional[int] = None
        self._door = socket.socket(family, socket.SOCK_DGRAM)
        self._line = socket.socket(family, socket.SOCK_DGRAM)
        self._door.setsockopt(*_RECVERR[socket.AddressFamily(family)], 1)

    def __enter__(self) -> _Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        self._line.close()

    def run(self) -> None:
        """Fetch the file; _AskAgain if another request may fare better."""
        try:
            self._begin(self._first_answer())
            self._receive()
        except _ServerError as error:  # RFC 1350 7: never acknowledged
            raise self._refusal(error) from None
        except _Violation as broken:
            self._tell(broken.code, str(broken))
            raise FetchError(f"{self._job.what}: {broken}") from None
        except Refused:
            self._tell(_DISK_FULL, "Larger than allowed here")
            raise
        except BaseException:
            self._tell(_NOT_DEFINED, "Transfer given up")
            raise

    def _refusal(self, error: _ServerError) -> Exception:
        words = printable(error.text) or "no reason given"
        if error.code in (_NO_FILE, _NO_ACCESS):
            return NotFound(f"{self._job.what}: {words}")
        # RFC 2347: ERROR 8 refuses the options; servers older than that use whatever code comes to mind.
        if self._ask and not self.size and not self.receiver.pending:
            return _AskAgain({})
        return FetchError(f"{self._job.what}: the server says: {words} (TFTP error {error.code})")

    # -- the request

    def _first_answer(self) -> bytes:
        request = _request(self._job.name, self._ask)
        started = now = time.monotonic()
        while True:
            try:
                self._door.sendto(request, self._address)
            except OSError as error:
                self._network_error(error)
            answer = self._hear(min(now + self._timeout, self._job.deadline))
            now = time.monotonic()
            if answer is not None:
                if not self._silences:  # Karn: only if it is clear what was answered
                    self._rtt = now - started
                self._silences = self._errors = 0
                return answer
            times = self._silences + 1
            if now >= self._job.deadline or self._silences == self._job.options.retries:
                raise FetchError(
                    f"no answer from TFTP server {printable(self._job.host)} "
                    f"(asked {times} time{'s' if times > 1 else ''} in {now - started:.1f} s)",
                    hint=f"does it run, and does every firewall let UDP port {self._job.port} "
                    "and the replies from other ports pass?",
                )
            self._be_patient()

    def _hear(self, until: float) -> Optional[bytes]:
        """The first packet of the server that can be an answer, or None."""
        while True:
            left = until - time.monotonic()
            if left <= 0:
                return None
            _set_timeout(self._door, left)
            try:
                data, sender = self._door.recvfrom(2 * _SMALL)
            except BlockingIOError:
                return None
            except OSError as error:
                self._network_error(error)
                continue
            if sender[0] != self._address[0]:  # RFC 1350 4: only the port may differ
                self._turn_away(data, sender)
            elif len(data) >= HEADER and _opcode(data) in range(RRQ, OACK + 1):
                if _opcode(data) != DATA or data[2:HEADER] == b"\0\1":
                    self._peer = sender
                    return data

    def _begin(self, data: bytes) -> None:
        """Settle with the server on what its first packet says."""
        opcode = _opcode(data)
        if opcode == ERROR:
            raise _server_error(data)
        if opcode not in (DATA, OACK):
            raise _Violation(_ILLEGAL, "the server answered with something else than data")
        self._connect()
        # The server opens the file before it answers, but the first read may be from a slow disk.
        self._timeout = max(self._job.options.timeout, self._adapted())
        if opcode == OACK:
            self._agree(_granted(data))
            self._acknowledge()
            return
        if len(data) > HEADER + _SMALL:
            raise _Violation(_ILLEGAL, f"more than {_SMALL} bytes in a block")
        self.receiver.packet[: len(data)] = data
        self._judge(len(data))

    def _agree(self, granted: Mapping[str, str]) -> None:
        values = {"blksize": _SMALL, "windowsize": 1}
        least = {"blksize": 8, "windowsize": 1}  # RFC 2348, RFC 7440
        for name, text in granted.items():
            if name not in self._ask:  # RFC 2347: it "must not" grant what was not asked for
                raise _Violation(_BAD_OPTION, f"the server insists on option {printable(name)}")
            number = int(text) if text.isdigit() and len(text) <= 20 else -1
            if number < 0 or (name in least and not least[name] <= number <= self._ask[name]):
                raise _Violation(_BAD_OPTION, f"the server answers {name} with {printable(text)}")
            values[name] = number
        self.receiver = Receiver(values["blksize"], values["windowsize"])
        self.tsize = values.get("tsize") or None  # 0: an empty file, or a server that echoes what we sent
        if self.tsize is not None:
            self._check_limit(self.tsize)
            if self._job.expect:
                self._job.expect(self.tsize)

    def _connect(self) -> None:
        # Shared only while the second socket is bound, so that no third one can join them.
        for end in (self._door, self._line):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self._line.bind(self._door.getsockname())
        self._line.connect(self._peer)
        for end in (self._door, self._line):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        # What came in before it was connected can be from anybody; the server waits for us now.
        for _ in range(_STRANGERS):
            try:
                self._line.recv(1, socket.MSG_DONTWAIT)
            except OSError:
                break

    # -- the blocks

    def _receive(self) -> None:
        receiver, deadline = self.receiver, self._job.deadline
        now = time.monotonic()
        due = now + self._timeout
        while not receiver.complete:
            before, started = receiver.pending, now
            _set_timeout(self._line, min(due, deadline) - now)
            count = self._pump()
            now = time.monotonic()
            if receiver.full:
                self._measure((now - started) / (receiver.pending - before))
            if receiver.pending > before:
                self._sent = now
            if count > 0:
                self._look(count)
            if receiver.pending > before or receiver.complete:
                self._silences = self._errors = 0
                self._timeout = self._adapted()
                due = now + self._timeout
            if now >= deadline and not receiver.complete:
                raise FetchError(f"{self._job.what}: not finished in time ({self._so_far})")
            if receiver.full:
                self._flush()
                now = time.monotonic()
                due = now + self._timeout
            elif count == _SILENT or now >= due:
                self._silence()
                due = now + self._timeout
        self._finish()

    def _pump(self) -> int:
        """Length of a packet to be looked at, 0 if there is none, or _SILENT."""
        try:
            return self.receiver.pump(
                self._line.recv_into, self._line.send, time.monotonic, self._job.deadline
            )
        except BlockingIOError:
            return _SILENT
        except OSError as error:
            self._network_error(error)
            return 0

    def _look(self, count: int) -> None:
        """Deal with the packet that was not the next full block."""
        packet = self.receiver.packet
        opcode = _opcode(packet) if count >= HEADER else ACK
        if opcode == DATA:
            self._judge(count)
        elif opcode == ERROR:
            raise _server_error(bytes(packet[:count]))
        elif opcode in (RRQ, WRQ):
            raise _Violation(_ILLEGAL, "the server sent a request in the middle of the transfer")
        elif opcode == OACK and not self.size and not self.receiver.pending:
            self._answer_echo()

    def _judge(self, count: int) -> None:
        try:
            verdict = self.receiver.judge(count)
        except TooLong as problem:
            raise _Violation(_ILLEGAL, str(problem)) from None
        if verdict is Verdict.TAKEN:
            self._acknowledge()
        elif verdict is Verdict.GAP:
            self.retransmits += 1
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

    def _silence(self) -> None:
        """Nothing has come for too long: acknowledge again, or give up."""
        self._answer_strangers()
        job, receiver = self._job, self.receiver
        if self._silences == job.options.retries:
            raise FetchError(f"{job.what}: the server has fallen silent ({self._so_far})")
        started = self.size or receiver.pending
        if not started and self._silences + 1 == _BLACK_HOLE:
            # The OACK was short; where full blocks do not fit through, nobody says so.
            for blksize in job.options.smaller:
                if blksize < receiver.blksize:
                    raise _AskAgain({**self._ask, "blksize": blksize})
        self._be_patient()
        self._acknowledge()

    def _flush(self) -> None:
        piece = self.receiver.take()
        self.size += len(piece)
        self._check_limit(self.size)
        try:
            self._job.write(piece)
        except OSError as error:
            self._tell(_DISK_FULL, "No room")
            raise FetchError(f"{self._job.what}: cannot store it: {error}") from error
        self._answer_strangers()

    def _finish(self) -> None:
        self._flush()
        if self.tsize not in (None, self.size):
            raise FetchError(f"{self._job.what}: {self.tsize} bytes announced, {self.size} sent")
        self._acknowledge()

    # -- time, and other people

    def _measure(self, block: float) -> None:
        sample = block * self.receiver.blksize * self.receiver.windowsize
        self._rtt = sample if self._rtt is None else 0.75 * self._rtt + 0.25 * sample

    def _adapted(self) -> float:
        """RFC 1123 4.2.3.2: "an adaptive timeout must be used"."""
        options = self._job.options
        if self._rtt is None:
            return options.timeout
        return max(options.min_timeout, min(4 * self._rtt, options.max_timeout))

    def _be_patient(self) -> None:
        self._silences += 1
        self.retransmits += 1
        self._timeout = min(2 * self._timeout, self._job.options.max_timeout)

    @property
    def _so_far(self) -> str:
        total = f" of {size_text(self.tsize)}" if self.tsize else ""
        return f"{size_text(self.size + self.receiver.pending)}{total} received"

    def _check_limit(self, size: int) -> None:
        if size > self._job.limit:
            raise Refused(f"{self._job.what}: larger than the limit of {size_text(self._job.limit)}")

    def _network_error(self, error: OSError) -> None:
        self._errors += 1
        if self._errors >= _NETWORK_ERRORS:
            raise FetchError(
                f"{self._job.what}: {error.strerror}",
                hint=f"does a TFTP server listen on UDP port {self._job.port} there?",
            ) from None

    def _answer_strangers(self) -> None:
        for _ in range(_STRANGERS):
            try:
                data, sender = self._door.recvfrom(HEADER, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error for what we told one of them
                continue
            if sender != self._peer:
                self._turn_away(data, sender)

    def _turn_away(self, data: bytes, sender: Any) -> None:
        # RFC 1350 4: "An error packet should be sent to the source of the incorrect packet, while not
        # disturbing the transfer" - but never in answer to an error packet.
        if len(data) >= HEADER and _opcode(data) != ERROR:
            self._send(_error(_UNKNOWN_TID, "Unknown transfer ID"), sender)

    def _tell(self, code: int, text: str) -> None:
        if self._peer:
            self._send(_error(code, text), self._peer)

    def _send(self, packet: bytes, to: Any) -> None:
        try:
            self._door.sendto(packet, to)
        except OSError as error:
            log.debug("%s: %s", self._job.what, error)


def _set_timeout(end: socket.socket, seconds: float) -> None:
    """Let ``end`` raise BlockingIOError after so long: a timer of the kernel, cheaper than one of Python."""
    whole, part = divmod(max(1000, int(seconds * 1_000_000)), 1_000_000)  # 0 would be for ever
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", whole, part))


# -- packets


def _packets() -> Any:
    from tftpy import TftpPacketTypes  # on first use: 0.1 s

    # It logs what servers say, as they said it, at error level.
    logging.getLogger("tftpy").setLevel(logging.CRITICAL)
    return TftpPacketTypes


def _opcode(packet: Any) -> int:
    return int.from_bytes(packet[:2], "big")


def _request(name: bytes, options: Mapping[str, int]) -> bytes:
    packet = _packets().TftpPacketRRQ()
    packet.filename, packet.mode, packet.options = name, b"octet", options
    return bytes(packet.encode().buffer)


def _error(code: int, text: str) -> bytes:
    packet = _packets().TftpPacketERR()
    packet.errorcode = code
    packet.errmsgs[code] = text.encode("ascii", "replace")
    return bytes(packet.encode().buffer)


def _server_error(data: bytes) -> _ServerError:
    packet = _packets().TftpPacketERR()
    packet.buffer = data if data.endswith(b"\0") else data + b"\0"  # its decoder drops the last byte
    packet.decode()
    return _ServerError(packet.errorcode, (packet.errmsg or b"").split(b"\0")[0])


def _granted(data: bytes) -> Mapping[str, str]:
    """The options of an OACK: lower-case name -> value. RFC 2347: names are "case in-sensitive"."""
    packets = _packets()
    *strings, _ = data[2:].split(b"\0")
    count = next((at for at in range(0, len(strings), 2) if not strings[at]), len(strings)) // 2
    whole = b"".join(string + b"\0" for string in strings[: 2 * count])
    left = data[2 + len(whole) :].split(b"\0")[0]
    packet = packets.TftpPacketOACK()
    packet.buffer = data[:2] + whole
    try:
        packet.decode()
    except (packets.TftpException, ValueError, struct.error):
        raise _Violation(_BAD_OPTION, "the server's options are not to be understood") from None
    granted = {name.lower(): value for name, value in packet.options.items()}
    # Garbage behind whole options is known of IBM Tivoli 5.1.0.3 and harmless; half an option is not.
    if not count or len(granted) != count or left.lower() in (b"tsize", b"blksize", b"windowsize"):
        raise _Violation(_BAD_OPTION, "the server's options are cut short or come twice")
    return granted
