"""The ``boot:`` prompt of PXELINUX, for the person at a terminal (com32/elflink/ldlinux/cli.c)."""

from __future__ import annotations

from typing import Union

from pypxeboot import lineedit
from pypxeboot.effects import Print, Show, Steps
from pypxeboot.labels import Config, Do
from pypxeboot.menuview import Line
from pypxeboot.messages import FUNCTION_KEYS, Texts
from pypxeboot.person import Clock, Over, Person
from pypxeboot.picture import Picture
from pypxeboot.text import printable
from pypxeboot.words import split

_PROMPT = "boot: "
_STOPS = lineedit.ENTER | FUNCTION_KEYS | {"tab", "ctrl-l"}
# As many labels as Tab lists; thousands would scroll everything else away.
_LISTED = 200


def ask(config: Config, person: Person, texts: Texts) -> Steps[Union[str, Over]]:
    """What is typed, empty for Enter alone; or that the time is over.

    "TIMEOUT only applies to the first key"; TOTALTIMEOUT begins again with every prompt.
    """
    clock = Clock(config.timeout / 10 or None, config.totaltimeout / 10 or None)
    line = Line("", 0)
    yield Print(_PROMPT)
    while True:
        line, key = yield from lineedit.typed(person, clock, line, _STOPS)
        if isinstance(key, Over) or key in lineedit.ENTER:
            yield Print("\n")
            return key if isinstance(key, Over) else line.text
        if key == "tab":
            line = yield from _completed(config, line)
        elif key == "ctrl-l":
            if not person.terminal.dumb:
                yield Show(Picture(()), 0)
            yield Print(_again(line))
        else:
            name = config.screens[0].looks.helps.get(key)
            if name:
                yield Print("\n")
                yield from texts.printed(name)
                yield Print(_again(line))


def _completed(config: Config, line: Line) -> Steps[Line]:
    """Tab: the rest of a label, or a list of those that the word may become; not with NOCOMPLETE."""
    word, words = split(line.text)
    if config.nocomplete or words or line.text != word:
        return line
    names = [
        name
        for name, label in config.by_name.items()
        if name.startswith(word) and label.do is Do.COMMAND and printable(name) == name
    ]
    if names in ([], [word]):
        return line
    low, high = min(names), max(names)
    same = next((n for n, pair in enumerate(zip(low, high)) if pair[0] != pair[1]), len(low))
    common = low[:same]
    if len(common) > len(word):
        longer = Line(common, len(common))
        yield Print(lineedit.echo(line, longer))
        return longer
    more = len(names) - _LISTED
    listed = [f"  {name}\n" for name in names[:_LISTED]] + ([f"  and {more} more\n"] if more > 0 else [])
    yield Print("\n" + "".join(listed) + _again(line))
    return line


def _again(line: Line) -> str:
    return _PROMPT + lineedit.echo(Line("", 0), line)
