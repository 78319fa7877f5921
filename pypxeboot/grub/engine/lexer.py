"""Cuts GRUB script into tokens: words, reserved words, blanks and line ends (script/yylex.l)."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

_VARIABLE = r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@]|\{(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])\})"
_WORD = re.compile(
    rf"""(?:[^{{}}|&$;<> \t\n'"\\]|"(?:\\.|[^\\"])*"|'[^']*'|\\.|{_VARIABLE}|\$"(?:\\.|[^\\"])*")+""",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUOTED = re.compile(r"""\$?"(?:\\.|[^\\"])*"|'[^']*'""", re.DOTALL)
_OPEN_QUOTE = re.compile(r"\$?\"|'")

RESERVED = frozenset("case do done elif else esac fi for if in select then until while function".split())
_SYMBOLS = ("||", "&&", ";;", "\n", "|", "&", ";", "<", ">", "{", "}")
# A word as it is written: a title, a command line.
_LONGEST = 64 << 10
_UNUSED = frozenset(("[[", "]]"))  # reserved, and part of no construct


class Token(NamedTuple):
    """A token: ``kind`` is ``word``, ``name`` (a word that can name a variable), ``end``, or the text itself.

    ``start`` and ``end`` are where it stands in the text of its :class:`Lexer`.
    """

    kind: str
    text: str
    start: int
    end: int


class BadSyntax(Exception):
    """The text is no script; what it says is about the first place that is wrong."""


class Unfinished(BadSyntax):
    """The text ends within a construct or a quotation: another line may make a script of it."""


class Lexer:
    """The tokens of ``source``, statement by statement.

    A statement is a line, and goes on in the next one as long as a construct is :attr:`open`, or a quotation.
    With ``comments``, lines that begin with ``#`` are left out wherever they stand (normal/main.c).
    """

    def __init__(self, source: str, *, comments: bool = True) -> None:
        lines = [line.partition("\0")[0] for line in source.replace("\r", "").split("\n")]
        kept = [at for at, line in enumerate(lines) if not (comments and line.startswith("#"))]
        self.text = "".join(f"{lines[at]}\n" for at in kept)
        self._numbers = kept
        self.open = 0
        """How many constructs have begun and not ended."""
        self.line = 0
        """The number of the line of the source that the statement begins with."""
        self._at = self._limit = self._lines = 0

    def begin(self) -> bool:
        """Go on to the statement behind the lines that were read so far; return whether there is one."""
        self._at, self.open = self._limit, 0
        if self._at >= len(self.text):
            return False
        self.line = self._numbers[self._lines] + 1
        return self._read_line()

    def next(self) -> Token:
        """Return the next token. Raises BadSyntax."""
        while True:
            self._skip_blanks()
            if self._at == self._limit:
                if not self.open:
                    return Token("end", "", self._at, self._at)
                self._more(self._at)
                continue
            token = self._match()
            if token is not None:
                self._at = token.end
                return token

    def _skip_blanks(self) -> None:
        text, limit = self.text, self._limit
        while self._at < limit and text[self._at] in " \t":
            self._at += 1

    def _match(self) -> Optional[Token]:
        """Return the longest token here; None after what is not one: a comment, the front of a longer one."""
        text, start, limit = self.text, self._at, self._limit
        symbol = next((symbol for symbol in _SYMBOLS if text.startswith(symbol, start)), None)
        if symbol is not None:
            return Token(symbol, symbol, start, start + len(symbol))
        found = _WORD.match(text, start, min(limit, start + _LONGEST))
        end = start if found is None else found.end()
        is_open = _OPEN_QUOTE.match(text, end, limit) is not None
        if text[start] == "#":
            # "The longest match wins", and of two the comment, with the line end behind it counted in.
            line_end = text.index("\n", start)
            if line_end + 1 >= (limit if is_open else end):
                self._at = line_end
                return None
        if is_open:
            closed = _QUOTED.match(text, end)
            if closed is None:
                self._limit = len(text)
                raise Unfinished("unexpected end of file")
            if closed.end() - start > _LONGEST:
                raise BadSyntax(f"a word of more than {_LONGEST >> 10} KiB")
            self._more(closed.end() - 1)
            return None
        if end == limit and _is_continued(text, start, end):
            self._more(end)
            # As many lines as end so: to look at the word anew after each would take for ever.
            while text[self._limit - 2] == "\\" and self._limit - start < _LONGEST and self._read_line():
                pass
            return None
        if end == start or end - start >= _LONGEST:
            raise BadSyntax(text[start : min(end, start + 20) + 1])
        word = text[start:end]
        if word in RESERVED:
            return Token(word, word, start, end)
        if word in _UNUSED:
            raise BadSyntax(word)
        return Token("name" if _NAME.fullmatch(word) else "word", word, start, end)

    def _more(self, at: int) -> None:
        """Read lines until there is more than what stands before ``at``. Raises BadSyntax at the end."""
        while self._limit <= at:
            if not self._read_line():
                raise Unfinished("unexpected end of file")

    def _read_line(self) -> bool:
        end = self.text.find("\n", self._limit)
        if end < 0:
            return False
        self._limit = end + 1
        self._lines += 1
        return True


def _is_continued(text: str, start: int, end: int) -> bool:
    """Whether the word ends with a backslash and a line end."""
    if text[end - 1] != "\n":
        return False
    at = end - 1
    while at > start and text[at - 1] == "\\":
        at -= 1
    return (end - 1 - at) % 2 == 1


class WordPart(NamedTuple):
    """A piece of a word.

    ``kind`` is ``text`` (outside of quotes, backslashes gone), ``quoted``, ``var`` or ``quoted-var`` (then
    ``text`` is its name), ``message`` (``$"..."``) or ``block``.
    """

    kind: str
    text: str


_PLAIN = re.compile(r"[^\"'$\\]+")
_IN_QUOTES = re.compile(r"[^\"$\\]+")
_NAME_OF_VARIABLE = re.compile(r"\{([A-Za-z_0-9?#*@]+)\}|([A-Za-z_][A-Za-z0-9_]*|[0-9]+|[?#*@])")


def parts(word: str) -> tuple[WordPart, ...]:
    """Split a word into its pieces. Raises BadSyntax for a ``$`` in quotes that names nothing."""
    found: list[WordPart] = []
    plain, at = "", 0
    while at < len(word):
        char = word[at]
        if char == "\\":
            plain += "" if word[at + 1] == "\n" else word[at + 1]
            at += 2
        elif char in "\"'" or (char == "$" and word[at + 1] == '"'):
            found.append(WordPart("text", plain))
            plain = ""
            at = _quoted(word, at, found)
        elif char == "$":
            found.append(WordPart("text", plain))
            plain = ""
            name, at = _variable(word, at + 1)
            found.append(WordPart("var", name))
        else:
            match = _PLAIN.match(word, at)
            assert match is not None
            plain += match.group()
            at = match.end()
    found.append(WordPart("text", plain))
    return tuple(part for part in found if part.text or part.kind not in ("text",))


def _quoted(word: str, at: int, found: list[WordPart]) -> int:
    """Split what stands in quotes from ``at`` on; return where it ends."""
    if word[at] == "'":
        end = word.index("'", at + 1)
        found.append(WordPart("quoted", word[at + 1 : end]))
        return end + 1
    message = word[at] == "$"
    at += 2 if message else 1
    text = ""
    while word[at] != '"':
        char = word[at]
        if char == "\\":
            escaped = word[at + 1]
            if escaped != "\n":
                keeps = escaped not in ('"\\' if message else '"\\$')
                # The text of a message is read for "$" and backslashes once more.
                text += ("\\" if keeps or (message and escaped == "\\") else "") + escaped
            at += 2
        elif char == "$" and not message:
            found.append(WordPart("quoted", text))
            text = ""
            name, at = _variable(word, at + 1)
            found.append(WordPart("quoted-var", name))
        elif message:
            text += char
            at += 1
        else:
            match = _IN_QUOTES.match(word, at)
            assert match is not None
            text += match.group()
            at = match.end()
    found.append(WordPart("message" if message else "quoted", text))
    return at + 1


def _variable(word: str, at: int) -> tuple[str, int]:
    match = _NAME_OF_VARIABLE.match(word, at)
    if match is None:
        raise BadSyntax(word[at - 1 : at + 1])
    return match.group(1) or match.group(2), match.end()
