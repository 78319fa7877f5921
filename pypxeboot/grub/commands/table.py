"""The table of the commands, and how one is added to it.

Each module of commands has a table, and each of the tables a place in ``grub/boot.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.grub.engine.machine import CommandRun
from pypxeboot.grub.engine.status import CommandError, ErrorNumber


class GrubCommands(dict[str, CommandRun]):
    """Commands by name."""

    def command(self, names: str) -> Callable[[CommandRun], CommandRun]:
        """Register a function as the command, or the commands, of ``names``, which blanks separate."""

        def register(run: CommandRun) -> CommandRun:
            for name in names.split():
                assert name not in self, f"the command {name} is there already"
                self[name] = run
            return run

        return register


@dataclass(frozen=True)
class Flag:
    """An option of a command: its long and short name, and whether it has a value, which may be left out."""

    long: str
    short: str = ""
    value: bool = False
    optional: bool = False


@dataclass
class Parsed:
    """The options of a call (names to values; None for a value that was left out), and other arguments."""

    options: dict[str, list[Optional[str]]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def get(self, name: str) -> Optional[str]:
        """Return the last value of an option, None if it has none."""
        return self.options.get(name, [None])[-1]

    def values(self, name: str) -> list[str]:
        """Return all values of an option."""
        return [value for value in self.options.get(name, []) if value is not None]


def parse(
    arguments: Sequence[str], options: Sequence[Flag], *, dash: bool = False, at_start: bool = False
) -> Parsed:
    """Parse arguments as ``grub_arg_parse`` does (lib/arg.c). Raises CommandError for unknown options.

    With ``dash`` what is no option is an argument; with ``at_start`` none stands behind the first argument.
    """
    found, left = Parsed(), list(arguments)
    while left:
        word = left.pop(0)
        if (at_start and found.arguments) or not word.startswith("-") or word == "-":
            found.arguments.append(word)
        elif word == "--":
            found.arguments += left
            break
        elif word.startswith("--"):
            _long(word, left, options, found, dash)
        else:
            _short(word, left, options, found, dash)
    return found


def _long(word: str, left: list[str], options: Sequence[Flag], found: Parsed, dash: bool) -> None:
    name, sign, text = word[2:].partition("=")
    value: Optional[str] = text if sign else None
    option = next((option for option in options if option.long == name), None)
    if option is None:
        if not dash:
            raise CommandError(ErrorNumber.BAD_ARGUMENT, f"unknown argument `{word}'")
        found.arguments.append(word)
        return
    if value is None and option.value and left and not left[0].startswith("-"):
        value = left.pop(0)
    _store(option, value, found)


def _short(word: str, left: list[str], options: Sequence[Flag], found: Parsed, dash: bool) -> None:
    known = {option.short: option for option in options if option.short}
    strange = next((letter for letter in word[1:] if letter not in known), None)
    if strange is not None:
        if not dash:
            raise CommandError(ErrorNumber.BAD_ARGUMENT, f"unknown argument `-{strange}'")
        found.arguments.append(word)
        return
    for letter in word[1:-1]:
        if known[letter].value and not known[letter].optional:
            raise CommandError(
                ErrorNumber.BAD_ARGUMENT, f"missing mandatory option for `{known[letter].long}'"
            )
        _store(known[letter], None, found, given=False)
    last = known[word[-1]]
    value = None
    if last.value and left and not (last.optional and len(left[0]) > 1 and left[0].startswith("-")):
        value = left.pop(0)
    _store(last, value, found)


def _store(option: Flag, value: Optional[str], found: Parsed, *, given: bool = True) -> None:
    if given and option.value and value is None and not option.optional:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, f"missing mandatory option for `{option.long}'")
    if value is not None and not option.value:
        raise CommandError(
            ErrorNumber.BAD_ARGUMENT,
            f"a value was assigned to the argument `--{option.long}' while it doesn't require an argument",
        )
    found.options.setdefault(option.long, []).append(value)
