"""What is sent to which terminal, where terminfo helps and where it is not there."""

from __future__ import annotations

import subprocess
import sys
from typing import Optional

import pytest

from pypxeboot.terminal import terminfo


def codes_of(name: str) -> str:
    """Of a program of its own: terminfo is asked once in the life of a process."""
    program = (
        "import sys; from pypxeboot.terminal import terminfo; codes = terminfo.load(sys.argv[1])\n"
        "print(codes and [codes.move(4, 9), codes.style('1;7;33;44'), codes.style('4;97;0'), codes.enter])"
    )
    done = subprocess.run([sys.executable, "-c", program, name], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "colours", "beside"),
    [("vt100", "", False), ("linux", r"\x1b[33m\x1b[44m", False), ("xterm", r"\x1b[33m\x1b[44m", True)],
)
def test_terminals_that_terminfo_knows(name: str, colours: str, beside: bool) -> None:
    said = codes_of(name)
    assert said.startswith(r"[b'\x1b[5;10H', b'")
    assert rf"\x1b[1m\x1b[7m{colours}'" in said and "$<" not in said, "no delays"
    assert (r"\x1b[?1049h" in said) == beside


@pytest.mark.parametrize("name", ["dumb", "vt52"])
def test_terminals_that_cannot_show_what_is_selected(name: str) -> None:
    assert codes_of(name) == "None"


@pytest.mark.parametrize("name", ["vt100", "vt220", "xterm-256color", "linux", "screen.xterm", "ansi"])
def test_without_terminfo_these_are_ansi(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "curses", None)
    codes = terminfo.load(name)
    assert codes is not None
    assert (codes.move(0, 79), codes.style("1;37;44")) == (b"\x1b[1;80H", b"\x1b[m\x1b[1m")


@pytest.mark.parametrize("name", [None, "", "../vt100", "v/vt100", "vt100\n", "-vt100", "x" * 300])
def test_no_terminal_to_draw_on(name: Optional[str]) -> None:
    assert terminfo.load(name) is None


def test_bright_colours_where_there_are_eight_and_where_there_are_more() -> None:
    for colours, number in ((0, b""), (8, b"F1"), (16, b"F9")):
        codes = terminfo.Codes(
            move=lambda _row, _column: b"",
            clear=b"",
            plain=b"",
            attributes={},
            colours=colours,
            foreground=lambda index: b"F%d" % index,
        )
        assert codes.style("91") == number
        assert codes.style("38;5;31") == b"", "of 256: not as something else"
