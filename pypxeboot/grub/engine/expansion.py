"""What becomes of the words of a command: values in place of variables, quotes gone (script/execute.c)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from pypxeboot.grub.engine.budget import ScriptBudget
from pypxeboot.grub.engine.environment import Environment
from pypxeboot.grub.engine.lexer import WordPart

# What isspace() is in GRUB (kern/misc.c).
_BLANKS = re.compile(r"[\n\r \t]+")
_MESSAGE = re.compile(
    r"\\(?P<escaped>[\\$])|\$\{(?P<braced>[^}]*)\}|\$(?P<name>[0-9]+|[A-Za-z_][A-Za-z0-9_]*|[?#])", re.DOTALL
)


def is_positional(name: str) -> bool:
    """Whether ``name`` is that of an argument, or of all of them, and of no variable."""
    return name[:1].isdigit() or name in ("#", "*", "@")


class _Arguments:
    """Arguments while they are put together; the last one is None as long as nothing is in it."""

    def __init__(self, budget: ScriptBudget) -> None:
        self._budget = budget
        self.found: list[Optional[str]] = []

    def begin(self) -> None:
        if not self.found or self.found[-1] is not None:
            self.found.append(None)

    def add(self, text: str) -> None:
        joined = (self.found[-1] or "") + text
        self._budget.word(len(joined))
        self.found[-1] = joined

    def add_split(self, text: str) -> None:
        """Add text whose blanks separate arguments; those at its ends do not."""
        for number, word in enumerate(word for word in _BLANKS.split(text) if word):
            if number:
                self.begin()
            self.add(word)


def expand(
    words: Sequence[Sequence[WordPart]],
    environment: Environment,
    arguments: Optional[Sequence[str]],
    budget: ScriptBudget,
) -> list[str]:
    """Return the arguments that ``words`` stand for.

    ``arguments`` are those of the function or entry that runs, None outside of one. Raises ConfigError where
    they become too long.
    """
    out = _Arguments(budget)
    for word in words:
        out.begin()
        for kind, text in word:
            if kind in ("var", "quoted-var"):
                _add_values(out, _values(text, kind, environment, arguments), kind)
            elif kind == "message":
                out.add(_message(text, environment, arguments))
            elif kind == "block":
                out.add("{" + text + "}")
            else:
                out.add(text)
    return [argument for argument in out.found if argument is not None]


def _add_values(out: _Arguments, values: Sequence[str], kind: str) -> None:
    for number, value in enumerate(values):
        if number:
            out.begin()
        if kind == "var":
            out.add_split(value)
        else:
            out.add(value)


def _values(
    name: str, kind: str, environment: Environment, arguments: Optional[Sequence[str]]
) -> Sequence[str]:
    """Return what a variable stands for: nothing if it is empty, more than one for ``$@``."""
    if not is_positional(name):
        value = environment.get(name)
        return [value] if value else []
    if arguments is None:
        return []
    if name == "#":
        return [str(len(arguments))]
    if name == "@" or (name == "*" and kind == "var"):
        return arguments
    if name == "*":
        return [" ".join(arguments)] if arguments else []
    at = int(name) if len(name) < 6 else 0
    return [arguments[at - 1]] if 0 < at <= len(arguments) else []


def _message(text: str, environment: Environment, arguments: Optional[Sequence[str]]) -> str:
    """Return a text that could be translated (``$"..."``), with its variables; nothing is translated."""

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return match["escaped"]
        name = match["braced"] if match["braced"] is not None else match["name"]
        if name == "#":
            return "" if arguments is None else str(len(arguments))
        return environment.get(name) or ""

    return _MESSAGE.sub(value, text)
