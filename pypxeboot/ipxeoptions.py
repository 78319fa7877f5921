"""Options of iPXE commands, by the rules of its getopt (core/getopt.c, core/parseopt.c).

"Options only before the first non-option; ``--opt value`` and ``--opt=value``, short ``-n x`` and ``-nx``;
full long names only; ``--`` ends; a required value may not begin with ``-``."
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from pypxeboot import ipxestatus, settingtypes


class BadUsage(ValueError):
    """The command was not called as it can be: ``status``, and the lines to print."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Syntax:
    """Which options and how many arguments a command takes.

    ``flags`` and ``values`` map long names to letters; ``most`` None is any number.
    """

    least: int = 0
    most: Optional[int] = None
    flags: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


def syntax(least: int, most: Optional[int], flags: str = "", values: str = "") -> Syntax:
    """A :class:`Syntax` from words such as ``timeout/t``."""
    return Syntax(least, most, _pairs(flags), _pairs(values))


def _pairs(text: str) -> dict[str, str]:
    return dict(word.split("/") for word in text.split())


@dataclass(frozen=True)
class Call:
    """A command as it was called: its name, the options given, and its arguments."""

    name: str
    options: Mapping[str, str]
    args: tuple[str, ...]

    def has(self, option: str) -> bool:
        """Whether the flag was given."""
        return option in self.options

    def text(self, option: str) -> Optional[str]:
        """The value of an option, None if it was not given."""
        return self.options.get(option)

    def number(self, option: str) -> Optional[int]:
        """The value of an option as a number. Raises BadUsage."""
        value = self.options.get(option)
        return None if value is None else integer(value)

    def seconds(self, option: str = "timeout") -> Optional[float]:
        """The value of an option in milliseconds; None if it was not given or is 0, which is for ever."""
        value = self.number(option)
        return value / 1000 if value else None

    def rest(self, first: int = 0) -> str:
        """The arguments from ``first`` on, joined by blanks."""
        return " ".join(self.args[first:])


def integer(text: str) -> int:
    """``text`` as C reads an unsigned integer of any base. Raises BadUsage."""
    value = settingtypes.number(text)
    if value is None:
        raise BadUsage(ipxestatus.INVALID, f'"{text}": invalid integer value')
    return value


def parse(words: Sequence[str], form: Syntax) -> Call:
    """The call that ``words`` make. Raises BadUsage."""
    name, rest = words[0], list(words[1:])
    options: dict[str, str] = {}
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        given = _long(word, rest, form) if word.startswith("--") else _short(word, rest, form)
        for option, value in given:
            if option == "help":
                raise _usage(name, ipxestatus.CANCELED)
            options[option] = value
    if len(rest) < form.least or (form.most is not None and len(rest) > form.most):
        raise _usage(name, ipxestatus.OUT_OF_RANGE)
    return Call(name, options, tuple(rest))


def _long(word: str, rest: list[str], form: Syntax) -> Iterable[tuple[str, str]]:
    option, equals, value = word[2:].partition("=")
    if option in form.values:
        return [(option, value if equals else _required(word, rest))]
    if equals or (option not in form.flags and option != "help"):
        raise BadUsage(ipxestatus.INVALID, f'Unrecognised option "{word}"')
    return [(option, "")]


def _short(word: str, rest: list[str], form: Syntax) -> Iterable[tuple[str, str]]:
    flags = {letter: option for option, letter in form.flags.items()}
    values = {letter: option for option, letter in form.values.items()}
    found: list[tuple[str, str]] = []
    for at, letter in enumerate(word[1:], 1):
        if letter in values:
            found.append((values[letter], word[at + 1 :] or _required(word, rest)))
            break
        if letter not in flags and letter != "h":
            raise BadUsage(ipxestatus.INVALID, f'Unrecognised option "-{letter}"')
        found.append((flags.get(letter, "help"), ""))
    return found


def _required(word: str, rest: list[str]) -> str:
    if not rest or rest[0].startswith("-"):
        raise BadUsage(ipxestatus.INVALID, f'Option "{word}" requires an argument')
    return rest.pop(0)


def _usage(name: str, status: int) -> BadUsage:
    return BadUsage(status, f"Usage:\nSee https://ipxe.org/cmd/{name} for further information")
