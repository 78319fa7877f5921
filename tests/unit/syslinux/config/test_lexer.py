"""Lines and words: what is read fast is what is read with care."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.syslinux.config.lexer import numbered_lines, split, split_command
from pypxeboot.text import SPACE

PIECES = [
    b"LABEL a",
    b" ",
    b"\t",
    b"\n",
    b"\n",
    b"\n",
    b"\xa0",
    b"\xc2\xa0",
    b"\xe2\x82",
    b"\xf0\x9f\x98\x80" * 300,
]
PIECES += [b"\x85", b"\x1c", b"\xe2\x80\xa8", b"\v", b"\x01", b"x" * 1023, b"y" * 1024, b"z" * 4094]


@given(st.lists(st.sampled_from(PIECES)))
def test_a_file_with_an_odd_line_at_its_end_has_the_same_others(pieces: list[bytes]) -> None:
    data = b"".join((*pieces, b"\n"))
    *lines, (number, text, lost) = numbered_lines(data + b"\0lost")
    assert lines == list(numbered_lines(data))
    assert (number, text, lost) == (data.count(b"\n") + 1, "", b"lost")


@given(st.lists(st.sampled_from([b"LABEL a", b" ", b"\n", b"\xe2\x82", b"x" * 1024])))
def test_files_of_dos_are_those_of_unix(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    assert list(numbered_lines(data.replace(b"\n", b"\r\n"))) == list(numbered_lines(data))


@given(st.text(alphabet="ab \t\n\x01\x7f\udca0\xa0\x85"))
def test_a_word_ends_where_a_blank_begins(text: str) -> None:
    blanks = "\b\t\n\v\f\r \udca0"
    word, rest = split(text)
    assert text.lstrip(blanks).startswith(word) and rest == text.lstrip(blanks)[len(word) :].lstrip(blanks)
    assert not any(sign <= " " or sign == "\x7f" for sign in word)
    word, rest = split_command(text)
    assert text.startswith(word) and rest == text[len(word) :].lstrip(SPACE) and not set(SPACE) & set(word)
