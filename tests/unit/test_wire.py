"""Text from strangers: bytes and back, safe to print, names; and the reader of bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.wire import Reader, Truncated


def test_reader() -> None:
    reader = Reader(b"\x01\x02\x03\x04\x05")
    assert (reader.remaining, reader.number(1), reader.number(2), reader.take(0)) == (5, 1, 0x0203, b"")
    assert reader.remaining == 2
    for count in (3, 1 << 70, -1):
        with pytest.raises(Truncated):
            reader.take(count)
        assert reader.remaining == 2, "nothing is taken by a read that fails"
    with pytest.raises(Truncated):
        reader.number(4)
    assert reader.rest() == b"\x04\x05" and reader.rest() == b"" and reader.remaining == 0
    with pytest.raises(Truncated):
        reader.number(1)


@given(st.binary(max_size=40), st.lists(st.integers(-3, 20), max_size=20))
@settings(max_examples=200)
def test_reader_never_goes_past_the_end(data: bytes, counts: list[int]) -> None:
    reader, taken = Reader(data), b""
    for count in counts:
        try:
            piece = reader.take(count)
        except Truncated:
            continue
        assert len(piece) == count
        taken += piece
    assert taken + reader.rest() == data
