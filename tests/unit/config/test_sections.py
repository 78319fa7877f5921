"""The configuration files: whose sections hold, what they give way to, what is said of wrong ones."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.config import sections
from pypxeboot.errors import UsageError
from tests.support import effort


@given(st.text(alphabet="[]=:#; \t\r\n\0\x0c\x85\u2028*abM0-", max_size=60), st.sampled_from(["", "[a]\n"]))
def test_any_text_is_read_or_refused(text: str, before: str) -> None:
    try:
        found = sections.parse("f", before + text, {"a", "b"})
    except UsageError as why:
        assert re.match("f:[0-9]+: ", why.message)
    else:
        lines = (before + text).split("\n")
        for section in found:
            for key, setting in section.settings.items():
                assert key in lines[int(setting.origin[2:]) - 1].lower()


def test_work_grows_with_the_number_of_guests_alone() -> None:
    def work(guests: int) -> int:
        text = "".join(f"[web{number}]\nlabel = a\nvlan = 3\n" for number in range(guests))
        return effort.lines(lambda: sections.parse("f", text, {"label", "vlan"}))

    assert work(800) < 9 * work(100)
