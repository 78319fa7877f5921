"""GRUB script as a tree, and how a statement becomes one (script/parser.y)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.grub.engine.lexer import RESERVED, BadSyntax, Lexer, Token, WordPart, parts

Word = tuple[WordPart, ...]

# Constructs in constructs. What people write has five; a parser in C has a stack that ends somewhere, too.
_DEPTH = 40


@dataclass(frozen=True)
class GrubCommand:
    """A command and its arguments; ``has_block``: the last of them is a block in braces.

    ``glued``: it stands behind a ``;`` that has no blank on either side.
    """

    words: tuple[Word, ...]
    has_block: bool = False
    glued: bool = False


@dataclass(frozen=True)
class If:
    """``if``: what decides, and what is run then; ``otherwise`` is an ``elif``, or what ``else`` has."""

    condition: Commands
    then: Commands
    otherwise: Union[Commands, If, None]


@dataclass(frozen=True)
class For:
    """``for``: the variable that takes one value after the other."""

    name: str
    values: tuple[Word, ...]
    body: Commands


@dataclass(frozen=True)
class While:
    """``while``, or with ``until`` its opposite."""

    condition: Commands
    body: Commands
    until: bool


@dataclass(frozen=True)
class Commands:
    """Commands one after the other."""

    items: tuple[Union[GrubCommand, If, For, While], ...]


Statement = Union[GrubCommand, If, For, While]
Define = Callable[[str, Commands], None]
"""What is done with a function, by its name and body, as soon as it has been read."""


def parse(lexer: Lexer, define: Define) -> Commands:
    """Parse what stands on the lines of one statement. Raises BadSyntax.

    Functions are defined on the way ("grub_script_function_create"), the rest is returned.
    """
    return _StatementParser(lexer, define).script()


class _StatementParser:
    """A parser with one token in sight: a construct may end the line on which the next token would be."""

    def __init__(self, lexer: Lexer, define: Define) -> None:
        self._lexer, self._define = lexer, define
        self._token: Optional[Token] = None
        self._depth = 0

    @property
    def _next(self) -> Token:
        if self._token is None:
            self._token = self._lexer.next()
        return self._token

    def _take(self, *kinds: str) -> Token:
        token = self._next
        if kinds and token.kind not in kinds:
            raise BadSyntax(token.text)
        self._token = None
        return token

    def _open(self, *kinds: str) -> Token:
        """Take the token that begins a construct."""
        token = self._take(*kinds)
        self._lexer.open += 1
        self._depth += 1
        if self._depth > _DEPTH:
            raise BadSyntax(f"{_DEPTH} constructs in one another")
        return token

    def _close(self, kind: str) -> Token:
        token = self._take(kind)
        self._lexer.open -= 1
        self._depth -= 1
        return token

    def script(self) -> Commands:
        items: list[Statement] = []
        self._newlines()
        while self._next.kind != "end":
            if self._next.kind == "function":
                self._function()
            else:
                items.append(self._command())
            self._take(";", "\n")
            self._newlines()
        return Commands(tuple(items))

    def _newlines(self) -> None:
        while self._next.kind == "\n":
            self._take()

    def _delimiters(self) -> bool:
        """Take a ``;`` or line end and the line ends behind it, if they are there."""
        if self._next.kind not in (";", "\n"):
            return False
        self._take()
        self._newlines()
        return True

    def _function(self) -> None:
        self._take("function")
        name = self._open("name").text
        self._newlines()
        self._take("{")
        body, ended = self._commands()
        if not ended:
            raise BadSyntax(self._next.text)
        self._close("}")
        self._define(name, body)

    def _commands(self, *, must_end: bool = False) -> tuple[Commands, bool]:
        """Parse one command or more; also return whether a delimiter stands behind the last."""
        self._newlines()
        items = [self._command()]
        while True:
            ended = self._delimiters()
            if not ended or not self._begins_command():
                break
            items.append(self._command())
        if must_end and not ended:
            raise BadSyntax(self._next.text)
        return Commands(tuple(items)), ended

    def _begins_command(self) -> bool:
        return self._next.kind in ("word", "name", "if", "for", "while", "until")

    def _body(self) -> Commands:
        return self._commands(must_end=True)[0]

    def _command(self) -> Statement:
        kind = self._next.kind
        if kind == "if":
            self._open("if")
            found = self._if()
            self._close("fi")
            return found
        if kind == "for":
            return self._for()
        if kind in ("while", "until"):
            self._open(kind)
            condition = self._body()
            self._take("do")
            body = self._body()
            self._close("done")
            return While(condition, body, kind == "until")
        return self._simple()

    def _if(self) -> If:
        condition = self._body()
        self._take("then")
        then = self._body()
        otherwise: Union[Commands, If, None] = None
        if self._next.kind == "else":
            self._take()
            otherwise = self._body()
        elif self._next.kind == "elif":
            self._take()
            self._depth += 1
            if self._depth > _DEPTH:
                raise BadSyntax(f"{_DEPTH} constructs in one another")
            otherwise = self._if()
            self._depth -= 1
        return If(condition, then, otherwise)

    def _for(self) -> For:
        self._take("for")
        name = self._open("name").text
        self._take("in")
        values = self._arguments()
        if not self._delimiters():
            raise BadSyntax(self._next.text)
        self._take("do")
        body = self._body()
        self._close("done")
        return For(name, values, body)

    def _simple(self) -> GrubCommand:
        name = self._take("word", "name")
        glued = re.search(r"\S;\Z", self._lexer.text[max(name.start - 2, 0) : name.start]) is not None
        words = (parts(name.text), *self._arguments())
        if self._next.kind != "{":
            return GrubCommand(words, glued=glued)
        start = self._open("{").end
        self._commands()
        end = self._close("}").start
        return GrubCommand((*words, (WordPart("block", self._lexer.text[start:end]),)), has_block=True)

    def _arguments(self) -> tuple[Word, ...]:
        found = []
        while self._next.kind in ("word", "name") or self._next.kind in RESERVED:
            found.append(parts(self._take().text))
        return tuple(found)
