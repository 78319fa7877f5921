"""The form of an iPXE script: its lines, labels, commands and ``${...}`` (image/script.c, core/exec.c)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.text import decode, printable, strange_character

# What isspace() of C counts; str.split() alone would take blanks of Unicode, too.
_BLANKS = " \t\n\v\f\r"
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
# "#!ipxe or #!gpxe followed by whitespace; nothing else decides."
_MAGIC = re.compile(rb"#![ig]pxe[ \t\n\v\f\r]")
_MOST_LOST = 12  # lines that are told of one script
_SHOWN = 120  # characters of a word
# "||, && and ; must be separate tokens": elsewhere they are a part of the word. In a URL && may be one.
_GLUED = re.compile(r"(\|\|)|^(&&)|(&&)$|(;)$")


@dataclass(frozen=True)
class ScriptLine:
    """A line with its continuations. ``number`` counts from 1, ``label`` is what follows a first ``:``.

    ``cut_short``: the script ended before the line did.
    """

    number: int
    label: Optional[str]
    text: str
    cut_short: bool = False


@dataclass(frozen=True)
class Script:
    """A script by its lines; ``labels`` says where each stands: "first matching label from the top wins"."""

    lines: Sequence[ScriptLine]
    labels: Mapping[str, int]

    @classmethod
    def parse(cls, data: bytes) -> Script:
        """Return the script that a file of ``data`` is."""
        found = lines(data)
        labels = {line.label: at for at, line in reversed(list(enumerate(found))) if line.label is not None}
        return cls(found, labels)


@dataclass(frozen=True)
class SimpleCommand:
    """The words of one command, not yet expanded, and the ``||``, ``&&`` or ``;`` behind it, if any."""

    words: tuple[str, ...]
    operator: str = ""


def is_script(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a script."""
    return _MAGIC.match(head) is not None


def lines(data: bytes) -> list[ScriptLine]:
    """Return the lines of a script.

    "Lines end at LF, one trailing CR dropped; a line ending in a backslash continues": the backslash goes,
    and nothing comes in its place. A last line that goes on into nothing is an error, at its turn.
    """
    out: list[ScriptLine] = []
    pieces = data.split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
    pending, start = b"", 1
    for number, piece in enumerate(pieces, 1):
        pending += piece
        if pending.endswith(b"\r"):
            pending = pending[:-1]
        if pending.endswith(b"\\"):
            pending = pending[:-1]
            continue
        out.append(_line(start, pending))
        pending, start = b"", number + 1
    if pending or start <= len(pieces):
        out.append(ScriptLine(start, None, "", cut_short=True))
    return out


def _line(number: int, data: bytes) -> ScriptLine:
    text = decode(data.partition(b"\0")[0]).lstrip(_BLANKS)  # a C string ends at the first NUL
    if not text.startswith(":"):
        return ScriptLine(number, None, text)
    match = _WORD.match(text, 1)
    label = match[0] if match else ""
    return ScriptLine(number, label, text[1 + len(label) :])


def commands(text: str) -> Iterator[SimpleCommand]:
    """Split a line into commands. "``||``, ``&&`` and ``;`` must be separate tokens"; no quoting whatever."""
    words: list[str] = []
    for word in _WORD.findall(text):
        if word.startswith("#"):
            break
        if word in ("||", "&&", ";"):
            yield SimpleCommand(tuple(words), word)
            words = []
        else:
            words.append(word)
    yield SimpleCommand(tuple(words))


def innermost(text: str) -> Optional[tuple[str, str, str]]:
    """Return what stands before, in and behind the ``${...}`` of ``text`` that is to be expanded next.

    "The last ``${`` before the first ``}``"; None if none is left.
    """
    first = text.find("${")
    end = text.find("}", first) if first >= 0 else -1
    if end < 0:
        return None
    start = text.rfind("${", 0, end)
    return text[:start], text[start + 2 : end], text[end + 1 :]


def lost_words(script: Script) -> list[tuple[int, str]]:
    """List lines that do not mean what they look like, and of which a real iPXE says nothing.

    Each is its number, and what is strange about it. What it reports itself (a command that it does not know,
    a file that is not there) is no such line.
    """
    found: list[tuple[int, str]] = []
    for at, line in enumerate(script.lines):
        if line.label and script.labels.get(line.label) != at:
            first = script.lines[script.labels[line.label]].number
            label = printable(line.label, _SHOWN)
            found.append((line.number, f"label {label!r} stands in line {first}, too, and goto leads there"))
        found += [(line.number, why) for why in _strange(line.text)]
        if len(found) > _MOST_LOST:
            break
    return found[:_MOST_LOST]


def _strange(text: str) -> Iterator[str]:
    """Yield what is strange about the commands of one line; comments may say what they like."""
    for command in commands(text):
        for word in command.words:
            shown = printable(word, _SHOWN)
            glued = _GLUED.search(word)
            if glued is not None:
                operator = next(filter(None, glued.groups()))
                yield f"{operator} is a part of the word {shown!r}: blanks have to stand around it"
            strange = strange_character(word)
            if strange:
                yield f"{shown!r}: {strange}"
