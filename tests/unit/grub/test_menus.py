"""Menus of GRUB: what boots when nobody is there, by a label, and with somebody at the terminal."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.entry import Action, Reason
from pypxeboot.errors import ConfigError
from pypxeboot.grub import boot
from pypxeboot.picture import Picture, Terminal
from tests.support.ground.kernels import multiboot_elf
from tests.support.recorded import replay
from tests.support.recorded.replay import GUEST, LEASE, grub_config

TWO = "menuentry First --id one { linux /k n=1; }\nmenuentry Second --id two --hotkey=s { linux /k2 n=2; }\n"
NESTED = (
    "menuentry Top { linux /k top; }\nsubmenu 'More -->' --id more {\n"
    " menuentry In --id in { linux /k in; }\n menuentry Deep { linux /k2 deep; }\n}\n"
)


def shown(picture: Optional[Picture]) -> list[str]:
    """The rows of a picture as text."""
    assert picture is not None
    return ["".join(span.text for span in row.spans) for row in picture.rows]


@pytest.mark.parametrize(
    ("before", "kernel", "reason"),
    [
        ("set timeout=0\n", "/k", Reason.DEFAULT),
        ("set timeout=5\nset default=1\n", "/k2", Reason.TIMEOUT),
        ("set default=two\n", "/k2", Reason.WAITS_FOREVER),
        ("set timeout=-1\nset default='Second'\n", "/k2", Reason.WAITS_FOREVER),
        ("set timeout=x\nset default=7\n", "/k", Reason.WAITS_FOREVER),
    ],
)
def test_what_boots_when_nobody_is_there(before: str, kernel: str, reason: Reason) -> None:
    choice, _ = grub_config(before + TWO)
    assert choice.entry.kernel is not None
    assert (choice.entry.kernel.path, choice.reason) == (kernel, reason)


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("0", "top"),
        ("Top", "top"),
        ("more>in", "in"),
        ("More -->>>Deep", "deep"),
        ("more>1", "deep"),
        ("1>In", "in"),
        ("more", "in"),
        ("More -->", "in"),
    ],
)
def test_a_label_is_an_id_a_title_a_number_or_a_way(label: str, words: str) -> None:
    choice, replayed = grub_config("set timeout=9\n" + NESTED, label=label)
    assert (choice.entry.cmdline, choice.reason) == (
        f"BOOT_IMAGE=/{'k2' if words == 'deep' else 'k'} {words}",
        Reason.LABEL,
    )
    assert replayed.waited == 0


def test_a_label_that_is_not_there_says_what_is() -> None:
    with pytest.raises(ConfigError, match="no entry 'nope'") as why:
        grub_config(TWO, label="nope")
    assert why.value.hint == "it has one, two"


def test_a_label_is_asked_for_no_password_and_has_no_fallback() -> None:
    config = "set superusers=root\nset fallback=1\n"
    assert grub_config(config + TWO, label="one")[0].entry.label == "one"
    with pytest.raises(ConfigError, match="/nosuch"):
        grub_config("menuentry a { linux /nosuch; }\n" + TWO + "set fallback=1\n", label="a")


def test_fallback_is_told() -> None:
    choice, replayed = grub_config(
        "set timeout=0\nset fallback='7 1'\nmenuentry a { linux /nosuch; }\n" + TWO
    )
    assert (choice.entry.cmdline, choice.reason) == ("BOOT_IMAGE=/k n=1", Reason.ONERROR)
    assert any("/nosuch" in line and "falling back to 'First'" in line for line in replayed.log)


def test_listing() -> None:
    served = replay.serving(
        {"/grub/grub.cfg": "set default='more>in'\n" + NESTED + "menuentry off { halt; }\n"}
    )
    _, menu = served.drive(boot.entries(BootRequest(replay.GRUB, GUEST, LEASE)))
    assert [(entry.label, entry.title, entry.menu, entry.action) for entry in menu.entries] == [
        ("Top", "Top", (), Action.BOOT),
        ("more>in", "In", ("More -->",), Action.BOOT),
        ("more>Deep", "Deep", ("More -->",), Action.BOOT),
        ("off", "off", (), Action.POWEROFF),
    ]
    assert menu.default == "more>in" and menu.entries[1].cmdline == "BOOT_IMAGE=/k in"
    assert not [url for url in served.asked if url.endswith("/k")]


def test_the_menu_as_it_is_drawn() -> None:
    choice, replayed = grub_config("set timeout=7\n" + TWO, ["down", "enter"])
    assert (choice.entry.label, choice.reason) == ("two", Reason.CHOSEN)
    rows = shown(replayed.pictures[0])
    assert rows[1].strip() == "GNU GRUB" and rows[3].startswith(" ┌──") and rows[3].endswith("──┐")
    assert rows[4].startswith(" │*First") and rows[5].startswith(" │ Second")
    assert "Press enter to boot the selected OS, `e' to edit" in "".join(rows)
    assert rows[-1] == "   The highlighted entry will be executed automatically in 7s."
    assert "automatically" not in shown(replayed.pictures[1])[-1]
    assert all(len(row) <= 80 for row in rows) and len(rows) <= 24


def test_hotkeys_and_submenus() -> None:
    assert grub_config(TWO, ["s"])[0].entry.label == "two"
    choice, replayed = grub_config(NESTED, ["down", "enter", "escape", "down", "right", "end", "enter"])
    assert choice.entry.label == "more>Deep"
    assert any("ESC to return previous menu" in "".join(shown(picture)) for picture in replayed.pictures)


def test_an_entry_is_edited() -> None:
    keys = ["e", "down", "down", "end", *" x=1", "enter", *"initrd /i", "ctrl-x"]
    choice, replayed = grub_config("menuentry a {\nlinux /k\n}\n", keys)
    assert choice.entry.cmdline == "BOOT_IMAGE=/k x=1" and len(choice.entry.initrds) == 1
    assert any(row.startswith(" │setparams 'a'") for row in shown(replayed.pictures[1]))


def test_the_command_line() -> None:
    keys = ["c", *"set x=7", "enter", *"linux /k2 x=$x", "enter", "up", "up", "down", "escape", "c"]
    choice, replayed = grub_config(TWO, [*keys, *"boot", "enter"])
    assert choice.entry.cmdline == "BOOT_IMAGE=/k2 x=7" and "grub> " in replayed.printed


@pytest.mark.parametrize(
    ("lines", "cmdline"),
    [
        (["if true", "then linux /k2 multi=1", "fi"], "multi=1"),
        (["linux /k2 'a", "b' c"], "a\nb c"),
        (["linux /k2 a\\", "b"], "ab"),
        (["function f {", "linux /k2 f", "}", "f"], "f"),
    ],
)
def test_a_line_that_goes_on_in_the_next(lines: list[str], cmdline: str) -> None:
    keys = [key for line in [*lines, "boot"] for key in (*line, "enter")]
    choice, replayed = grub_config(TWO, ["c", *keys])
    assert choice.entry.cmdline == f"BOOT_IMAGE=/k2 {cmdline}"
    assert replayed.printed.count("> ") > replayed.printed.count("grub> ")


def test_a_line_that_is_left_open() -> None:
    keys = ["c", *"if true", "enter", "escape", *"linux /k2 x", "enter", *"boot", "enter"]
    choice, replayed = grub_config(TWO, keys)
    assert choice.entry.cmdline == "BOOT_IMAGE=/k2 x" and "error: syntax error" in replayed.printed


def test_the_tab_key_completes_names_of_commands() -> None:
    """In the first word; of several that fit it lists them, and goes as far as they are the same."""
    keys = ["c", *"func", "tab", "ctrl-u", *"conf", "tab", "ctrl-u", *"lin", "tab", *"16 ", "tab"]
    choice, replayed = grub_config(TWO, [*keys, *"/k2 x", "enter", *"boot", "enter"])
    assert choice.entry.cmdline == "BOOT_IMAGE=/k2 x"
    assert "igfile " in replayed.printed
    assert "\nPossible commands are:\n\n linux linux16\ngrub> linux" in replayed.printed


def test_hidden_and_countdown() -> None:
    for style in ("hidden", "countdown"):
        before = f"set timeout=3\nset timeout_style={style}\n"
        choice, replayed = grub_config(before + TWO, [9.0])
        assert choice.reason is Reason.TIMEOUT and not any(replayed.pictures) and replayed.waited == 3
        assert grub_config(before + TWO, ["s"])[0].entry.label == "two"
        choice, replayed = grub_config(before + TWO, ["x", "escape", "down", "enter"])
        assert choice.entry.label == "two" and any(replayed.pictures)


def test_passwords() -> None:
    digest = hashlib.pbkdf2_hmac("sha512", b"secret", b"\1\2", 10).hex()
    hashed = f"grub.pbkdf2.sha512.10.0102.{digest}"
    config = (
        f"set superusers=root\npassword_pbkdf2 root {hashed}\npassword bob bobs\nset timeout=0\n"
        "menuentry a --users bob { linux /k; }\n"
    )
    with pytest.raises(ConfigError, match="asks for a password"):
        grub_config(config)
    for name, password in (("root", "secret"), ("bob", "bobs")):
        choice, replayed = grub_config(config, [*name, "enter", *password, "enter"])
        assert choice.entry.label == "a" and password not in replayed.printed
    choice, replayed = grub_config(config, [*"bob", "enter", "x", "enter", *"bob", "enter", *"bobs", "enter"])
    assert choice.entry.label == "a" and "access denied" in replayed.printed and replayed.slept == 1
    assert grub_config(config.replace("--users bob", "--unrestricted"))[0].entry.label == "a"


@pytest.mark.parametrize("size", [(80, 24), (20, 6), (40, 10), (200, 60), (1, 1)])
def test_any_size_of_a_terminal(size: tuple[int, int]) -> None:
    terminal = Terminal(*size, colours=True)
    titles = "".join(f"menuentry 'Entry {n} ünï 漢字' {{ linux /k n={n}; }}\n" for n in range(99))
    config = "set color_normal=white/blue\nset menu_color_highlight=black/cyan\n" + titles
    choice, replayed = grub_config(
        config, ["page-down", "end", "up", "e", "escape", "enter"], terminal=terminal
    )
    assert choice.entry.cmdline == "BOOT_IMAGE=/k n=97"
    assert all(picture is None or len(picture.rows) <= max(size[1], 1) for picture in replayed.pictures)


def test_a_dumb_terminal_gets_numbered_lines() -> None:
    choice, replayed = grub_config(TWO, ["1", "enter"], terminal=Terminal(dumb=True))
    assert choice.entry.label == "two" and "*   0. First\n    1. Second\n" in replayed.printed


@pytest.mark.parametrize(
    ("arch", "words"),
    [("x86_64", "can't find command `devicetree'"), ("arm64", "devicetree needs firmware")],
)
def test_a_device_tree_is_the_machines_own(arch: str, words: str) -> None:
    config = "set timeout=0\nmenuentry a { devicetree /tree.dtb; linux /k n=1; }\n"
    choice, replayed = grub_config(config, guest=replace(GUEST, arch=arch))
    assert choice.entry.cmdline == "BOOT_IMAGE=/k n=1" and choice.entry.dtb is None
    assert any(words in line for line in replayed.log), replayed.log


def test_a_multiboot_kernel_in_gzip() -> None:
    """GRUB's gzio unpacks what it reads: Debian's xen is such a file."""
    packed = "@hex:" + gzip.compress(multiboot_elf()).hex()
    text = "menuentry Xen { multiboot /xen.gz a=1\n module /k b=2\n}\n"
    choice, _ = grub_config("set timeout=0\n" + text, files={"/xen.gz": packed})
    assert (choice.entry.cmdline, choice.entry.modules[0].cmdline) == ("a=1", "b=2")
