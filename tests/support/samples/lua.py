"""A Lua of the tests, and patterns for it."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

lupa = pytest.importorskip("lupa.lua52")

PEER = lupa.LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)
"""A Lua without limits, to compare with."""


TEXTS = st.text(alphabet="ab 1-]%.\xe9", max_size=9)
PATTERNS = st.text(alphabet="ab^$%.[]()*+-?sdwfb1 x", max_size=8)
