"""iPXE scripts with somebody at the terminal: menus, prompts, forms, logins and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.entry import Action, Choice, Reason
from pypxeboot.errors import PxeBootError
from pypxeboot.picture import Picture, Terminal
from tests.support.recorded import replay
from tests.support.recorded.replay import Press, Replay, script

MENU = """#!ipxe
menu The title
item --gap A heading
item one First
item two Second
item --key n --gap next
item three Third
item --key x four Fourth
choose {options} sel || goto left
boot k sel=${{sel}}
:left
boot k2 left
"""
PLAIN, DUMB = Terminal(), Terminal(dumb=True)


def played(
    text: str, *keys: Press, terminal: Terminal = PLAIN, patience: Optional[float] = 5.0, **more: object
) -> tuple[Choice, Replay]:
    """What ``text`` boots where somebody presses ``keys``."""
    person = replay.serving({})
    person = Replay(person.get, terminal=terminal, keys=keys)
    return script(text, replay=person, patience=patience, **more)  # type: ignore[arg-type]


def menu(*keys: Press, options: str = "", terminal: Terminal = PLAIN) -> tuple[str, Reason]:
    """What is chosen, and why."""
    choice, _ = played(MENU.format(options=options), *keys, terminal=terminal)
    return choice.entry.cmdline, choice.reason


def text_of(picture: Optional[Picture]) -> str:
    assert picture is not None
    return "\n".join("".join(span.text for span in row.spans) for row in picture.rows)


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (("enter",), "one"),
        (("down", "enter"), "two"),
        (("down", "down", "enter"), "three"),
        (("down", "down", "up", "enter"), "two"),
        (("up", "enter"), "one"),
        (("end", "enter"), "four"),
        (("end", "down", "home", "enter"), "one"),
        (("page-down", "enter"), "four"),
        (("page-down", "page-up", "enter"), "one"),
        (("x",), "four"),
        (("X", "enter"), "one"),
        (("n", "enter"), "three"),
        (("f5", "q", "enter"), "one"),
    ],
)
def test_keys_in_a_menu(keys: Sequence[Press], chosen: str) -> None:
    assert menu(*keys) == (f"sel={chosen}", Reason.CHOSEN)


@pytest.mark.parametrize("key", ["escape", "ctrl-c"])
def test_a_menu_can_be_left(key: str) -> None:
    assert menu(key)[0] == "left"


def test_times() -> None:
    assert menu(options="--timeout 3000 --default two") == ("sel=two", Reason.TIMEOUT)
    assert menu("down", 60.0, options="--timeout 3000") == ("sel=two", Reason.WAITS_FOREVER)
    assert menu("down", 60.0, options="--timeout 3000 --retimeout 2000") == ("sel=two", Reason.TIMEOUT)
    assert menu(2.5, "down", "enter", options="--timeout 3000") == ("sel=two", Reason.CHOSEN)
    assert menu(3.5, "down", "enter", options="--timeout 3000") == ("sel=one", Reason.TIMEOUT)


def test_patience_ends_what_waits_for_ever() -> None:
    assert menu(options="--default two") == ("sel=two", Reason.WAITS_FOREVER)
    _, person = played(MENU.format(options=""))
    assert person.waited == pytest.approx(5.0)


def test_what_is_seen() -> None:
    _, person = played(MENU.format(options="--timeout 3000"), "down", "enter")
    first, second = text_of(person.pictures[0]), text_of(person.pictures[1])
    assert all(words in first for words in ("The title", "A heading", "First", "Fourth", "3 seconds"))
    assert "seconds" not in second
    assert person.pictures[-1] == Picture(()), "the menu is taken away"


def test_colours_of_titles_go() -> None:
    text = (
        "#!ipxe\nset e:hex 1b\nmenu ${e:string}[1mBold\nitem a ${e:string}[31mRed${e:string}[0m\nchoose x\n"
    )
    _, person = played(text, "enter")
    seen = text_of(person.pictures[0])
    assert "Bold" in seen and "Red" in seen and "[" not in seen


@pytest.mark.parametrize("terminal", [Terminal(20, 5), Terminal(300, 100, colours=True), Terminal(1, 1)])
def test_terminals_of_every_size(terminal: Terminal) -> None:
    assert menu("end", "enter", terminal=terminal)[0] == "sel=four"


@pytest.mark.parametrize(
    ("keys", "chosen"),
    [
        (("enter",), "sel=one"),
        (("3", "enter"), "sel=two"),
        (("x", "enter"), "sel=four"),
        (("9", "9", "enter", "2", "enter"), "sel=one"),
        (("z", "z", "enter", "enter"), "sel=one"),
        (("escape",), "left"),
    ],
)
def test_a_terminal_whose_cursor_cannot_be_moved(keys: Sequence[Press], chosen: str) -> None:
    assert menu(*keys, terminal=DUMB)[0] == chosen


def test_prompts() -> None:
    text = "#!ipxe\nprompt --key 0x02 --timeout 2000 Press Ctrl-B && boot k yes || boot k2 no\n"
    choice, person = played(text, "ctrl-b")
    assert choice.entry.cmdline == "yes"
    assert "Press Ctrl-B" in person.printed
    for keys in (("b",), (3.0, "ctrl-b"), ()):
        assert played(text, *keys)[0].entry.cmdline == "no"
    choice, _ = played("#!ipxe\nprompt --set k Any key && boot k key=${k}\n", "q")
    assert choice.entry.cmdline == "key=0x71"


def test_reading_a_setting() -> None:
    text = "#!ipxe\nset name ab\nread name && boot k [${name}] || boot k2 [${name}]\n"
    assert played(text, "c", "enter")[0].entry.cmdline == "[abc]"
    assert played(text, "backspace", "backspace", "x", "enter")[0].entry.cmdline == "[x]"
    assert played(text, "c", "ctrl-c")[0].entry.cmdline == "[ab]"
    assert played(text)[0].entry.cmdline == "[ab]"


def test_logging_in() -> None:
    text = "#!ipxe\nlogin && boot k ${username}:${password} || boot k2\n"
    choice, person = played(text, "m", "e", "enter", "p", "w", "enter")
    assert choice.entry.cmdline == "me:pw"
    assert "Password: **" in person.printed
    assert played(text, "m", "escape")[0].entry.cmdline == ""


def test_forms() -> None:
    text = (
        "#!ipxe\nset b:int32 7\nform The form\nitem --gap Some words\nitem a Letter\n"
        "item b:int32 Number\nitem --secret c Secret\npresent && boot k ${a} ${b} ${c} || boot k2 left\n"
    )
    keys = ("x", "enter", "8", "enter", "s", "enter")
    choice, person = played(text, *keys)
    assert choice.entry.cmdline == "x 78 s"
    assert "Secret: *" in person.printed
    keys = ("x", "enter", "y", "enter", "enter", "s", "enter")
    choice, person = played(text, *keys)
    assert choice.entry.cmdline == "x 7 s"
    assert "Could not store" in person.printed
    assert played(text, "x", "escape")[0].entry.cmdline == "left"


def test_the_command_line() -> None:
    text = "#!ipxe\nset a b\nshell && boot k after ${a} || boot k2 failed\n"
    typed = [*"set a c", "enter", *"exit", "enter"]
    assert played(text, *typed)[0].entry.cmdline == "after c"
    choice, person = played(text, *"boot k typed", "enter")
    assert (choice.entry.cmdline, "iPXE> " in person.printed) == ("typed", True)
    assert played(text, *"exit 3", "enter")[0].entry.cmdline == "failed"
    assert played(text)[0].entry.cmdline == "failed", "nobody types for ever"


def test_somebody_who_presses_keys_is_no_endless_loop() -> None:
    text = "#!ipxe\n:a\nmenu\nitem a A\nitem b B\nchoose s\niseq ${s} a && goto a ||\nboot k\n"
    keys = ["enter"] * 300 + ["down", "enter"]
    assert played(text, *keys)[0].entry.action is Action.BOOT


def test_pxelinux_asks_the_same_person() -> None:
    files = {
        "pxelinux.0": "@nbp",
        "pxelinux.cfg/default": "PROMPT 1\nLABEL a\nKERNEL k\nLABEL b\nKERNEL k2\n",
    }
    choice, _ = played("#!ipxe\nset 210:string ${unset}\nchain pxelinux.0\n", "b", "enter", files=files)
    assert (choice.entry.label, choice.reason) == ("b", Reason.CHOSEN)


KEYS = (
    "enter",
    "escape",
    "down",
    "up",
    "end",
    "x",
    "n",
    "1",
    "ctrl-b",
    "ctrl-u",
    "tab",
    1.0,
    Terminal(30, 8),
    DUMB,
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(KEYS), max_size=12),
    st.lists(
        st.sampled_from(
            ["menu T", "item a A", "item b", "item --gap", "choose x", "choose --timeout 2000 --keep x",
             "prompt P", "read x", "login", "form F", "present", "shell", "boot k"]
        ),
        max_size=8,
    ),
)  # fmt: skip
def test_any_keys_end_well(keys: list[Press], lines: list[str]) -> None:
    text = "\n".join(["#!ipxe", *(f"{line} ||" for line in lines), ""])
    try:
        choice, _ = played(text, *keys)
    except PxeBootError as error:
        assert error.message.isprintable()
    else:
        assert isinstance(choice, Choice)


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ("item a A\nchoose --timeout 1 x\ngoto ${x}\n:A\n", "is :A meant? case counts, and - is not _"),
        ("item a-b A\nchoose --timeout 1 x\ngoto ${x}\n:a_b\n", "is :a_b meant? case counts, and - is not _"),
        ("item a A\nchoose --timeout 1 x\nitem b B", "choose takes it away, unless it is told to --keep it"),
    ],
)
def test_a_menu_that_leads_nowhere_says_what_to_look_at(lines: str, hint: str) -> None:
    choice, _ = replay.script(f"#!ipxe\nmenu M\n{lines}")
    assert choice.reason is Reason.SCRIPT_FAILED
    assert choice.hint is not None and hint in choice.hint


def test_a_label_that_nothing_is_like_has_no_hint() -> None:
    choice, _ = replay.script("#!ipxe\ngoto nowhere\n:there\n")
    assert (choice.reason, choice.hint) == (Reason.SCRIPT_FAILED, None)
