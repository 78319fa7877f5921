"""A person at the ``boot:`` prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.entry import Action, Reason
from pypxeboot.errors import Aborted, ConfigError, FetchError, NotFound
from pypxeboot.picture import Terminal
from pypxeboot.terminal.line_editor import apply_key, echo
from pypxeboot.terminal.menu_view import EditLine
from tests.support.recorded.replay import Press, attended

LABELS = "LABEL linux\nKERNEL k\nAPPEND n=1\nLABEL linux-old\nKERNEL k\nAPPEND n=2\nLABEL disk\nLOCALBOOT 0\n"
PROMPT = "PROMPT 1\nDEFAULT linux\n" + LABELS


def typed(config: str, keys: Sequence[Press], **more: Any) -> str:
    """The command line that boots, without the kernel's name."""
    return attended(config, keys, **more)[0].entry.cmdline.partition(" ")[2]


@pytest.mark.parametrize(
    "keys, line",
    [
        (["enter"], "n=1"),
        ([*"linux-old", "enter"], "n=2"),
        ([*"linux-old  a  b", "enter"], "n=2 a  b"),
        ([*"linux-oldx", "backspace", "enter"], "n=2"),
        ([*"xlinux", "home", "delete", "enter"], "n=1"),
        ([*"linux x y", "ctrl-w", "ctrl-w", "enter"], "n=1"),
        ([*"nonsense", "ctrl-u", "enter"], "n=1"),
        ([*"linux-old", "left", "left", "left", "left", "ctrl-k", "enter"], "n=1"),
        ([*"inux", "ctrl-a", "l", "ctrl-e", *" z", "enter"], "n=1 z"),
        ([*"linux z", "ctrl-b", "ctrl-d", "y", "ctrl-f", "right", "enter"], "n=1 y"),
        ([*"lin", "tab", *"ux z", "enter"], "n=1 z"),  # listed, not completed
        (["escape", "ctrl-c", "up", "f5", "ctrl-l", "insert", "enter"], "n=1"),
        ([Terminal(20, 5), "enter"], "n=1"),
        ([*"nope", "enter", *"linux", "enter"], "n=1"),
        ([*"k as is", "enter"], "as is"),
    ],
)
def test_keys(keys: list[Press], line: str) -> None:
    choice, _ = attended(PROMPT, keys)
    assert choice.entry.cmdline.partition(" ")[2] == line and choice.reason is Reason.CHOSEN


def test_tab_lists_what_is_left() -> None:
    _, replay = attended(PROMPT, [*"linux", "tab", "enter"])
    assert replay.printed == "boot: linux\n  linux\n  linux-old\nboot: linux\n"
    _, replay = attended(PROMPT, ["tab", "enter"])
    assert "  disk\n" in replay.printed
    many = "".join(f"LABEL x{n}\n" for n in range(1000))
    assert "  and 803 more\n" in attended(PROMPT + many, ["tab", "enter"])[1].printed
    assert attended("NOCOMPLETE 1\n" + PROMPT, ["tab", "enter"])[1].printed == "boot: \n"
    assert attended(PROMPT, [*"q", "tab", "ctrl-u", "enter"])[1].printed == "boot: q\b \b\n"


@pytest.mark.parametrize(
    "keys, line",
    [
        (["enter"], ""),  # runs "gone y" again, and so do these two
        (["ctrl-u", "backspace", "enter"], ""),
        (["ctrl-p", "enter"], ""),
        (["q", "backspace", "enter"], "n=1"),
        (["up", *["backspace"] * 6, *"linux z", "enter"], "n=1 z"),
        (["up", "up", "home", "delete", *"k", *["delete"] * 3, "enter"], "x"),  # older
        (["up", "up", "up", "down", "home", "delete", *"k", *["delete"] * 3, "enter"], "x"),  # around
        (["down", "home", "delete", *"k", *["delete"] * 3, "enter"], "x"),  # the oldest
        (["ctrl-r", "x", "home", "ctrl-u", *"linux", "enter"], "n=1"),
        (["ctrl-r", *"e ", "ctrl-r", "end", "home", *"linux ", "enter"], "n=1 gone x"),
        (["ctrl-r", "Q", *"linux", "enter"], "n=1"),  # nothing found: the line is empty
        (["ctrl-r", "y", "ctrl-c", *"linux", "enter"], "n=1"),
    ],
)
def test_history(keys: list[Press], line: str) -> None:
    before = [*"gone x", "enter", *"gone y", "enter"]
    if line:
        assert typed(PROMPT, [*before, *keys]) == line
    else:
        with pytest.raises(Aborted):
            attended(PROMPT, [*before, *keys])


def test_a_new_configuration_has_no_history() -> None:
    config = "PROMPT 1\nDEFAULT linux\nLABEL again\nCONFIG pxelinux.cfg/default\n" + LABELS
    assert typed(config, [*"again", "enter", "up", "enter"]) == "n=1"


def test_a_local_boot() -> None:
    assert attended(PROMPT, [*"disk", "enter"])[0].entry.action is Action.LOCALBOOT


@pytest.mark.parametrize(
    "head, keys, line, reason, seconds",
    [
        ("TIMEOUT 50\n", [], "n=1", Reason.TIMEOUT, 5),
        ("TIMEOUT 50\nONTIMEOUT linux-old x\n", [], "n=2 x", Reason.ONTIMEOUT, 5),
        ("TIMEOUT 50\nONTIMEOUT linux-old x\n", ["enter"], "n=1", Reason.CHOSEN, 0),
        ("TIMEOUT 50\n", ["l", 29.0, "ctrl-u", "enter"], "n=1", Reason.CHOSEN, 29),  # the first key ends it
        ("TOTALTIMEOUT 70\n", [*"linux", 5.0, "-"], "n=1", Reason.TIMEOUT, 7),
        ("", [], "n=1", Reason.WAITS_FOREVER, 30),
        ("", [20.0, "l"], "n=1", Reason.WAITS_FOREVER, 50),
    ],
)
def test_time(head: str, keys: list[Press], line: str, reason: Reason, seconds: float) -> None:
    choice, replay = attended(head + PROMPT, keys, patience=30.0)
    assert (choice.entry.cmdline.partition(" ")[2], choice.reason) == (line, reason)
    assert replay.waited == pytest.approx(seconds)


def test_without_patience_a_prompt_waits_for_ever() -> None:
    with pytest.raises(Aborted):
        attended(PROMPT, [10_000.0])


def test_without_a_default() -> None:
    assert typed(LABELS, ["enter", *"linux", "enter"]) == "n=1"
    assert "No DEFAULT or UI" in attended(LABELS, ["enter", *"linux", "enter"])[1].printed
    for head, patience in (("", 5.0), ("TIMEOUT 10\n", None)):
        with pytest.raises(ConfigError, match="neither DEFAULT nor UI"):
            attended(head + LABELS, [], patience=patience)


def test_a_failure_leads_back_to_the_prompt() -> None:
    config = "DEFAULT gone\n" + LABELS
    choice, replay = attended(config, [*"linux", "enter"])
    assert choice.entry.label == "linux"
    assert "gone" in replay.printed and replay.printed.endswith("\nboot: linux\n")


def test_nothing_is_tried_for_ever_without_a_person() -> None:
    for head in ("TIMEOUT 10\n", "NOESCAPE 1\n", "TOTALTIMEOUT 10\n", "ONTIMEOUT gone2\nTIMEOUT 5\n"):
        with pytest.raises(NotFound, match="gone"):
            attended(head + "DEFAULT gone\n" + LABELS, [])
    config = "TIMEOUT 10\nDEFAULT gone\n" + LABELS
    with pytest.raises(FetchError):
        attended(config, [*"nope", "enter", 3.0])
    assert typed(config, [0.5, *"linux", "enter"]) == "n=1"


def test_modules_return_to_the_prompt() -> None:
    config = "DEFAULT hdt.c32\n" + LABELS
    choice, replay = attended(config, [*"cmd.c32 linux x", "enter"])
    assert choice.entry.cmdline == "BOOT_IMAGE=k n=1 x"
    assert "shows information" in replay.printed


def test_what_the_configuration_says() -> None:
    config = "SAY  Hello there\x1b[2J\nDISPLAY boot.msg\nDISPLAY gone.msg\nF1 f1.txt\nF10 f10.txt\n" + PROMPT
    files = {
        "boot.msg": b"\x0c\x0f07\xc9\xcd\xbb Welcome\r\n\x18splash.lss\n\x11\x0f1fline\x1b[0m\n\x1arest",
        "f1.txt": "help one\n",
    }
    choice, replay = attended(config, [*"lin", "f1", "f2", "f10", *"ux", "enter"], files=files)
    said = "Hello there\\x1b[2J\n\u2554\u2550\u2557 Welcome\nline\\x1b[0m\n"
    assert replay.printed == f"{said}boot: lin\nhelp one\nboot: lin\nboot: linux\n"
    assert choice.entry.label == "linux"
    # Nobody there: nothing is asked for that only somebody would read.
    replay = attended(config, (), terminal=None, files=files)[1]
    assert replay.printed == "" and not any("msg" in url for url in replay.asked)


def test_implicit_and_options() -> None:
    config = "IMPLICIT 0\nALLOWOPTIONS 0\n" + PROMPT
    choice, replay = attended(config, [*"k", "enter", *"linux x", "enter"])
    assert choice.entry.cmdline == "BOOT_IMAGE=k n=1 x"  # "label arguments still pass"
    assert "IMPLICIT 0 forbids" in replay.printed
    assert attended("ALLOWOPTIONS 0\n" + PROMPT, [*"k x", "enter"])[0].entry.cmdline == "BOOT_IMAGE=k "


def test_with_noescape_there_is_no_prompt() -> None:
    menu = "NOESCAPE 1\nUI menu.c32\n" + LABELS
    choice, replay = attended(menu, ["escape", "down", "enter"])
    assert choice.entry.label == "linux-old" and "boot:" not in replay.printed


def test_configurations_as_often_as_one_likes() -> None:
    config = "PROMPT 1\nDEFAULT again\nLABEL again\nCONFIG pxelinux.cfg/default\n" + LABELS
    assert typed(config, [*["enter"] * 300, *"linux", "enter"]) == "n=1"
    with pytest.raises(ConfigError, match="lead to each other for ever"):
        attended(config.replace("PROMPT 1", "TIMEOUT 1"), [])


def screen_of(text: str) -> tuple[str, int]:
    """The line and the column of the cursor after ``text`` was printed in an empty line."""
    cells, at = "", 0
    for ch in text:
        if ch == "\b":
            at -= 1
            assert at >= 0
        else:
            cells = cells[:at] + ch + cells[at + 1 :]
            at += 1
    return cells.rstrip(), at


KEYS = [
    "backspace",
    "delete",
    "left",
    "right",
    "home",
    "end",
    "ctrl-u",
    "ctrl-k",
    "ctrl-w",
    "up",
    "a",
    "b",
    " ",
]


@given(st.lists(st.sampled_from(KEYS)))
def test_the_terminal_shows_the_line(keys: list[str]) -> None:
    line, shown = EditLine("", 0), ""
    for key in keys:
        after = apply_key(line, key)
        shown += echo(line, after)
        line = after
        assert screen_of(shown) == (line.text.rstrip(), line.cursor)
    assert 0 <= line.cursor <= len(line.text)


def test_a_line_has_an_end() -> None:
    line = EditLine("x" * 2047, 2047)
    assert apply_key(line, "y") is line
