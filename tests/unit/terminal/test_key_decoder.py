"""The key decoder: what terminals send, and what nobody sends on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.terminal.key_decoder import Decoder
from tests.support.terminal import KEYS


def decoded(data: bytes) -> list[str]:
    """The keys of ``data``, with a moment of silence behind it."""
    decoder = Decoder()
    return decoder.feed(data) + decoder.flush()


@pytest.mark.parametrize("key", sorted(KEYS))
def test_keys_of_a_vt220(key: str) -> None:
    same = {"ctrl-h": "backspace", "ctrl-i": "tab", "ctrl-j": "enter", "ctrl-m": "enter"}
    assert decoded(KEYS[key]) == [same.get(key, key)]


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"\x1bOA", "up"), (b"\x1bOD", "left"), (b"\x1b[H", "home"), (b"\x1bOF", "end"),
        (b"\x1b[7~", "home"), (b"\x1b[8~", "end"), (b"\x1b[[A", "f1"), (b"\x1b[[E", "f5"),
        (b"\x1b[11~", "f1"), (b"\x1b[14~", "f4"), (b"\x1b[1;5A", "up"), (b"\x1b[1;2P", "f1"),
        (b"\x1b[5;3~", "page-up"), (b"\x1b[3$", "delete"), (b"\x1b[3^", "delete"), (b"\x1b[a", "up"),
        (b"\x1bOM", "enter"), (b"\x1bOp", "0"), (b"\x1bOm", "-"), (b"\n", "enter"), (b"\r\n", "enter"),
        (b"\x08", "backspace"), ("é".encode(), "é"), ("日".encode(), "日"), (b"\x1b", "escape"),
    ],
)  # fmt: skip
def test_other_terminals(sent: bytes, key: str) -> None:
    assert decoded(sent) == [key]
    pieces = Decoder()
    one_by_one = [found for byte in sent for found in pieces.feed(bytes([byte]))]
    assert one_by_one + pieces.flush() == [key], "as slow lines bring it"


@pytest.mark.parametrize(
    ("sent", "keys"),
    [
        (b"\x1b[?1;2cx", ["x"]),
        (b"\x1b[200~a\x1b[201~b", ["a", "b"]),
        (b"\x1b[12;40Rx", ["x"]),
        (b"\x1b[" + b"1;" * 500 + b"Ax", ["x"]),
        (b"\x1b[1\x1b[B", ["down"]),
        (b"\x1b\x1b[A", ["escape", "up"]),
        (b"\x1bx", ["escape", "x"]),
        (b"\x1bO", ["escape", "O"]),
        (b"\xff\xc3(\x00\x1c", ["("]),
        ("\u202e\u200b\x9b".encode(), []),
        (b"\r\r\n\n", ["enter", "enter", "enter"]),
    ],
)
def test_what_is_no_key_is_not_typed(sent: bytes, keys: list[str]) -> None:
    found = decoded(sent)
    assert found == keys


def test_a_lone_escape_waits_for_more() -> None:
    decoder = Decoder()
    assert (decoder.feed(b"\x1b"), decoder.pending) == ([], True)
    assert (decoder.feed(b"[A"), decoder.pending) == (["up"], False)
    assert (decoder.feed(b"\x1b[1"), decoder.flush(), decoder.pending) == ([], [], False)


NAMES = {*KEYS, "enter"}


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes(pieces: list[bytes]) -> None:
    decoder, whole = Decoder(), Decoder()
    keys = [key for piece in pieces for key in decoder.feed(piece)] + decoder.flush()
    assert keys == whole.feed(b"".join(pieces)) + whole.flush(), "however they are cut"
    assert not decoder.pending
    for key in keys:
        assert key in NAMES or (len(key) == 1 and key.isprintable())
    assert len(keys) <= sum(map(len, pieces))


@given(st.binary(max_size=4000))
def test_what_is_held_back_is_bounded(data: bytes) -> None:
    decoder = Decoder()
    for at in range(0, len(data), 10):
        decoder.feed(data[at : at + 10])
        assert len(decoder._held) < 50
