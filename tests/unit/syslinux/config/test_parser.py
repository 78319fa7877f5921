"""The search for a configuration, and the parser of its language."""

from __future__ import annotations

from textwrap import dedent
from typing import Union

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.bootsource import BootRequest
from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.syslinux.config.files import CONFIG_LIMIT, ServerFiles
from pypxeboot.syslinux.config.lexer import parse_number, parse_unsigned, split
from pypxeboot.syslinux.config.model import Config, MenuAction
from pypxeboot.syslinux.config.parser import SyslinuxParser
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support import effort
from tests.support.recorded.replay import GUEST, LEASE, Replay, boot, serving
from tests.support.samples.sources import SOURCE


def parsed(text: Union[str, bytes], menu: bool = False, **files: Union[str, bytes]) -> Config:
    """``text`` as a configuration; ``files`` are there to be included."""
    replay = serving(files)
    parser = SyslinuxParser(ServerFiles(SOURCE).read, menu=menu)
    data = text if isinstance(text, bytes) else dedent(text).encode()
    replay.drive(parser.file(data))
    return parser.config()


def commands(config: Config) -> dict[str, str]:
    return {name: label.command for name, label in config.by_name.items()}


@pytest.mark.parametrize(
    "text, expected",
    [
        # "a label's first word"; keywords in any case; the first of duplicates
        ("LABEL a b\nKERNEL k\n", {"a": "k"}),
        ("label a\nkErNeL k\nlabel A\nkernel k2\n", {"a": "k", "A": "k2"}),
        ("LABEL a\nKERNEL k\nLABEL a\nKERNEL k2\n", {"a": "k"}),
        ("LABEL a\n", {"a": "a"}),
        ("LABEL\nKERNEL k\n", {"": "k"}),
        # a type goes in front; the last of several counts
        ("LABEL a\nLINUX k x\n", {"a": ".linux k x"}),
        ("LABEL a\nLINUX k\nKERNEL k2\n", {"a": "k2"}),
        ("LABEL a\nKERNEL k\nLOCALBOOT 0\n", {"a": ".localboot 0"}),
        # APPEND: own replaces global, "-" is empty; global ones count when the label ends
        ("APPEND g\nLABEL a\nKERNEL k\n", {"a": "k g"}),
        ("APPEND g\nLABEL a\nKERNEL k\nAPPEND l\n", {"a": "k l"}),
        ("APPEND g\nLABEL a\nKERNEL k\nAPPEND -\n", {"a": "k"}),
        ("APPEND g\nLABEL a\nKERNEL k\nAPPEND - x\n", {"a": "k - x"}),
        ("LABEL a\nKERNEL k\nAPPEND 1\nAPPEND 2\n", {"a": "k 2"}),
        ("LABEL a\nKERNEL k\nMENU SEPARATOR\nAPPEND late\nLABEL b\nKERNEL k\n", {"a": "k", "b": "k late"}),
        # INITRD only inside a label, behind APPEND
        ("INITRD i\nLABEL a\nINITRD i1\nINITRD i2\nAPPEND x\nKERNEL k\n", {"a": "k x initrd=i2"}),
        ("LABEL a\nKERNEL k\nINITRD\n", {"a": "k initrd="}),
        # before any label there is nothing to set
        ("KERNEL k\nLABEL a\n", {"a": "a"}),
        # blanks are kept, line ends are not; no comments, quotes, continuations
        ("LABEL a\n\tKERNEL\tk\n APPEND   x  y\t# z \\\n", {"a": "k x  y\t# z \\"}),
        ("LABEL a\r\nKERNEL k\r\nAPPEND x\ry\r\n", {"a": "k x"}),
        ("LABEL a\nKERNEL k\0z\nAPPEND x", {"a": "k x"}),
        ("KERNELS\nLABEL=a\nLABEL a\nKERNEL=k2\nFROB x\n#KERNEL k2\nKERNEL k\n", {"a": "k"}),
        # what is between TEXT and ENDTEXT is text
        ("LABEL a\nTEXT HELP\nLABEL b\nKERNEL k2\n  ENDTEXT\nKERNEL k\n", {"a": "k"}),
        ("LABEL a\nKERNEL k\nTEXT\nLABEL b\n", {"a": "k"}),
        # disabled labels have no name
        ("LABEL a\nMENU DISABLE\nKERNEL k\nLABEL b\nMENU DISABLED\nLABEL c\n", {"c": "c"}),
    ],
)
def test_labels(text: str, expected: dict[str, str]) -> None:
    assert commands(parsed(text)) == expected


def test_globals_inside_a_label_act_globally() -> None:
    config = parsed(
        """
        DEFAULT x
        LABEL a
          TIMEOUT 50
          TOTALTIMEOUT 100
          ONTIMEOUT b  c
          ONERROR d
          PROMPT 1
          IMPLICIT 0
          ALLOWOPTIONS 0
          NOESCAPE 1
          DEFAULT a b
        """
    )
    assert (config.timeout, config.totaltimeout, config.ontimeout, config.onerror) == (50, 100, "b  c", "d")
    assert config.prompt and config.noescape and not config.implicit and not config.allowoptions
    assert config.default == config.command == "a b"


def test_ui_beats_default() -> None:
    config = parsed("UI menu.c32 x\nDEFAULT a\n")
    assert (config.command, config.default) == ("menu.c32 x", "a")


def test_sysappend_is_per_label_and_global() -> None:
    config = parsed("IPAPPEND 2\nLABEL a\nLABEL b\nSYSAPPEND 0x30\nIPAPPEND 0x3ffff\nLABEL c\nIPAPPEND 010\n")
    assert [label.sysappend for label in config.labels] == [2, 0x3FFFF, 8]
    assert config.sysappend == 2


def test_the_rest_of_a_long_line_is_a_new_line() -> None:
    filler = "#" + "x" * 4094
    assert commands(parsed(f"LABEL a\n{filler}KERNEL k\n")) == {"a": "k"}
    assert commands(parsed(f"LABEL a\n{filler}\nKERNEL k\n")) == {"a": "k"}


def test_every_byte_survives() -> None:
    config = parsed(b"LABEL a\nKERNEL k\nAPPEND caf\xe9 \xc3\xa9 \xff\n")
    assert config.by_name["a"].command.encode("utf-8", "surrogateescape") == b"k caf\xe9 \xc3\xa9 \xff"


def test_a_bom_spoils_the_first_line_only() -> None:
    assert parsed("\ufeffDEFAULT a\nUI b\n").default is None
    assert parsed("\ufeffDEFAULT a\nUI b\n").ui == "b"


def test_includes_go_on_in_the_open_label() -> None:
    config = parsed("LABEL a\nINCLUDE one\nAPPEND x\n", one="INCLUDE two tag\n", two="KERNEL k\n")
    assert commands(config) == {"a": "k x"}


def test_menu_include_is_read_by_the_core() -> None:
    assert commands(parsed("MENU INCLUDE one\n", one="LABEL a\nKERNEL k\n")) == {"a": "k"}


def test_a_missing_include_is_skipped() -> None:
    assert commands(parsed("INCLUDE nope\nINCLUDE\nINCLUDE -::x\nLABEL a\nKERNEL k\n")) == {"a": "k"}


def test_includes_have_a_depth() -> None:
    chain = {f"f{n}": f"INCLUDE f{n + 1}\n" for n in range(1, 65)}
    assert commands(parsed("INCLUDE f2\n", **chain, f65="LABEL a\n")) == {"a": "a"}
    with pytest.raises(ConfigError, match="64 deep"):
        parsed("INCLUDE f1\n", **chain, f65="LABEL a\n")
    with pytest.raises(ConfigError, match="64 deep"):
        parsed("INCLUDE me\n", me="INCLUDE me\n")


def test_path_has_directories_the_last_one_first() -> None:
    assert parsed("PATH a:b/\nPATH c :: d\nPATH :e\n").path == ("c /", "b/", "a/")


def test_files_have_a_number() -> None:
    files = {f"f{n}": "LABEL a\n" for n in range(70)}
    with pytest.raises(ConfigError, match="64 files"):
        parsed("".join(f"INCLUDE {name}\n" for name in files), **files)


@pytest.mark.slow
def test_includes_of_includes_have_an_end() -> None:
    files = {f"f{n}": f"INCLUDE f{n + 1}\n" * 10 for n in range(1, 17)}
    with pytest.raises(ConfigError, match="larger than"):
        parsed("INCLUDE f2\n", **files, f17="LABEL a\n")


def test_a_missing_include_is_told_once() -> None:
    replay = serving({"pxelinux.cfg/default": "INCLUDE no\n" * 9 + "DEFAULT k\n", "k": "@kernel"})
    replay.drive(ldlinux.boot(BootRequest(SOURCE, GUEST, LEASE)))
    assert [line for line in replay.log if "INCLUDE" in line] == ["INCLUDE no: not there, skipped"]
    with pytest.raises(ConfigError, match="64 files"):
        parsed("INCLUDE -::x\n" * 65)


def test_a_file_is_asked_for_once() -> None:
    replay = serving({"a": "x"})
    files = ServerFiles(SOURCE)
    assert [replay.drive(files.read("a")) for _ in range(3)] == [b"x"] * 3
    assert replay.asked == ["tftp://10.77.0.1/a"]


def test_a_file_has_a_size() -> None:
    replay = Replay(lambda location: bytes(CONFIG_LIMIT + 1))
    with pytest.raises(ConfigError, match="larger"):
        replay.drive(ServerFiles(SOURCE).read("a"))


def test_submenus() -> None:
    config = parsed(
        """
        TIMEOUT 30
        ONTIMEOUT a
        MENU TITLE top
        LABEL a
        MENU BEGIN sub
          MENU LABEL ^Sub menu
          MENU DEFAULT
          TIMEOUT 7
          LABEL b
            MENU DEFAULT
            MENU LABEL ^Bee
          MENU BEGIN
            MENU TITLE deep
            MENU LABEL Deeper
            MENU FROB x
            MENU START
            LABEL c
              MENU GOTO sub
            LABEL d
              MENU EXIT
          MENU END
        MENU END
        MENU END
        LABEL h
          MENU HIDE
        LABEL q
          MENU QUIT
        """
    )
    top, hidden, sub, deep = config.screens
    assert (top.title, top.default, top.timeout, top.ontimeout) == ("top", 1, 30, "a")
    assert [(entry.title, entry.action) for entry in top.entries] == [
        ("a", MenuAction.COMMAND),
        ("^Sub menu", MenuAction.SUBMENU),
        ("q", MenuAction.QUIT),
    ]
    assert (sub.tag, sub.title, sub.parent, sub.default, sub.timeout) == ("sub", "Sub menu", 0, 0, 7)
    assert sub.entries[0].plain_title == "Bee"
    assert (deep.parent, deep.title, deep.timeout, deep.ontimeout) == (2, "deep", 7, "a")
    assert [(entry.action, entry.target) for entry in deep.entries] == [
        (MenuAction.GOTO, "sub"),
        (MenuAction.EXIT, ""),
    ]
    assert [entry.name for entry in hidden.entries] == ["h"]
    assert config.start == 3
    assert [label.line for label in config.labels] == ["a", "b", "c", "d", "h", "q"]


def test_menus_know_the_whole_line() -> None:
    config = parsed("INCLUDE one Some tag\nLABEL a b\n", menu=True, one="LABEL c d\nKERNEL k\n")
    assert [(label.name, label.line, label.command) for label in config.labels] == [
        ("c", "c d", "k"),
        ("a", "a b", "a b"),
    ]
    assert config.screens[2].tag == "Some tag" and config.screens[0].entries[0].action is MenuAction.SUBMENU


@pytest.mark.parametrize(
    "text, expected",
    [("10", 10), (" -3x", -3), ("+4", 4), ("abc", 0), ("", 0), ("1e99", 1), ("9" * 400, int("9" * 18))],
)
def test_numbers_as_atoi_reads_them(text: str, expected: int) -> None:
    assert parse_number(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("3", 3),
        ("0x3FFFF", 0x3FFFF),
        ("02", 2),
        ("08", 0),
        ("0x", 0),
        ("x", 0),
        ("4294967297", 1),
        ("1 2", 1),
    ],
)
def test_numbers_as_strtoul_reads_them(text: str, expected: int) -> None:
    assert parse_unsigned(text) == expected


def test_split_keeps_what_follows() -> None:
    assert split("  a \t b  c ") == ("a", "b  c ")
    assert split("") == ("", "")
    assert split("\u00a0a b") == ("\u00a0a", "b")


def test_ten_thousand_labels_are_no_work() -> None:
    text = "DEFAULT x9999\n" + "".join(f"LABEL x{n}\nKERNEL k\nAPPEND a={n}\n" for n in range(7000))
    assert len(parsed(text).labels) == 7000
    few = "\n".join(text.splitlines()[:1501])
    assert effort.lines(lambda: parsed(text)) < 16 * effort.lines(lambda: parsed(few)), "14 times the text"


@given(st.binary(max_size=300))
def test_any_bytes_parse(data: bytes) -> None:
    parsed(data)


WORDS = st.sampled_from(
    "LABEL KERNEL LINUX APPEND INITRD MENU BEGIN END GOTO EXIT HIDE DISABLE SEPARATOR DEFAULT UI".split()
    + "START TIMEOUT ONTIMEOUT ONERROR INCLUDE TEXT HELP ENDTEXT CONFIG COM32 LOCALBOOT IPAPPEND".split()
    + ["a", "b", "k", "i", "menu.c32", "cmd.c32", "ifcpu64.c32", "--", "initrd=", "1", "0", "~", "::"]
    + ["\n"] * 9
)


@given(st.lists(WORDS, max_size=60).map(" ".join))
def test_any_configuration_boots_or_ends_in_an_error(text: str) -> None:
    try:
        boot(text, files={"a": text, "b": "LABEL b\nKERNEL k\n"})
    except PxeBootError as error:
        assert error.message.isprintable()


def test_a_no_break_space_of_latin_1_is_a_blank_before_a_word() -> None:
    """The byte A0, which isspace() of the loader's library knows; words do not end there."""
    config = parsed(b"\xa0LABEL a\n \xa0 KERNEL \xa0\xa0k\xa0x y\nAPPEND\xa0z\n\xc2\xa0APPEND utf-8\n")
    assert commands(config) == {"a": "k\udca0x y"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MENU HIDE\nMENU SEPARATOR\nMENU SEPARATOR\n", ["", "a"]),
        ("MENU HIDE\nLABEL x\nMENU SEPARATOR\n", ["x", "", "a"]),
        ("LABEL x\nMENU HIDE\nMENU SEPARATOR\n", ["", "a"]),
        ("MENU SEPARATOR\nMENU HIDE\n", ["", "a"]),
    ],
)
def test_a_separator_that_is_hidden(text: str, shown: list[str]) -> None:
    """Recorded from menu.c32: a first entry that is a separator cancels the timeout."""
    config = parsed(f"{text}LABEL a\n", menu=True)
    assert [entry.title for entry in config.screens[0].entries] == shown


@pytest.mark.parametrize(
    ("lines", "title"),
    [
        ("MENU LABEL Tools\nMENU TITLE Pick\n", "Tools"),
        ("MENU TITLE Pick\nMENU LABEL Tools\n", "Tools"),
        ("MENU TITLE Pick\nMENU TITLE Other\n", "Pick"),
        ("MENU TITLE Tools\nMENU TITLE Other\n", "Tools"),
        ("", "Tools"),
    ],
)
def test_the_text_of_the_entry_of_a_submenu(lines: str, title: str) -> None:
    config = parsed(f"MENU BEGIN Tools\n{lines}LABEL b\nMENU END\n", menu=True)
    assert config.screens[0].entries[0].title == title
