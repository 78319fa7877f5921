"""iPXE scripts that never end, ask for too much, or are no scripts at all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.entry import Action, Choice
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.ipxe import boot
from pypxeboot.ipxe.engine import interpreter
from tests.support.recorded import replay
from tests.support.recorded.replay import script
from tests.support.samples.ipxe import booted


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([":a goto a"], "line 2"),
        ([":a", "sleep 0", "goto a"], "steps"),
        (["chain boot.ipxe"], "chain each other"),
        ([" ".join(["time"] * 5000)], "one thing inside another"),
        ([":a", "inc n", "set b${n}/x y", "goto a"], "stores"),
        ([f"set {'a.' * 5000}/x y"], ""),
        (["chain --replace --autofree boot.ipxe"], "steps"),
        (["set a x", *["set a ${a}${a}${a}"] * 40], "expands"),
        (["set b {a}", "set a $${b}", "set b", "set a ${a}", "echo ${a}"], ""),
        ([":a", "menu", "item x", "choose y && goto a"], "nobody"),
        ([":a", "read x || goto a"], "nobody"),
        ([":a", "set n x${n}", "set ${n} x", "goto a"], "stores"),
        (["set a " + "x" * 60_000, "set b " + " ${a}" * 2], "longer"),
        (["set a " + "x" * 60_000, ":a", "menu", "item ${a}", "goto a"], "stores"),
        ([":a", "inc n", "set big${n} " + "x" * 60_000, "goto a"], "stores"),
        ([":a", "echo " + "x" * 9_000, "goto a"], "prints"),
        ([":a", "item x", "goto a"], ""),
        (["menu", ":a", "item x", "goto a"], "menu"),
    ],
)
def test_what_never_ends_is_ended(lines: list[str], words: str) -> None:
    if not words:
        booted(*lines)
        return
    with pytest.raises(ConfigError) as caught:
        booted(*lines)
    assert words in caught.value.message
    assert "boot.ipxe" in caught.value.message


def test_too_many_images() -> None:
    choice, _ = booted(":a", "imgfetch i && goto a ||", "boot k")
    assert choice.entry.action is Action.LOCALBOOT, "no room for the kernel either"


def test_a_script_that_is_too_large() -> None:
    large = "#!ipxe\n" + "#" * interpreter.SCRIPT_LIMIT
    choice, _ = booted("chain s || boot k after", files={"s": large})
    assert choice.entry.cmdline == "after"


def test_nothing_raw_is_printed() -> None:
    _, played = booted("set e:hex 1b:5b:33:31:6d:07", "echo a${e:string}b\u202ec", "echo \x9b1m")
    assert played.printed.splitlines()[-2:] == ["a\\x07b\\u202ec", "\\x9b1m"]


WORDS = (
    *boot.COMMANDS,
    *("||", "&&", ";", "#", ":l", "goto", "l", "${x}", "${net0/mac}", "${${x}}", "--name", "--timeout", "5"),
    *("k", "i", "x", "1", "nosuch", "net0", "tftp://10.77.0.1/k", "##params", "-1", "--", "--help", "x:hex"),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6), max_size=12))
def test_any_words_end_well(lines: list[list[str]]) -> None:
    played = replay.serving({})
    played.leases = [replay.LEASE] * 3
    try:
        choice, _ = booted(*(" ".join(line) for line in lines), replay=played)
    except PxeBootError as error:
        assert error.message.isprintable()
    else:
        assert isinstance(choice, Choice)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_end_well(data: bytes) -> None:
    try:
        choice, _ = script(b"#!ipxe\n" + data)
    except PxeBootError as error:
        assert error.message.isprintable()
    else:
        assert isinstance(choice, Choice)
