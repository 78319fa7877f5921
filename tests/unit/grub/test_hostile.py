"""Configurations of GRUB that mean harm: one error line, in time, and nothing that steers a terminal."""

from __future__ import annotations

import time

import pytest

from pypxeboot.errors import ConfigError, PxeBootError
from pypxeboot.text import printable
from tests.support.recorded.replay import grub_config

ENTRY = "set timeout=0\nmenuentry a { linux /k; }\n"
BAD = {
    "endless loop": "while true; do set x=1; done\n",
    "endless until": "until false; do true; done\n",
    "loop of nothing": "while true; do $x; done\n",
    "recursion": "function f { f; }\nf\n",
    "two functions": "function f { g; }\nfunction g { f; }\nf\n",
    "configfile": "configfile /grub/grub.cfg\n",
    "source": "source /grub/grub.cfg\n",
    "normal": "normal /grub/grub.cfg\n",
    "entry to itself": "set timeout=0\nmenuentry a { configfile /grub/grub.cfg; }\n",
    "doubling": "set a=xxxxxxxx\n" + "set a=$a$a$a$a\n" * 40,
    "eval": 'set a="eval \\$a"\neval $a\n',
    "many words": "set a='x x x x x x x x'\n"
    + 'set a="$a $a"\n' * 12
    + "for i in $a $a; do for j in $a $a; do set b=$a; done; done\n",
    "100,000 entries": "".join(f"menuentry {n:x} {{ x }}\n" for n in range(40_000)),
    "deep ifs": "if true; then\n" * 5000 + "true\n" + "fi\n" * 5000,
    "deep blocks": "submenu a {\n" * 3000 + "x\n" + "}\n" * 3000,
    "deep submenus": "function s { submenu x { s; }; }\ns\nset timeout=0\n",
    "elif chain": "if false; then x\n" + "elif false; then x\n" * 20_000 + "fi\n",
    "open quote": "set a='" + "x\n" * 200_000,
    "open quotes": 'x "' * 100_000,
    "open block": "menuentry a {\n" + "true\n" * 150_000,
    "one long word": "set a=" + "y" * 900_000 + "\n",
    "backslashes": "echo " + "\\\n" * 300_000,
    "regexp": "regexp '((a*)*)*b' aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n" * 40,
    "parentheses": "test " + "'(' " * 5000 + "\n",
    "number": "set default=" + "9" * 5000 + "\nset timeout=" + "9" * 5000 + "\n",
    "pbkdf2": "set superusers=r\npassword_pbkdf2 r grub.pbkdf2.sha512.999999999.aa.bb\n" + ENTRY,
}


@pytest.mark.parametrize("config", BAD.values(), ids=BAD)
def test_one_error_in_time(config: str) -> None:
    begun = time.process_time()
    with pytest.raises(PxeBootError) as why:
        grub_config(config)
    assert time.process_time() - begun < 20
    assert "\n" not in why.value.message and len(why.value.message) < 400
    assert printable(why.value.message, 500) == why.value.message


@pytest.mark.parametrize(
    "config",
    [
        "set timeout=" + "9" * 40 + "\n" + ENTRY,
        "for i in 1 2 3; do for j in 1 2 3; do set x=$x$i$j; done; done\n" + ENTRY,
        "regexp '(' x\nregexp '[' x\nregexp 'a{99999}' x\nregexp '*' x\n" + ENTRY,
        "".join(f"menuentry {n} {{ linux /k; }}\n" for n in range(9000)) + ENTRY,
        "}\n)\n(\n&&\n;;\n<\n>\nif\nfi\nfunction\n" + ENTRY,
        "initrd /i\nmodule /i\nboot\nchainloader\nlinux\nlinux (\nlinux (hd0\nlinux (nope)/x\n" + ENTRY,
        "linux (tftp,a b)/x\nlinux (http,\x01)/x\nlinux (tftp,::1)\nlinux '/\x1b[31m'\nsource '\x07'\n"
        + ENTRY,
        "sleep\nsleep x\nread\nset\nunset\nexport\nshift 5\nreturn\nbreak 0\nbreak x\nsmbios --type 9\n"
        + ENTRY,
    ],
)
def test_what_goes_on_goes_on(config: str) -> None:
    assert grub_config(config)[0].entry.cmdline == "BOOT_IMAGE=/k"


def test_nothing_steers_the_terminal() -> None:
    """The replay refuses pictures and text with controls in them; so does the host side."""
    evil = "\x1b]0;pwned\x07\x1b[2J\u202e\x9b31m"
    config = f"echo '{evil}'\nset x='{evil}'\nset\nnosuch{evil} a\nlinux '/{evil}'\ncat /grub/grub.cfg\n"
    config += f"menuentry '{evil}' --id '{evil}' {{ linux /k '{evil}'; }}\n"
    choice, replayed = grub_config(config, ["e", "escape", "c", "tab", "escape", "enter"])
    assert evil in choice.entry.cmdline  # a command line is bytes; who prints it makes it printable
    assert "\x1b" not in replayed.printed and all(line.isprintable() for line in replayed.log)


def test_a_redefined_function_runs_on() -> None:
    choice, _ = grub_config("function f { function_x; eval 'function f { true; }'; set a=1; }\nf\n" + ENTRY)
    assert choice.entry.label == "a"


def test_files_without_end() -> None:
    config = "set n=x\nwhile true; do source /x$n; set n=x$n; done\n"
    with pytest.raises(ConfigError, match="more than 200 files"):
        grub_config(config)


@pytest.mark.parametrize("config", ["eval ': {long}'", "eval 'if false; then x {long}; fi'"])
def test_scripts_without_end(config: str) -> None:
    """To take a script apart costs, also where nothing of it runs."""
    with pytest.raises(ConfigError, match="runs more than 3 MiB of scripts"):
        grub_config(f"while true; do {config.format(long='x' * 60_000)}; done\n")
