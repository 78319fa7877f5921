"""What a configuration of GRUB says in vain, and GRUB itself says nothing of: each is told once."""

from __future__ import annotations

import pytest

from tests.support.recorded.replay import grub_config

TWO = "menuentry First --id one { linux /k n=1; }\nmenuentry Second --id two { linux /k2 n=2; }\n"


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("set default=tow\n", "default='tow' is no entry of the menu: the first one boots"),
        ("set default=7\n", "default='7' is no entry of the menu: the first one boots"),
        ("set timeout=ten\n", "timeout='ten' is no number: the menu waits for ever"),
        ("set fallback=Second\n", "fallback='Second' is no number: there is nothing to fall back"),
        ("set default= 1\n", "set default=: the words behind it are lost: '1'"),
        ("set x=a\u00a0b\n", "line 1: a no-break space (U+00A0) stands where a blank should"),
    ],
)
def test_words_that_are_lost(before: str, told: str) -> None:
    _, replayed = grub_config(before + TWO)
    assert sum(told in warning for warning in replayed.warnings) == 1, replayed.warnings


@pytest.mark.parametrize(
    "before",
    [
        "set timeout=5\nset default=two\n",
        "set default=\nset timeout=\n",
        "set fallback='1 0'\n",
        "set timeout=-1\n",
        "set default='Second'\n# a\u00a0comment\n",
        "nosuchvariable=1\nset default=1 # two\n",
    ],
)
def test_what_means_something_is_not_told(before: str) -> None:
    _, replayed = grub_config(before + TWO)
    assert not replayed.warnings


@pytest.mark.parametrize(
    "command",
    [
        *("pxechainloader /k", "hwmatch /k 0", "kfreebsd_loadenv /k", "xnu_ramdisk /k", "legacy_source /k"),
        *("syslinux_source /k", "background_image /k", "background_color red"),
    ],
)
def test_what_a_guest_cannot_do_fails(command: str) -> None:
    """A command that nobody knows would be a success to ``if``."""
    choice, _ = grub_config(f"if {command}; then set default=one; else set default=two; fi\n{TWO}")
    assert choice.entry.cmdline == "BOOT_IMAGE=/k2 n=2"
