"""lua.c32: what scripts may do, what they are kept from, and what they boot."""

from __future__ import annotations

import pytest
from hypothesis import given

from pypxeboot.lua.pattern import Budget, PatternError, search
from tests.support.samples.lua import PATTERNS, PEER, TEXTS


@given(TEXTS, PATTERNS)
def test_patterns_match_as_in_lua(text: str, pattern: str) -> None:
    if not any(char in "^$*+?.([%-" for char in pattern):
        return
    theirs = PEER.eval("function(s, p) return pcall(string.find, s, p) end")(text, pattern)
    try:
        found = search(text, pattern, 0, Budget(100000))
    except PatternError:
        assert theirs[0] is False
        return
    if isinstance(theirs, tuple) and theirs[0] is True and len(theirs) > 2:
        assert found is not None and theirs[1:] == (found.start + 1, found.end, *found.captures)
    else:
        assert found is None


@pytest.mark.parametrize("pattern", ["%\xb2", "(a)%\xb9", "[%\xb3]", "%\u0661"])
def test_digits_that_are_not_ascii_are_characters(pattern: str) -> None:
    assert search("a", pattern, 0, Budget(1000)) is None
    assert search(pattern.strip("(a)[]%"), pattern.replace("(a)", ""), 0, Budget(1000)) is not None
