"""MessageFiles that a configuration shows: files of DISPLAY, F1..F12 and MENU HELP, safe for a terminal."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.effects import Print, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.picture import Picture, Row, Span
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.text import printable

FUNCTION_KEYS = frozenset(f"f{number}" for number in range(1, 13))

# What message files steer the screen with (doc/syslinux.txt): <SI> and two digits for a colour, <CAN> and a
# picture's name, display modes, a form feed to clear. The text alone matters here; <SUB> ends it.
_CODES = re.compile(r"\x0f.{0,2}|\x18[^\n]*\n?|[\x07\x0c\r\x10-\x17]", re.DOTALL)
_LINE_LIMIT = 1000


def lines(data: bytes) -> tuple[str, ...]:
    """Split a message file into printable lines."""
    data = data.partition(b"\x1a")[0]
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("cp437")  # what a PC's screen has
    text = _CODES.sub("", text).expandtabs().rstrip("\n")
    return tuple(printable(line, _LINE_LIMIT) for line in text.split("\n"))


class MessageFiles:
    """The message files of a boot, each read once; what is not there is empty."""

    def __init__(self, read: Callable[[str], Steps[Optional[bytes]]]) -> None:
        self._read = read
        self._known: dict[str, tuple[str, ...]] = {}

    def get(self, name: str) -> Steps[tuple[str, ...]]:
        """Get the lines of the file ``name``."""
        if name not in self._known:
            try:
                data = yield from self._read(name)
            except ConfigError:  # more or larger than what a boot may read: there is no such text
                data = None
            self._known[name] = () if data is None else lines(data)
        return self._known[name]

    def print_file(self, name: str) -> Steps[None]:
        """Print the file, as DISPLAY does, and help at the prompt."""
        text = yield from self.get(name)
        if text:
            yield Print("".join(f"{line}\n" for line in text))

    def show_file(self, name: str, user: User, clock: Clock) -> Steps[Union[str, WaitEnded, None]]:
        """Show the file page by page, as menus do, to the key that ended it; None if it is not there."""
        text = yield from self.get(name)
        if user.terminal.dumb:
            yield from self.print_file(name)
        key: Union[str, WaitEnded, None] = None
        while text:
            page = max(1, len(text) if user.terminal.dumb else user.terminal.rows)
            picture = Picture(tuple(Row((Span(line),)) for line in text[:page]))
            shown = None if user.terminal.dumb else picture
            key = yield from user.key(clock, functools.partial(_same, shown))
            if isinstance(key, WaitEnded) or key in FUNCTION_KEYS or key == "escape":
                break
            text = text[page:]
        return key


def _same(picture: Optional[Picture]) -> Optional[Picture]:
    return picture
