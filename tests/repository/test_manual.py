"""The manual page: it has every option that there is, and every form of the result."""

from __future__ import annotations

import re

import pytest

from pypxeboot.config.options import FORMATS, parser
from pypxeboot.links.kinds import LINKS
from tests.support.ground import tools

PAGE = (tools.ROOT / "man/pypxeboot.8").read_text("utf-8").replace(r"\-", "-")
PLAIN = re.sub(r"\\f.", " ", PAGE)  # without the changes of font
OPTIONS = sorted(name for action in parser()._actions for name in action.option_strings if name[1] == "-")


@pytest.mark.parametrize("word", [*OPTIONS, *FORMATS])
def test_every_option_is_in_the_manual(word: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", PLAIN)


def test_every_kind_of_link_is_in_the_manual() -> None:
    assert f'.BR --link " {"|".join(LINKS)}"\n' in PAGE
    section = PLAIN.partition('--link " auto')[2].partition("\n.TP")[0]
    assert set(LINKS) - {"auto"} <= set(re.findall(r"^\.B (\S+)$", section, re.MULTILINE))
