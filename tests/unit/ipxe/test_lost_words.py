"""Lines of a script that do not mean what they look like, and iPXE itself says nothing of."""

from __future__ import annotations

import pytest

from tests.support.recorded.replay import script

BOOT = "kernel k\nboot\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("kernel k a=1||", "|| is a part of the word 'a=1||': blanks have to stand around it"),
        ("kernel k a=1; ", "; is a part of the word 'a=1;': blanks have to stand around it"),
        ("isset ${x}&& echo x", "&& is a part of the word '${x}&&': blanks have to stand around it"),
        ("set x a\u00a0b", "a no-break space (U+00A0) stands where a blank should"),
        (":again\n:again", "line 3: label 'again' stands in line 2, too, and goto leads there"),
    ],
)
def test_words_that_are_lost(line: str, told: str) -> None:
    _, played = script(f"#!ipxe\n{line}\n{BOOT}")
    assert sum(told in warning for warning in played.warnings) == 1, played.warnings


@pytest.mark.parametrize(
    "line",
    [
        "kernel k?a=1&&b=2 || echo failed",
        "echo a ; echo b && echo c",
        "echo a # it's x||y; a\u00a0comment",
        ":one\n:two",
        "nosuch ||",
        "echo ${nosuch}",
    ],
)
def test_what_it_says_itself_or_means_something_is_not_told(line: str) -> None:
    _, played = script(f"#!ipxe\n{line}\n{BOOT}")
    assert not [warning for warning in played.warnings if "line 2" in warning or "line 3" in warning]


def test_a_script_that_runs_twice_is_told_once() -> None:
    text = "#!ipxe\niseq ${n} 2 && goto end ||\ninc n\nset x a;\nchain --autofree boot.ipxe\n:end\n" + BOOT
    _, played = script(text, files={"boot.ipxe": text.encode()})
    assert len([warning for warning in played.warnings if "'a;'" in warning]) == 1
