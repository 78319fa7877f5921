"""Options of iPXE commands, by the rules of its getopt (core/getopt.c, core/parseopt.c).

"Options only before the first non-option; ``--opt value`` and ``--opt=value``, short ``-n x`` and ``-nx``;
full long names only; ``--`` ends; a required value may not begin with ``-``."
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.ipxe.engine import setting_types
from pypxeboot.ipxe.engine.status import Status


class BadUsage(ValueError):
    """The command was not called as it can be: ``status``, and the lines to print."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class CommandOption:
    """An option. ``value``: it takes one; ``number``: which has to be a number.

    ``newer`` than the version that is claimed: it works, and the help does not have it.
    """

    name: str
    letter: str
    value: bool = False
    number: bool = False
    newer: bool = False

    def __str__(self) -> str:
        return f"[-{self.letter}|--{self.name}{f' <{self.name}>' if self.value else ''}]"


@dataclass(frozen=True)
class Syntax:
    """Which options and how many arguments a command takes.

    ``most`` None is any number; ``words`` are what the help has for the arguments.
    """

    least: int = 0
    most: Optional[int] = None
    words: str = ""
    options: tuple[CommandOption, ...] = ()

    def usage(self, name: str) -> str:
        """Return what a command called ``name`` says of itself."""
        words = " ".join(
            [name, *(str(option) for option in self.options if not option.newer), self.words]
        ).rstrip()
        return f"Usage:\n\n  {words}\n\nSee https://ipxe.org/cmd/{name} for further information"

    def parse(self, words: Sequence[str]) -> CommandCall:
        """Parse a command and its words. Raises BadUsage for the first thing that is wrong."""
        name, rest = words[0], list(words[1:])
        options: dict[str, str] = {}
        try:
            while rest and rest[0].startswith("-"):
                word = rest.pop(0)
                if word == "--":
                    break
                for option, value in (
                    self._long(word, rest) if word.startswith("--") else self._short(word, rest)
                ):
                    if option is _HELP:
                        raise BadUsage(Status.HELP, "")
                    if option.number:
                        integer(value)
                    options[option.name] = value
            if len(rest) < self.least or (self.most is not None and len(rest) > self.most):
                raise BadUsage(Status.ARGUMENT_COUNT, "")
        except BadUsage as why:
            if why.status != Status.NO_INTEGER:
                why.message = f"{why.message}\n{self.usage(name)}".lstrip("\n")
            raise
        return CommandCall(name, options, tuple(rest))

    def _long(self, word: str, rest: list[str]) -> Iterator[tuple[CommandOption, str]]:
        name, equals, value = word[2:].partition("=")
        option = self._find(name, long=True)
        if option is None:
            raise BadUsage(Status.UNKNOWN_OPTION, f'Unrecognised option "{word}"')
        if equals and not option.value:
            raise BadUsage(Status.OPTION_ARGUMENT, f'Option "{name}" takes no argument')
        yield option, value if equals or not option.value else _take_value(name, rest)

    def _short(self, word: str, rest: list[str]) -> Iterator[tuple[CommandOption, str]]:
        """Yield one option for each letter; a dash alone is an option without a letter, which is unknown."""
        for at, letter in enumerate(word[1:] or "\0", 1):
            option = self._find(letter, long=False)
            if option is None:
                raise BadUsage(Status.UNKNOWN_OPTION, f'Unrecognised option "-{letter}"'.replace("\0", ""))
            if option.value:
                yield option, word[at + 1 :] or _take_value(letter, rest)
                break
            yield option, ""

    def _find(self, text: str, *, long: bool) -> Optional[CommandOption]:
        """Return the option of that name, or letter."""
        known = (*self.options, _HELP)
        return next((option for option in known if text == (option.name if long else option.letter)), None)


_HELP = CommandOption("help", "h")


def syntax(least: int, most: Optional[int], words: str = "", options: str = "") -> Syntax:
    """Make a :class:`Syntax` from a word for each option.

    ``keep/k`` is a flag, ``name/n=`` has a value, ``tag/t#`` a number; a ``+`` at the end is for an option
    that newer versions have.
    """
    found = []
    for word in options.split():
        name, _, rest = word.partition("/")
        letter, marks = rest[0], rest[1:]
        found.append(
            CommandOption(name, letter, marks[:1] in ("=", "#"), marks[:1] == "#", newer="+" in marks)
        )
    return Syntax(least, most, words, tuple(found))


@dataclass(frozen=True)
class CommandCall:
    """A command as it was called: its name, the options given, and its arguments."""

    name: str
    options: Mapping[str, str]
    args: tuple[str, ...]

    def has(self, option: str) -> bool:
        """Whether the flag was given."""
        return option in self.options

    def text(self, option: str) -> Optional[str]:
        """Return the value of an option, None if it was not given."""
        return self.options.get(option)

    def number(self, option: str) -> Optional[int]:
        """Return the value of an option as a number. Raises BadUsage."""
        value = self.options.get(option)
        return None if value is None else integer(value)

    def seconds(self, option: str = "timeout") -> Optional[float]:
        """Get the value of an option in milliseconds; None if it was not given or is 0, which is for ever."""
        value = self.number(option)
        return value / 1000 if value else None

    def rest(self, first: int = 0) -> str:
        """Return the arguments from ``first`` on, joined by blanks."""
        return " ".join(self.args[first:])


def integer(text: str) -> int:
    """``text`` as C reads an unsigned integer of any base. Raises BadUsage."""
    value = setting_types.number(text)
    if value is None:
        raise BadUsage(Status.NO_INTEGER, f'"{text}": invalid integer value')
    return value


def _take_value(name: str, rest: list[str]) -> str:
    if not rest or rest[0].startswith("-"):
        raise BadUsage(Status.OPTION_ARGUMENT, f'Option "{name}" requires an argument')
    return rest.pop(0)


def key_code(text: str) -> int:
    """Return the code of ``--key``: of one character, itself, else a number. Raises BadUsage."""
    return ord(text) if len(text) == 1 else integer(text)
