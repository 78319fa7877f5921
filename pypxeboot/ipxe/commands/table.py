"""How a command comes into the language: by a decorator on the function that runs it.

Each module of commands has a table, and each of the tables a place in ``ipxe/boot.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from pypxeboot.effects import Steps
from pypxeboot.ipxe.engine.machine import Machine, ScriptCommand
from pypxeboot.ipxe.engine.options import CommandCall, Syntax

Run = Callable[[Machine, CommandCall], Steps[int]]
"""What a command does: a generator over effects that ends with the command's status."""


class CommandTable(dict[str, ScriptCommand]):
    """Commands by name."""

    def command(self, names: str, syntax: Syntax) -> Callable[[Run], Run]:
        """Register a function as the command, or the commands, of ``names``, which blanks separate.

        The function stays what it is, so that it can be decorated once more, with another syntax.
        """

        def register(run: Run) -> Run:
            for name in names.split():
                assert name not in self, f"the command {name} is there already"
                self[name] = ScriptCommand(syntax, run)
            return run

        return register
