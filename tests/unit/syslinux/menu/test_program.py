"""A person in front of a menu, key by key."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import dedent
from typing import Any

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Reason
from pypxeboot.errors import Aborted, ConfigError, FetchError, PxeBootError
from pypxeboot.picture import Terminal
from pypxeboot.syslinux.loader import boot
from tests.support.recorded.replay import GUEST, LEASE, TERMINAL, Press, attended, serving

MENU = dedent(
    """
    UI menu.c32
    LABEL a
      MENU LABEL ^First
      KERNEL k
      APPEND n=a
    LABEL b
      MENU LABEL ^Second
      MENU DEFAULT
      KERNEL k
      APPEND n=b
    MENU SEPARATOR
    LABEL off
      MENU LABEL ^Disabled
      MENU DISABLE
      KERNEL k
    LABEL c
      MENU LABEL ^Third
      KERNEL k
      APPEND n=c
    MENU BEGIN more
      MENU TITLE More
      LABEL d
        MENU LABEL ^Deep
        KERNEL k
        APPEND n=d
      LABEL up
        MENU LABEL ^Up
        MENU EXIT
    MENU END
    LABEL top
      MENU LABEL ^Go
      MENU GOTO more
    LABEL quit
      MENU LABEL ^Quit
      MENU QUIT
    LABEL help
      MENU LABEL ^Help
      MENU HELP help.txt
    LABEL last
      MENU LABEL ^Last
      KERNEL k
      APPEND n=last
    """
)


def chosen(config: str, keys: Sequence[Press], **more: Any) -> str:
    """The last word of the command line that boots."""
    return attended(config, keys, **more)[0].entry.cmdline.split()[-1]


def screen(config: str, keys: Sequence[Press], **more: Any) -> str:
    """The text of the last picture, or what was printed, when the terminal is closed after ``keys``."""
    files = {"k": "@kernel", "pxelinux.cfg/default": config, **more.pop("files", {})}
    replay = serving(files, keys=keys, terminal=TERMINAL)
    with pytest.raises(Aborted):
        replay.drive(boot.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE, **more)))
    last = [picture for picture in replay.pictures if picture is not None][-1]
    return "\n".join("".join(span.text for span in row.spans) for row in last.rows)


@pytest.mark.parametrize(
    "keys, word",
    [
        (["enter"], "n=b"),
        (["ctrl-j"], "n=b"),
        (["up", "enter"], "n=a"),
        (["ctrl-p", "ctrl-p", "enter"], "n=a"),
        (["down", "enter"], "n=c"),
        (["ctrl-n", "enter"], "n=c"),
        (["+", "enter"], "n=c"),
        (["down", "-", "enter"], "n=b"),
        (["home", "enter"], "n=a"),
        (["end", "enter"], "n=last"),
        (["ctrl-a", "enter"], "n=a"),
        (["ctrl-e", "enter"], "n=last"),
        (["page-down", "enter"], "n=last"),
        ([" ", "enter"], "n=last"),
        ([">", "<", "enter"], "n=a"),
        (["right", "left", "enter"], "n=a"),
        (["page-down", "page-up", "enter"], "n=a"),
        (["t", "enter"], "n=c"),
        (["T", "enter"], "n=c"),
        (["d", "enter"], "n=b"),  # no hot key: the entry is disabled
        (["z", "insert", "ctrl-l", "enter"], "n=b"),
        (["down", "down", "enter", "enter"], "n=d"),  # the submenu
        (["g", "enter", "enter"], "n=d"),
        (["g", "enter", "u", "enter", "l", "enter"], "n=last"),  # EXIT
        (["g", "enter", "escape", "t", "enter"], "n=c"),
        (["h", "enter", " ", "enter", " ", "t", "enter"], "n=c"),  # HELP twice
        (["tab", *" extra", "enter"], "extra"),
        (["tab", *" no", "escape", "enter"], "n=b"),
        (["tab", "ctrl-w", *"n=x", "enter"], "n=x"),
        (["escape", *"last 7", "enter"], "7"),
        (["q", "enter", "enter", "enter"], "n=b"),  # QUIT, then DEFAULT at the prompt: the menu again
        ([Terminal(40, 10), "down", "enter"], "n=c"),
    ],
)
def test_keys(keys: list[Press], word: str) -> None:
    choice, _ = attended(MENU, keys, files={"help.txt": "help"})
    assert choice.entry.cmdline.split()[-1] == word and choice.reason is Reason.CHOSEN


def test_pages() -> None:
    labels = "".join(f"LABEL l{n}\nKERNEL k\nAPPEND n={n}\n" for n in range(40))
    assert chosen("UI menu.c32\n" + labels, ["page-down", "down", "enter"]) == "n=13"
    assert chosen("UI menu.c32\nMENU ROWS 5\n" + labels, ["page-down", "enter"]) == "n=5"
    assert chosen("UI menu.c32\nMENU ROWS -4\n" + labels, ["page-down", "enter"]) == "n=20"
    assert chosen("UI menu.c32\n" + labels, ["end", "page-up", "enter"]) == "n=27"


@pytest.mark.parametrize(
    "head, keys, word, reason, seconds",
    [
        ("TIMEOUT 30\n", [], "n=b", Reason.TIMEOUT, 3),
        ("TIMEOUT 30\n", [2.0, "z"], "n=b", Reason.TIMEOUT, 5),  # a key that moves nothing: anew
        ("TIMEOUT 30\n", [2.0, "enter"], "n=b", Reason.CHOSEN, 2),
        ("TIMEOUT 30\n", ["down", 100.0, "enter"], "n=c", Reason.CHOSEN, 100),
        ("TIMEOUT 30\n", ["down", "up", 100.0, "enter"], "n=b", Reason.CHOSEN, 100),
        ("TIMEOUT 30\n", ["t", "up", 100.0, "enter"], "n=b", Reason.CHOSEN, 100),
        ("TIMEOUT 30\n", [Terminal(40, 12), 1.0, Terminal(80, 24)], "n=b", Reason.TIMEOUT, 3),
        ("TOTALTIMEOUT 100\n", ["down", 4.0, "up"], "n=b", Reason.TIMEOUT, 10),
        ("TOTALTIMEOUT 100\n", ["down", 4.0, "tab", *"xyz"], "n=b", Reason.TIMEOUT, 10),
        ("TIMEOUT 30\nTOTALTIMEOUT 10\n", [], "n=b", Reason.TIMEOUT, 1),
        ("TIMEOUT 30\nONTIMEOUT last x\n", [], "x", Reason.ONTIMEOUT, 3),
        ("TIMEOUT 30\nONTIMEOUT last x\n", ["enter"], "n=b", Reason.CHOSEN, 0),
        ("MENU SHIFTKEY\n", [], "n=b", Reason.DEFAULT, 0),
        ("MENU HIDDEN\nTIMEOUT 30\n", [], "n=b", Reason.TIMEOUT, 3),
        ("MENU HIDDEN\nTIMEOUT 30\n", [1.0, "x", 100.0, "enter"], "n=b", Reason.CHOSEN, 101),
        ("MENU HIDDEN\nMENU HIDDENKEY f2,x last y\n", [9.0, "x"], "y", Reason.CHOSEN, 9),
        ("MENU HIDDEN\nMENU HIDDENKEY f2,x last y\n", ["f2"], "y", Reason.CHOSEN, 0),
    ],
)
def test_time(head: str, keys: list[Press], word: str, reason: Reason, seconds: float) -> None:
    choice, replay = attended(head + MENU, keys)
    assert (choice.entry.cmdline.split()[-1], choice.reason) == (word, reason)
    assert replay.waited == pytest.approx(seconds)


@pytest.mark.parametrize(
    "head, keys, word, seconds",
    [
        ("", [], "n=b", 20),  # no TIMEOUT
        ("", [15.0, "down", 15.0, "up"], "n=b", 50),
        ("", [5.0, "down"], "n=c", 25),
        ("MENU HIDDEN\n", [], "n=b", 20),
        ("TIMEOUT 30\n", ["down"], "n=c", 20),
        ("", ["tab", *" half"], "n=b", 40),  # nobody finished the line
        ("", ["g"], "n=b", 20),  # Enter would only open a menu
        ("DEFAULT more\n", ["g", "enter"], "n=d", 20),
    ],
)
def test_a_menu_that_waits_for_ever_has_patience(
    head: str, keys: list[Press], word: str, seconds: float
) -> None:
    choice, replay = attended(head + MENU, keys, patience=20.0)
    assert choice.entry.cmdline.split()[-1] == word
    assert replay.waited == pytest.approx(seconds)
    assert choice.reason is Reason.WAITS_FOREVER


@pytest.mark.parametrize(
    "default",
    [
        "MENU SEPARATOR\n",  # cannot be chosen: that cancels the timeout
        "MENU BEGIN s\nLABEL in\nKERNEL k\nAPPEND n=in\nMENU END\n",
        "LABEL g\nMENU GOTO s\n",
        "LABEL q\nMENU QUIT\n",
    ],
)
def test_defaults_that_boot_nothing_wait_for_a_person(default: str) -> None:
    config = f"UI menu.c32\nTIMEOUT 10\n{default}LABEL z\nKERNEL k\nAPPEND n=z\n"
    assert chosen(config, [500.0, "end", "enter"]) == "n=z"
    with pytest.raises(Aborted):
        attended(config, [500.0])


def test_a_timeout_runs_the_text_of_a_help_entry() -> None:
    config = "UI menu.c32\nTIMEOUT 10\nLABEL h\nMENU HELP k\nAPPEND x\nLABEL z\nKERNEL k2\n"
    for terminal in (TERMINAL, None):
        choice, _ = attended(config, [], terminal=terminal)
        assert choice.entry.cmdline == "BOOT_IMAGE=k " and choice.reason is Reason.TIMEOUT


def test_trap_with_patience_boots_what_enter_would() -> None:
    config = "UI menu.c32\nTIMEOUT 10\nMENU BEGIN s\nLABEL in\nKERNEL k\nAPPEND n=in\nMENU END\n"
    choice, replay = attended(config, [], patience=5.0)
    assert choice.entry.label == "in" and choice.reason is Reason.WAITS_FOREVER
    assert replay.waited == pytest.approx(6)


def test_passwords() -> None:
    locked = MENU.replace("MENU LABEL ^Third", "MENU LABEL ^Third\nMENU PASSWD secret")
    assert chosen(locked, ["t", "enter", *"secret", "enter"]) == "n=c"
    assert chosen(locked, ["t", "enter", *"wrong", "enter", "up", "enter"]) == "n=b"
    assert chosen(locked, ["t", "enter", "escape", "up", "enter"]) == "n=b"
    assert chosen(locked, ["t", "enter", "enter", "up", "enter"]) == "n=b"
    assert chosen(locked, ["t", "enter", *"secrex", "backspace", "t", "enter"]) == "n=c"
    # Waiting is no way around a password.
    assert chosen(locked, ["t"], patience=9.0) == "n=b"
    assert chosen(locked, ["t", "enter", *"secret"], patience=9.0) == "n=b"
    # But "not on timeout".
    assert chosen(locked.replace("UI", "DEFAULT c\nTIMEOUT 9\nUI"), []) == "n=c"


def test_master_password() -> None:
    config = "MENU MASTER PASSWD m\n" + MENU.replace("MENU LABEL ^Third", "MENU LABEL ^Third\nMENU PASSWD")
    assert chosen(config, ["t", "enter", "m", "enter"]) == "n=c"
    assert chosen(config, ["tab", "m", "enter", *" x", "enter"]) == "x"
    assert chosen(config, ["tab", "n", "enter", "t", "enter", "m", "enter"]) == "n=c"
    assert chosen(config, ["escape", "n", "enter", "escape", "m", "enter", *"last", "enter"]) == "n=last"
    assert "Tab" not in screen(config, [])


def test_a_submenu_with_a_password() -> None:
    config = MENU.replace("MENU TITLE More", "MENU TITLE More\nMENU PASSWD p")
    assert chosen(config, ["down", "down", "enter", "q", "enter", "up", "enter"]) == "n=c"
    assert chosen(config, ["down", "down", "enter", "p", "enter", "enter"]) == "n=d"


def test_without_options_neither_tab_nor_escape() -> None:
    config = "ALLOWOPTIONS 0\n" + MENU
    assert chosen(config, ["tab", "escape", "t", "enter"]) == "n=c"
    assert "Tab" not in screen(config, [])


def test_a_failure_is_told_and_the_menu_shown_again() -> None:
    config = MENU.replace("MENU LABEL ^First\n  KERNEL k", "MENU LABEL ^First\n  KERNEL gone")
    assert "gone" in screen(config, ["f", "enter"])
    assert "gone" not in screen(config, ["f", "enter", "down"])
    assert chosen(config, ["f", "enter", "t", "enter"]) == "n=c"


def test_nothing_is_tried_for_ever_without_a_person() -> None:
    config = "TIMEOUT 10\n" + MENU.replace("MENU DEFAULT\n  KERNEL k", "MENU DEFAULT\n  KERNEL gone")
    with pytest.raises(FetchError, match="gone"):
        attended(config, [])
    assert chosen(config, [1.5, "t", "enter"]) == "n=c"  # once more it may try
    with pytest.raises(FetchError, match="gone"):
        attended(config, [1.5, "z"])


def test_onerror_of_the_menu() -> None:
    config = "MENU ONERROR last y\n" + MENU.replace("^First\n  KERNEL k", "^First\n  KERNEL gone")
    choice, _ = attended(config, ["f", "enter"])
    assert choice.entry.cmdline.split()[-1] == "y" and choice.reason is Reason.ONERROR


def test_function_keys_show_their_files() -> None:
    config = "F1 one.txt\nF2 two.txt\n" + MENU
    files = {"one.txt": "\x0c\x0f07first \x0f1ehelp\x1b[31m\r\n\x18pic.lss\n\x1aend", "two.txt": "second"}
    assert screen(config, ["f1"], files=files).split("\n") == ["first help\\x1b[31m"]
    assert screen(config, ["f1", "f2"], files=files) == "second"
    assert chosen(config, ["f1", "f2", "x", "f3", "enter"], files=files) == "n=b"
    long = {"one.txt": "\n".join(f"line {n}" for n in range(30))}
    assert screen(config, ["f1", " "], files=long).split("\n")[0] == "line 24"


def test_immediate() -> None:
    config = MENU.replace("^Third", "^Third\n  MENU IMMEDIATE")
    assert chosen(config, ["t"]) == "n=c"
    config = "MENU IMMEDIATE\n" + MENU.replace("^Third", "^Third\n  MENU NOIMMEDIATE")
    assert chosen(config, ["t", "z", "l"]) == "n=last"


def test_menus_one_after_the_other() -> None:
    files = {"sub.cfg": "MENU TITLE Sub\nLABEL s\nKERNEL k\nAPPEND n=s\n"}
    config = MENU.replace("MENU LABEL ^First\n  KERNEL k\n  APPEND n=a", "COM32 menu.c32\nAPPEND sub.cfg")
    assert chosen(config, ["home", "enter", "enter"], files=files) == "n=s"
    assert chosen(config, ["home", "enter", "escape", *"c", "enter"], files=files) == "n=c"
    # From menu to menu as often as one likes.
    again = ["home", "enter", "escape", "enter"] * 60
    assert chosen(config, [*again, "t", "enter"], files=files) == "n=c"
    loop = "UI menu.c32\nLABEL l\nCOM32 menu.c32\nLABEL x\nKERNEL k\nAPPEND n=x\n"
    assert chosen(loop, [*["enter"] * 300, "down", "enter"]) == "n=x"


def test_another_configuration() -> None:
    files = {"other": "SAY hello\nPROMPT 1\nLABEL o\nKERNEL k\nAPPEND n=o\n"}
    config = "UI menu.c32\nLABEL a\nCONFIG other\n"
    choice, replay = attended(config, ["enter", "o", "enter"], files=files)
    assert choice.entry.label == "o" and "hello\nboot: o\n" in replay.printed
    assert choice.config is not None and choice.config.path == "other"


@pytest.mark.parametrize(
    "line, word",
    [
        ("", "n=b"),
        ("1", "n=a"),
        ("3", "n=c"),
        ("c", "n=c"),
        ("last", "n=last"),
        ("last x", "x"),
        ("1 x y", "y"),
        ("THIRD", "n=c"),
    ],
)
def test_a_terminal_that_can_only_print(line: str, word: str) -> None:
    dumb = Terminal(dumb=True)
    choice, replay = attended(MENU, [*line, "enter"], terminal=dumb)
    assert choice.entry.cmdline.split()[-1] == word
    assert not any(replay.pictures) and "Second" in replay.printed


def test_dumb_submenus_help_and_passwords() -> None:
    dumb = Terminal(dumb=True)
    locked = "F1 f\n" + MENU.replace("^Third", "^Third\n  MENU PASSWD secret")
    keys = ["f1", "x", *"nope", "enter", *"4", "enter", "escape", *"3", "enter", *"secret", "enter"]
    choice, replay = attended(locked, keys, terminal=dumb, files={"f": "help text"})
    assert choice.entry.label == "c" and not any(replay.pictures)
    assert "help text" in replay.printed and "secret" not in replay.printed
    assert attended("TIMEOUT 30\n" + MENU, [], terminal=dumb)[0].reason is Reason.TIMEOUT


def test_no_labels() -> None:
    with pytest.raises(ConfigError):
        attended("UI menu.c32\nTIMEOUT 10\n", [])
    with pytest.raises(PxeBootError):
        attended("UI menu.c32\nLABEL a\nMENU DISABLE\n", [], patience=3.0)


def test_what_is_shown_is_safe() -> None:
    config = MENU.replace("^First", "^\x1b[2JFirst\u202e").replace("More", "\x07More")
    text = screen("MENU TITLE a\x1b]0;x\x07b\n" + config, [])
    assert "\\x1b[2JFirst\\u202e" in text and "a\\x1b]0;x\\x07b" in text


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("DEFAULT a\nLABEL a\nKERNEL gone\nLABEL b\nKERNEL k\n", 0),
        ("DEFAULT a\nTIMEOUT 50\nLABEL a\nKERNEL gone\n", 0),
        ("UI menu.c32\nTIMEOUT 50\nLABEL a\nKERNEL gone\nLABEL b\nKERNEL k\n", 5),
    ],
)
def test_a_terminal_where_nobody_sits_is_not_waited_for(config: str, seconds: float) -> None:
    """libxl has one for every guest: what fails there is told at once, and nothing else is tried."""
    replay = serving({"k": "@kernel", "pxelinux.cfg/default": config}, terminal=TERMINAL)
    with pytest.raises(PxeBootError, match="gone"):
        replay.drive(boot.boot(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE, patience=60.0)))
    assert replay.waited == pytest.approx(seconds)


def test_ontimeout_may_still_mend_it() -> None:
    config = "DEFAULT a\nTIMEOUT 50\nONTIMEOUT b\nLABEL a\nKERNEL gone\nLABEL b\nKERNEL k\n"
    choice, _replay = attended(config, [], patience=60.0)
    assert choice.reason is Reason.ONTIMEOUT and choice.entry.label == "b"


def test_files_as_they_are_in_the_wild() -> None:
    """A mark in front, CRLF, Latin-1, tabs, NUL, a line of 5,000 characters, no end: the menu is drawn."""
    config = (
        b"\xef\xbb\xbf# first\r\nUI\tmenu.c32\r\nMENU TITLE caf\xe9 \xe4\xb8\xad\xe6\x96\x87 e\xcc\x81\r\n"
        b"LABEL\r\nLABEL wide\nMENU LABEL ^\xe4\xb8\xad "
        + "\u4e2d".encode()
        * 100
        + b"\n\tKERNEL\tk\r\n\tAPPEND\tn=w\0x\n"
        b"LABEL long\nKERNEL k\nAPPEND "
        + b"x" * 1500
        + b"\nTEXT HELP\n"
        + b"h" * 5000
        + b"\nENDTEXT\nLABEL last\nKERNEL k"
    )
    choice, replay = attended(config, ["down", "\u4e2d", "enter"])
    assert choice.entry.label == "wide" and choice.entry.cmdline == "BOOT_IMAGE=k n=w"
    for picture in filter(None, replay.pictures):
        assert len(picture.rows) <= 24
    choice, replay = attended(config, [Terminal(1, 1), "end", "up", "tab", "end", *"y", "enter"])
    assert choice.entry.label == "long" and choice.entry.cmdline.endswith("xxy")


@pytest.mark.parametrize(
    "head, keys, word",
    [
        ("DEFAULT nope\nTIMEOUT 10\n", [], "n=b"),
        ("TIMEOUT -1\n", ["enter"], "n=b"),
        ("TIMEOUT 1e99\n", [], "n=b"),  # atoi() reads 1
        ("TIMEOUT abc\nTOTALTIMEOUT 99999999999999999999\n", ["enter"], "n=b"),
        ("TIMEOUT 10\nONTIMEOUT nope\nMENU ONERROR last\n", [], "n=last"),
        ("MENU ROWS 99999999999\nMENU WIDTH -99999\nMENU MARGIN 500\nMENU INDENT 9\n", ["enter"], "n=b"),
        ("MENU COLOR sel 1;31\x1b[2J * *\nMENU COLOR border 37;44\nMENU COLOUR title *\n", ["enter"], "n=b"),
    ],
)
def test_odd_values(head: str, keys: list[Press], word: str) -> None:
    assert chosen(head + MENU, keys) == word


def test_colours_are_those_asked_for() -> None:
    _, replay = attended(
        "MENU COLOR sel 1;35;42 #ff0000 *\n" + MENU, ["enter"], terminal=Terminal(colours=True)
    )
    styles = {span.style for row in replay.pictures[-1].rows for span in row.spans}  # type: ignore[union-attr]
    assert "1;35;42" in styles


def test_a_menu_file_without_end_is_an_error_that_one_can_leave() -> None:
    config = MENU.replace("MENU LABEL ^First\n  KERNEL k\n  APPEND n=a", "COM32 menu.c32\nAPPEND loop.cfg")
    files = {"loop.cfg": "INCLUDE loop.cfg\n"}
    choice, replay = attended(config, ["home", "enter", "t", "enter"], files=files)
    assert choice.entry.label == "c"
