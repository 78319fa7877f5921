"""The form of scripts, commands and URIs: lines, options, and what a relative URI means."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.options import BadUsage
from pypxeboot.ipxe.engine.script import ScriptLine, commands, innermost, is_script, lines
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.url import Location
from tests.support.samples.ipxe_syntax import SYNTAX


def test_lines() -> None:
    data = b"#!ipxe\r\n  echo a\\\r\n  b\n:label echo c\n\n : x\n:\nlast\0gone"
    assert lines(data) == [
        ScriptLine(1, None, "#!ipxe"),
        ScriptLine(2, None, "echo a  b"),
        ScriptLine(4, "label", " echo c"),
        ScriptLine(5, None, ""),
        ScriptLine(6, "", " x"),
        ScriptLine(7, "", ""),
        ScriptLine(8, None, "last"),
    ]
    for end in (b"echo \\", b"echo \\\n", b"\\\n"):
        assert lines(b"#!ipxe\n" + end) == [
            ScriptLine(1, None, "#!ipxe"),
            ScriptLine(2, None, "", cut_short=True),
        ]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"#!ipxe\n", True),
        (b"#!gpxe\r\n", True),
        (b"#!ipxe x", True),
        (b"#!ipxe", False),
        (b"#!ipxes\n", False),
        (b" #!ipxe\n", False),
        (b"#!/bin/sh\n", False),
    ],
)
def test_recognition(head: bytes, expected: bool) -> None:
    assert is_script(head) is expected


def test_commands() -> None:
    found = [(command.words, command.operator) for command in commands("a  b|| c && || d;e ; #f\tg")]
    assert found == [(("a", "b||", "c"), "&&"), ((), "||"), (("d;e",), ";"), ((), "")]
    blank = [command.words for command in commands("a\u00a0b\u2028c")]
    assert blank == [("a\u00a0b\u2028c",)], "blanks of Unicode are none of C"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${a}", ("", "a", "")),
        ("x${a${b}c}y", ("x${a", "b", "c}y")),
        ("}${a}", ("}", "a", "")),
        ("${a", None),
        ("a}", None),
        ("$${a}", ("$", "a", "")),
    ],
)
def test_innermost(text: str, expected: Optional[tuple[str, str, str]]) -> None:
    assert innermost(text) == expected


def test_help_has_what_the_claimed_version_has() -> None:
    with pytest.raises(BadUsage) as caught:
        SYNTAX.parse(["x", "--help"])
    assert caught.value.message.split("\n\n")[1] == (
        "  x [-k|--keep] [-n|--name <name>] [-t|--timeout <timeout>] <what> [<for>]"
    )


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("tftp://h/boot.ipxe", Location("tftp", "h", "boot.ipxe")),
        ("tftp://h//boot.ipxe", Location("tftp", "h", "/boot.ipxe")),
        ("tftp://h/a%2Fb;c?d", Location("tftp", "h", "a/b;c")),
        ("http://h:8080/a%2Fb?c=d e", Location("http", "h", "a%2Fb?c=d%20e", 8080)),
        ("HTTP://u:p@h/x", Location("http", "h", "x", None, "u", "p")),
        ("http://[fe80::1]/x", Location("http", "fe80::1", "x")),
        ("http://h", Location("http", "h", "")),
    ],
)
def test_locations(text: str, location: Location) -> None:
    assert Uri.parse(text).locate() == location
    assert Uri.of(location).locate() == location


@pytest.mark.parametrize("text", ["x", "iscsi:x", "http:///x", "http://h h/", "tftp://h/%0a", "http://h:x/"])
def test_no_locations(text: str) -> None:
    with pytest.raises(ConfigError):
        Uri.parse(text).locate()
