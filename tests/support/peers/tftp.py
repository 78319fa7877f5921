"""TFTP servers on loopback that do what their script says: a plain function that is given a :class:`Talk`."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable, Optional

import pytest

from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.fetch.tftp import client as tftp

RRQ, WRQ, DATA, ACK, ERROR, OACK = range(1, 7)

Mangle = Callable[[bytes], Iterable[bytes]]

QUICK = tftp.Options(timeout=0.1, min_timeout=0.05, window_timeout=0.02, max_timeout=0.3, patience=0.8)
CONTENT = random.Random(1).randbytes(100_000)


def data(block: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HH", DATA, block) + payload


def ack(block: int) -> bytes:
    return struct.pack("!HH", ACK, block)


def error(code: int, text: bytes = b"no\0") -> bytes:
    return struct.pack("!HH", ERROR, code) + text


def oack(*words: str) -> bytes:
    return struct.pack("!H", OACK) + b"".join(word.encode() + b"\0" for word in words)


class Talk:
    """The server's side of one request, on its own port; ``heard`` is all that came after the request."""

    def __init__(self, request: bytes, client: Any, family: int, host: str) -> None:
        name, _mode, *words = request[2:].split(b"\0")[:-1]
        self.request = request
        self.name = name
        self.options = {k.decode(): int(v) for k, v in zip(words[::2], words[1::2])}
        self.client = client
        self.heard: list[bytes] = []
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.sock.sendto(packet, self.client)

    def hear(self, timeout: float = 2.0) -> Optional[bytes]:
        """The next packet of the client, or None."""
        self.sock.settimeout(timeout)
        try:
            packet = self.sock.recv(2048)
        except (OSError, ValueError):
            return None
        self.heard.append(packet)
        return packet

    def hear_all(self, quiet: float = 0.15) -> list[bytes]:
        """Everything up to that many seconds of silence."""
        while self.hear(quiet):
            pass
        return self.heard

    def grant(self, *names: str, tsize: int = 0) -> None:
        """Answer with the options of those names as they were asked for, and hear the ACK of it."""
        values = {**self.options, "tsize": tsize}
        self.send(oack(*(word for name in names for word in (name, str(values[name])))))
        heard = self.hear()
        while heard is not None and heard.startswith(_UNKNOWN_ID):  # of a request that came twice
            heard = self.hear()
        assert heard == ack(0)


_UNKNOWN_ID = b"\0\5\0\5"
Script = Callable[[Talk], object]


class Peer:
    """A server on ``host``; every request is handed to ``script`` in a thread of its own."""

    def __init__(self, script: Script, host: str) -> None:
        self.host = host
        self.talks: list[Talk] = []
        self.failures: list[BaseException] = []
        self._script = script
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(self._family, socket.SOCK_DGRAM)
        self._listener.bind((host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            request, client = self._listener.recvfrom(2048)
            if not request:
                return
            talk = Talk(request, client, self._family, self.host)
            self.talks.append(talk)
            self._threads.append(threading.Thread(target=self._run, args=(talk,), daemon=True))
            self._threads[-1].start()

    def _run(self, talk: Talk) -> None:
        try:
            self._script(talk)
        except BaseException as failure:  # shown by the test, in its own thread
            self.failures.append(failure)

    def stop(self) -> None:
        """Let every script come to its end."""
        with socket.socket(self._family, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", (self.host, self.port))
        for thread in self._threads:
            thread.join(5)
        self._listener.close()
        for talk in self.talks:
            talk.sock.close()


@contextmanager
def peer(script: Script, host: str = "127.0.0.1") -> Iterator[Peer]:
    """A server for the time of the ``with`` block; what went wrong in its script is raised at the end."""
    server = Peer(script, host)
    try:
        yield server
    finally:
        server.stop()
    for failure in server.failures:
        raise failure


def faithful(packet: bytes) -> Iterable[bytes]:
    """A network that delivers."""
    return (packet,)


def unreliable(seed: int, share: float) -> Mangle:
    """A network that loses, doubles, and delays by up to three packets, ``share`` of the packets each."""
    dice = random.Random(seed)
    late: list[bytes] = []

    def mangle(packet: bytes) -> Iterable[bytes]:
        throw = dice.random()
        if throw < share:
            return ()
        if throw < 2 * share:
            return (packet, packet)
        if throw < 3 * share and len(late) < 3:
            late.append(packet)
            return ()
        out = [packet, *late]
        late.clear()
        return out

    return mangle


def serve(
    content: bytes,
    names: Iterable[str] = ("tsize", "blksize", "windowsize"),
    *,
    wrap: int = 0,
    mangle: Mangle = faithful,
    timeout: float = 0.1,
) -> Script:
    """A sound server of ``content`` that grants the options ``names``; block ``wrap`` comes after 65535."""

    def script(talk: Talk) -> None:
        granted = [name for name in names if name in talk.options]
        if granted:
            talk.grant(*granted, tsize=len(content))
        size = talk.options["blksize"] if "blksize" in granted else 512
        window = talk.options["windowsize"] if "windowsize" in granted else 1
        send_blocks(talk, content, size, window, wrap, mangle, timeout)

    return script


def send_blocks(
    talk: Talk, content: bytes, size: int, window: int, wrap: int, mangle: Mangle, timeout: float
) -> None:
    """Send windows and go where the acknowledgements say, until the last block is acknowledged."""
    total, done, tries = len(content) // size + 1, 0, 0
    cycle = 0x10000 - wrap

    def number(block: int) -> int:
        return block if block < 0x10000 else (block - wrap) % cycle + wrap

    while done < total:
        for block in range(done + 1, min(done + window, total) + 1):
            talk.send(*mangle(data(number(block), content[(block - 1) * size : block * size])))
        until = time.monotonic() + timeout
        before = done
        while done == before and time.monotonic() < until:
            packet = talk.hear(timeout)
            if packet is None:
                break
            if packet[:2] == struct.pack("!H", ERROR):
                return
            reached = {number(b): b for b in range(done, min(done + window, total) + 1)}
            done = reached.get(struct.unpack("!HH", packet[:4])[1], done)
        tries = 0 if done > before else tries + 1
        assert tries < 100, "the client is gone"


@contextmanager
def stranger(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A socket that has no business with the client."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))
        sock.settimeout(2)
        yield sock


def answer_to(sock: socket.socket) -> bytes:
    """What the stranger was told, empty if nothing."""
    with suppress(OSError):
        return sock.recv(2048)
    return b""


def fetch(
    server: Peer,
    name: bytes = b"file",
    *,
    limit: int = 1 << 30,
    seconds: float = 20,
    options: tftp.Options = QUICK,
    into: Optional[list[bytes]] = None,
    memory: Optional[tftp.Memory] = None,
) -> tuple[bytes, tftp.Transfer]:
    """The file and the account of its transfer."""
    pieces: list[bytes] = [] if into is None else into
    done = tftp.get(
        server.host, name, lambda piece: pieces.append(bytes(piece)), port=server.port,
        limit=limit, deadline=time.monotonic() + seconds, options=options, memory=memory,
    )  # fmt: skip
    content = b"".join(pieces)
    assert done.size == len(content)
    return content, done


def errors(talk: Talk) -> list[int]:
    """Codes of the ERROR packets that the server got."""
    return [packet[3] for packet in talk.heard if packet[1] == ERROR]


def fails(script: Script, kind: type[PxeBootError] = FetchError, **more: object) -> tuple[str, Peer]:
    """The message that a fetch from ``script`` ends with, and the server."""
    with peer(script) as server:
        with pytest.raises(kind) as caught:
            fetch(server, **more)  # type: ignore[arg-type]
        assert kind in (caught.type, caught.type.__base__)
    return caught.value.message, server
