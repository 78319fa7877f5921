"""The form of scripts, commands and URIs: lines, options, and what a relative URI means."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.ipxe.engine.options import BadUsage
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.ipxe.engine.uri import Uri
from tests.support.samples.ipxe_syntax import SYNTAX


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


def test_parameters_and_passwords() -> None:
    uri = Uri.parse("http://u:secret@h/x##params=mine")
    assert (uri.params, uri.for_display, uri.without_password) == ("mine", "http://h/x", "http://u:***@h/x")
    assert Uri.parse("http://h/x##params").params == ""
    assert Uri.parse("http://h/a%20b/c%20d").name == "c d"
