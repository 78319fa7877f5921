"""No message of the client costs the host side much more memory than it has bytes."""

from __future__ import annotations

import json
import socket
import threading
import tracemalloc

import pytest

from pypxeboot.privsep.channel import MAX_MESSAGE, Channel
from pypxeboot.privsep.messages import Entries
from pypxeboot.schema import SchemaError, unpack

MOST = 80 << 20


def listed(count: int) -> bytes:
    """So many entries of a menu, in one message."""
    value: dict[str, object] = {name: [""] * count for name in ("label", "title", "cmdline", "meaning")}
    value.update({name: [[]] * count for name in ("initrds", "modules", "menu")})
    value.update({name: [None] * count for name in ("kernel", "dtb")})
    value.update(action=["boot"] * count, default=[False] * count)
    return json.dumps({"type": "Entries", "value": value}, separators=(",", ":")).encode()


def whole(inside: bytes) -> bytes:
    """A message as long as may be, whose value is a list of these."""
    count = (MAX_MESSAGE - 40) // (len(inside) + 1)
    return b'{"type":"x","value":[' + b",".join([inside] * count) + b"]}"


def keyed(count: int) -> bytes:
    """A message whose value is an object of so many keys, none twice, each of one wide character."""
    pairs = (f'"{chr(0x10000 + number)}":0'.encode() for number in range(count))
    return b'{"type":"x","value":{' + b",".join(pairs) + b"}}"


MESSAGES = {
    "keys": lambda: keyed((MAX_MESSAGE - 40) // 9),
    "as many keys as may be": lambda: keyed(299_000),
    "lists": lambda: whole(b"[]"),
    "objects": lambda: whole(b'{"":[]}'),
    "numbers": lambda: whole(b"1"),
    "texts": lambda: whole(b'""'),
    "wide texts": lambda: whole('"\U0001f600aaaaaaaaaaaa"'.encode()),
    "one text": lambda: b'{"type":"x","value":"' + "\U0001f600".encode() + b"a" * (MAX_MESSAGE - 40) + b'"}',
    "nested": lambda: b"[" * MAX_MESSAGE,
    "as many lists as may be": lambda: b'{"type":"x","value":[' + b",".join([b"[]"] * 190_000) + b"]}",
    "as many objects as may be": lambda: b'{"type":"x","value":[' + b",".join([b'{"a":1}'] * 190_000) + b"]}",
    "entries": lambda: listed(25_000),
    "a long number": lambda: b'{"type":"x","value":' + b"9" * (MAX_MESSAGE - 40) + b"}",
    "a long fraction": lambda: b'{"type":"x","value":0.' + b"9" * (MAX_MESSAGE - 40) + b"}",
}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_a_message_costs(name: str) -> None:
    data = MESSAGES[name]()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]

    def send() -> None:
        theirs.send(str(len(pieces)).encode())
        for piece in pieces:
            theirs.send(piece)

    sender = threading.Thread(target=send)
    channel = Channel(ours)
    channel.settimeout(60)
    tracemalloc.start()
    try:
        sender.start()
        try:
            kind, value, _descriptor = channel.receive()
            if kind == "Entries":
                entries = tuple(unpack(Entries, value).rows())
                assert len(entries) == 25_000, "a large menu is no attack"
        except SchemaError:
            assert name != "entries"
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        sender.join()
        ours.close()
        theirs.close()
    assert peak < MOST, f"{peak >> 20} MiB"
