"""The closed schema of what crosses from the client to the host side, and the socket that carries it."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

import pytest

from pypxeboot.privsep.channel import MAX_MESSAGE, Channel, Closed
from pypxeboot.privsep.messages import Done, Ready
from pypxeboot.result import BootResult, Request
from pypxeboot.schema import SchemaError, unpack
from tests.support.samples.messages import FULL


@contextmanager
def ends() -> Iterator[tuple[Channel, Channel, socket.socket]]:
    """Two channels, and the bare socket of the second one."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        for end in (one, other):
            end.settimeout(10)
        yield Channel(one), Channel(other), other


def exchange(message: Any, descriptor: Optional[int] = None) -> tuple[str, object, Optional[int]]:
    """``message`` sent through a real pair of sockets, by a thread: it may be longer than their buffers."""
    with ends() as (one, other, _):
        sender = threading.Thread(target=one.send, args=(message, descriptor))
        sender.start()
        try:
            return other.receive()
        finally:
            sender.join(10)


def test_messages_cross_whole() -> None:
    kind, value, descriptor = exchange(FULL)
    assert (kind, descriptor) == ("BootResult", None)
    assert unpack(BootResult, value) == FULL


def test_long_messages_cross_in_pieces() -> None:
    request = Request("tftp://x/" + "c" * 180, "not-found", 0, 0.5)
    result = replace(FULL, requests=(request,) * 10_000)
    begin = time.monotonic()
    kind, value, _ = exchange(result)
    assert unpack(BootResult, value) == result
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_descriptors_cross(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    mine = os.open(path, flags)
    kind, value, theirs = exchange(Done(), mine)
    assert (kind, value) == ("Done", {"error": ""}) and theirs is not None and theirs != mine
    os.close(mine)
    assert os.pread(theirs, 100, 0) == b"content"
    os.close(theirs)


HEADS: dict[str, Callable[[socket.socket], object]] = {
    "no-number": lambda raw: raw.send(b"x"),
    "negative": lambda raw: raw.send(b"-1"),
    "none": lambda raw: raw.send(b"0"),
    "oversize": lambda raw: raw.send(str(MAX_MESSAGE // 65536 + 1).encode()),
    "astronomic": lambda raw: raw.send(b"9" * 16),
    "no-utf8": lambda raw: raw.send(b"\xff\xfe"),
    "no-json": lambda raw: (raw.send(b"1"), raw.send(b"{")),
    "binary": lambda raw: (raw.send(b"1"), raw.send(b"\xff\xfe\x00")),
    "no-message": lambda raw: (raw.send(b"1"), raw.send(b"[]")),
    "no-type": lambda raw: (raw.send(b"1"), raw.send(b'{"value": {}}')),
    "no-value": lambda raw: (raw.send(b"1"), raw.send(b'{"type": "Done"}')),
    "number": lambda raw: (raw.send(b"1"), raw.send(b"7")),
    "deep": lambda raw: (raw.send(b"1"), raw.send(b"[" * 60000)),
    "digits": lambda raw: (raw.send(b"1"), raw.send(b'{"type":"Done","value":' + b"9" * 60000 + b"}x")),
    "hung-up-inside": lambda raw: (raw.send(b"2"), raw.send(b'{"type":'), raw.shutdown(socket.SHUT_WR)),
}


@pytest.mark.parametrize("case", HEADS)
def test_broken_messages(case: str) -> None:
    with ends() as (one, _, raw):
        HEADS[case](raw)
        with pytest.raises((SchemaError, Closed)):
            one.receive()


def test_a_side_that_is_gone() -> None:
    with ends() as (one, _, raw):
        raw.close()
        with pytest.raises(Closed):
            one.receive()
        with pytest.raises(Closed):
            one.send(FULL)


def test_last_words_of_a_side_that_did_not_listen() -> None:
    """The kernel tells of the words that it did not read before it hands over those that it said."""
    with ends() as (one, other, raw):
        one.send(Ready())
        other.send(FULL)
        raw.close()
        assert one.receive()[0] == "BootResult"
        with pytest.raises(Closed):
            one.receive()


def test_a_side_that_says_nothing_meets_the_timeout() -> None:
    with ends() as (one, _, raw):
        one.settimeout(0.2)
        with pytest.raises(socket.timeout):
            one.receive()
        raw.send(b"2")
        with pytest.raises(socket.timeout):
            one.receive()


def test_the_timeout_is_for_the_whole_message() -> None:
    """One piece now and then must not stretch it: the host side has one deadline."""
    over = threading.Event()
    with ends() as (one, _, raw):
        one.settimeout(0.5)

        def drip() -> None:
            raw.send(b"15")
            while not over.wait(0.2):
                raw.send(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        begin = time.monotonic()
        try:
            with pytest.raises((socket.timeout, SchemaError)):
                one.receive()
            assert time.monotonic() - begin < 2
        finally:
            over.set()
            thread.join()


def test_descriptors_nobody_asked_for_do_not_pile_up(tmp_path: Path) -> None:
    """A client that sends some with every message must not use up the host side's."""
    with ends() as (one, _, raw):
        mine = os.open(tmp_path, os.O_RDONLY)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            socket.send_fds(raw, [b"1"], [mine, mine, mine])
            raw.send(b'{"type":"Done","value":{}}')
            _kind, _value, descriptor = one.receive()
            if descriptor is not None:
                os.close(descriptor)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        os.close(mine)
