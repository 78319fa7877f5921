"""What the client tells the host side of, over a real pair of sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from pypxeboot.client.host import HostSide
from pypxeboot.entry import Action
from pypxeboot.errors import Refused
from pypxeboot.privsep.channel import MAX_MESSAGE, Channel, Closed
from pypxeboot.privsep.messages import MAX_LISTED, Entries
from pypxeboot.schema import MAX_TEXT, unpack


def piece(*cmdlines: str) -> Entries:
    """Entries that have these command lines, and nothing else."""
    count = len(cmdlines)
    text, lists, nothing = ("",) * count, ((),) * count, (None,) * count
    action, default = (Action.BOOT,) * count, (False,) * count
    return Entries(text, text, action, nothing, lists, cmdlines, default, lists, nothing, lists, text)


@contextmanager
def host_side() -> Iterator[tuple[HostSide, list[int], list[str]]]:
    """A host side that takes what comes: how long each message was, and the command lines in it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lengths: list[int] = []
    told: list[str] = []

    def take() -> None:
        channel = Channel(theirs)
        try:
            while True:
                _kind, value, _descriptor = channel.receive()
                lengths.append(channel.length)
                told.extend(unpack(Entries, value).cmdline)
        except Closed:
            pass

    taker = threading.Thread(target=take)
    with theirs:
        taker.start()
        try:
            with ours:
                yield HostSide(Channel(ours)), lengths, told
        finally:
            taker.join()


def test_a_list_crosses_in_its_pieces() -> None:
    pieces: Sequence[Sequence[str]] = [["a"], ["b", "c"], ["d"]]
    with host_side() as (host, lengths, told):
        host.list_entries(piece(*texts) for texts in pieces)
    assert told == ["a", "b", "c", "d"] and len(lengths) == 3


def test_a_list_that_the_host_side_would_refuse_is_not_sent() -> None:
    """The host side takes one message more than the client sends, so that the client can say why."""
    endless = (piece(*["x" * MAX_TEXT] * 50) for _ in range(100))
    with host_side() as (host, lengths, _told):
        with pytest.raises(Refused, match="cannot be handed over"):
            host.list_entries(endless)
    assert MAX_LISTED < sum(lengths) <= MAX_LISTED + MAX_MESSAGE


def test_an_entry_that_the_host_side_would_refuse_is_not_sent() -> None:
    with host_side() as (host, _lengths, told):
        with pytest.raises(Refused, match="cannot be handed over: a text of 65537"):
            host.list_entries(iter([piece("a"), piece("x" * (MAX_TEXT + 1))]))
    assert told == ["a"]
