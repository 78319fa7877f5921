"""Run Lua scripts of lua.c32 with lupa, within limits of memory, instructions and time.

Nothing of the machine and nothing of Python can be reached from a script. What it wants of the loader comes
out as :class:`~pypxeboot.effects.LuaCall`.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pypxeboot.effects import LuaCall, RunLua, ScriptValue
from pypxeboot.errors import Refused
from pypxeboot.lua.pattern import Budget, PatternError, search
from pypxeboot.text import decode, encode

# lua.c32 is Lua 5.2; scripts for it run on its followers as well. 5.1 has no pcall() that a script could be
# left from by yielding.
_VERSIONS = ("lua52", "lua53", "lua54", "lua55")

MEMORY = 8 << 20  # bytes; a firmware's heap is larger, the scripts of sites are some KiB
INSTRUCTIONS = 20_000_000  # half a second
SECONDS = 5  # of processor time: for what is done in C, by few instructions
PATTERN_STEPS = 1_000_000  # a second or two


@functools.cache
def prelude() -> str:
    """Read what scripts find in Lua when they begin, itself written in Lua. Read once: a chroot hides it."""
    return Path(__file__).with_name("prelude.lua").read_text("ascii")


def script(order: RunLua) -> Generator[LuaCall, tuple[ScriptValue, ...], str]:
    """Run a script: it yields what it asks for, is sent the values, and ends with an error or nothing.

    Raises Refused where there is no Lua.
    """
    runtime, error = _make_runtime()
    try:
        begin = runtime.execute(
            prelude(), _make_find(), INSTRUCTIONS, SECONDS, _to_lua(order.config), _to_lua(order.version)
        )
        words = (_to_lua(word) for word in order.arguments)
        resume, why = begin(order.source.decode("latin-1"), _to_lua(order.name), *words)
        if resume is None:
            return str(_from_lua(why))
        answer: tuple[ScriptValue, ...] = ()
        while True:
            kind, *values = resume(*(_to_lua(value) for value in answer))
            if kind != "call":
                return str(_from_lua(values[0]))
            arguments = tuple(_from_lua(value) for value in values)
            answer = yield LuaCall(str(arguments[0]), arguments[1:])
    except (error, MemoryError) as why:
        return str(why) or "not enough memory"


def _make_runtime() -> tuple[Any, type[Exception]]:
    """Make a Lua, and name the exception of its errors. Raises Refused where there is none."""
    for version in _VERSIONS:
        try:
            lupa = importlib.import_module(f"lupa.{version}")
            runtime = lupa.LuaRuntime(
                encoding="latin-1",  # bytes as they are
                register_eval=False,
                register_builtins=False,
                unpack_returned_tuples=True,
                attribute_filter=_refuse_attribute,
                max_memory=MEMORY,
            )
            return runtime, lupa.LuaError
        except (ImportError, TypeError):  # not there, or too old to limit its memory
            continue
    raise Refused(
        "lua.c32 runs a script, and there is no Lua here to run it",
        hint="pip install 'pypxeboot[lua]', or the package python3-lupa (2.0 or newer)",
    )


def _refuse_attribute(_object: object, _name: object, _is_setting: bool) -> str:
    raise AttributeError("nothing of Python is for scripts")


def _make_find() -> Any:
    """Make ``string.find`` within a budget.

    Its values are False and an error, nil, or places and captures.
    """
    budget = Budget(PATTERN_STEPS)

    def find(text: str, pattern: str, init: int) -> tuple[object, ...]:
        try:
            found = search(text, pattern, init - 1, budget)
        except PatternError as why:
            return False, str(why)
        return (None, None) if found is None else (found.start + 1, found.end, *found.captures)

    return find


def _to_lua(value: ScriptValue) -> ScriptValue:
    return encode(value).decode("latin-1") if isinstance(value, str) else value


def _from_lua(value: Any) -> Any:
    """Convert text, numbers and truth of a script; what is none of those is nothing."""
    if isinstance(value, str):
        return decode(value.encode("latin-1"))
    return value if value is None or isinstance(value, (bool, int, float)) else None
