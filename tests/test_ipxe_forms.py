"""The form of scripts, commands and URIs: lines, options, and what a relative URI means."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.errors import ConfigError
from pypxeboot.ipxe.engine.options import BadUsage, syntax
from pypxeboot.ipxe.engine.script import ScriptLine, commands, innermost, is_script, lines
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.url import Location

SYNTAX = syntax(1, 2, "<what> [<for>]", "keep/k quiet/q+ name/n= timeout/t#")


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


@pytest.mark.parametrize(
    ("words", "options", "args"),
    [
        ("x a", {}, ("a",)),
        ("x --name n --keep a b", {"name": "n", "keep": ""}, ("a", "b")),
        ("x --name=n -t5 a", {"name": "n", "timeout": "5"}, ("a",)),
        ("x -kqn n a", {"keep": "", "quiet": "", "name": "n"}, ("a",)),
        ("x --name=-n a", {"name": "-n"}, ("a",)),
        ("x a --keep", {}, ("a", "--keep")),
        ("x -- --keep", {}, ("--keep",)),
    ],
)
def test_options(words: str, options: dict[str, str], args: tuple[str, ...]) -> None:
    call = SYNTAX.parse(words.split())
    assert (dict(call.options), call.args) == (options, args)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("x", Status.ARGUMENT_COUNT),
        ("x a b c", Status.ARGUMENT_COUNT),
        ("x --help a", Status.HELP),
        ("x -h a", Status.HELP),
        ("x --nam n a", Status.UNKNOWN_OPTION),
        ("x --keep=1 a", Status.OPTION_ARGUMENT),
        ("x -z a", Status.UNKNOWN_OPTION),
        ("x -", Status.UNKNOWN_OPTION),
        ("x a --name", None),
        ("x --name", Status.OPTION_ARGUMENT),
        ("x --name --keep a", Status.OPTION_ARGUMENT),
        ("x --timeout soon --nosuch", Status.NO_INTEGER),
        ("x --timeout= a", Status.NO_INTEGER),
    ],
)
def test_wrong_usage(words: str, status: Optional[int]) -> None:
    if status is None:
        assert SYNTAX.parse(words.split()).args == ("a", "--name")
        return
    with pytest.raises(BadUsage) as caught:
        SYNTAX.parse(words.split())
    assert caught.value.status == status


def test_values_of_options() -> None:
    call = SYNTAX.parse("x -t 1500 a".split())
    assert call.seconds() == 1.5
    assert SYNTAX.parse("x -t 0 a".split()).seconds() is None


def test_help_has_what_the_claimed_version_has() -> None:
    with pytest.raises(BadUsage) as caught:
        SYNTAX.parse(["x", "--help"])
    assert caught.value.message.split("\n\n")[1] == (
        "  x [-k|--keep] [-n|--name <name>] [-t|--timeout <timeout>] <what> [<for>]"
    )


@pytest.mark.parametrize(
    ("base", "relative", "expected"),
    [
        ("http://h/a/b.ipxe", "c", "http://h/a/c"),
        ("http://h/a/b.ipxe?x=1", "c?y=2", "http://h/a/c?y=2"),
        ("http://h/a/b.ipxe?x=1", "c", "http://h/a/c"),
        ("http://h/a/b.ipxe", "/c", "http://h/c"),
        ("http://h/a/b.ipxe", "../c", "http://h/c"),
        ("http://h/a/b.ipxe", "../../../c", "http://h/c"),
        ("http://h/a/b.ipxe", "./.././c", "http://h/c"),
        ("http://h/a/b.ipxe", "c/../d", "http://h/a/c/../d"),
        ("http://h/a/b.ipxe", "...c", "http://h/a/...c"),
        ("http://h/a/b.ipxe", "..", "http://h/"),
        ("http://h/a/b.ipxe?x", "?y", "http://h/a/b.ipxe?y"),
        ("http://h:80", "c", "http://h:80/c"),
        ("http://u:p@h/a", "c", "http://u:p@h/c"),
        ("http://h/a", "https://i/c", "https://i/c"),
        ("http://h/a", "iscsi:10.0.0.1::::iqn", "iscsi:10.0.0.1::::iqn"),
        ("tftp://h/a/b", "c#fragment", "tftp://h/a/c#fragment"),
        ("tftp://h//a/b", "c", "tftp://h//a/c"),
        ("tftp://h//b", "c", "tftp://h/c"),
    ],
)
def test_relative_uris(base: str, relative: str, expected: str) -> None:
    assert str(Uri.parse(relative).resolve(Uri.parse(base))) == expected


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


def test_parameters_and_passwords() -> None:
    uri = Uri.parse("http://u:secret@h/x##params=mine")
    assert (uri.params, uri.for_display, uri.without_password) == ("mine", "http://h/x", "http://u:***@h/x")
    assert Uri.parse("http://h/x##params").params == ""
    assert Uri.parse("http://h/a%20b/c%20d").name == "c d"


@given(st.text(max_size=60))
def test_any_text_is_a_uri(text: str) -> None:
    uri = Uri.parse(text).resolve(Uri.parse("http://h/a/b"))
    try:
        assert uri.locate().host
    except (ConfigError, UnicodeEncodeError):
        pass
