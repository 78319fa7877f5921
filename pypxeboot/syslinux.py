"""The SYSLINUX language: a parser from files to :class:`Config`.

The rules are those of SYSLINUX 6.04 (com32/elflink/ldlinux/readconfig.c, com32/menu/readconfig.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.text import decode, printable

# "Include nesting 16" (doc/syslinux.txt); 6.x has no limit and runs out of memory.
INCLUDE_DEPTH = 16
# fgets() with MAX_LINE 4096: "the rest is read as a new line".
LINE_LIMIT = 4095

SPACE = "".join(map(chr, range(0x21))) + "\x7f"
_WORD = re.compile(r"[^\x00-\x20\x7f]*")
_LINE_END = re.compile(rb"[\0\r\n]")
_NUMBER = re.compile(r"[\x09-\x0d ]*([+-]?[0-9]{1,18})")
_UNSIGNED = re.compile(r"[\x09-\x0d ]*[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)")


class Do(Enum):
    """What a label does when chosen."""

    COMMAND = "command"
    SUBMENU = "submenu"
    GOTO = "goto"
    EXIT = "exit"
    QUIT = "quit"
    HELP = "help"
    DISABLED = "disabled"


@dataclass(frozen=True)
class Label:
    """One LABEL, or what a menu has in its place: a submenu (the index of its screen), a separator.

    ``name`` is the first word of the LABEL line, by which the loader finds it; ``line`` all of it, by which
    menus do; both are None where nothing can name it. ``command`` is what to run: the kernel with its type in
    front (``.linux vmlinuz``) unless the file's name decides, APPEND, and ``initrd=``.
    """

    name: Optional[str]
    line: Optional[str]
    command: str = ""
    sysappend: int = 0
    do: Do = Do.COMMAND
    target: str = ""
    submenu: Optional[int] = None
    title: str = ""
    help: str = ""
    hidden: bool = False
    screen: int = 0
    position: int = 0

    @property
    def plain_title(self) -> str:
        """The title as it is read: without the mark of the hot key."""
        return self.title.replace("^", "").strip(SPACE)


@dataclass(frozen=True)
class Screen:
    """A menu or submenu: its entries, and which of them is chosen when nobody chooses.

    ``timeout`` is in tenths of a second, 0 is for ever. ``parent`` is the index of the menu around it.
    """

    tag: str
    title: str
    parent: Optional[int]
    entries: tuple[Label, ...] = ()
    default: int = 0
    timeout: int = 0
    ontimeout: str = ""
    onerror: str = ""


@dataclass(frozen=True)
class Config:
    """A parsed configuration. Times are in tenths of a second; 0 is for ever."""

    labels: tuple[Label, ...]
    screens: tuple[Screen, ...]
    start: int = 0
    default: Optional[str] = None
    ui: Optional[str] = None
    ontimeout: str = ""
    onerror: str = ""
    prompt: bool = False
    noescape: bool = False
    implicit: bool = True
    allowoptions: bool = True
    shiftkey: bool = False
    timeout: int = 0
    totaltimeout: int = 0
    sysappend: int = 0
    by_name: dict[str, Label] = field(default_factory=dict)

    @property
    def command(self) -> Optional[str]:
        """What runs when nobody types: UI "takes precedence over" DEFAULT."""
        return self.default if self.ui is None else self.ui


@dataclass
class _Draft:
    """A LABEL that is still open."""

    name: str
    line: str
    kernel: str
    sysappend: int
    kind: str = "kernel"
    append: Optional[str] = None
    initrd: Optional[str] = None
    title: Optional[str] = None
    help: str = ""
    do: Do = Do.COMMAND
    target: str = ""
    hidden: bool = False
    disabled: bool = False
    separator: bool = False
    default: bool = False


_TYPES = frozenset("localboot kernel linux boot bss pxe fdimage comboot com32 config".split())
_FLAGS = frozenset("prompt noescape implicit allowoptions".split())
_HIDDEN = 1


class Parser:
    """Reads files one after the other, "the same way as if the files had been concatenated".

    With ``menu`` it reads as menu.c32 does: a label's file is by default its whole line, and INCLUDE knows
    submenus.
    """

    def __init__(self, read: Callable[[str], Steps[Optional[bytes]]], *, menu: bool = False) -> None:
        self._read = read
        self._menu = menu
        self._labels: list[Label] = []
        self._screens = [Screen(".top", "", None), Screen(".hidden", "", None)]
        self._entries: list[list[Label]] = [[], []]
        self._slots = [0, 0]  # where in its parent's entries each submenu stands
        self._here = 0
        self._open: Optional[_Draft] = None
        self._append = ""
        self._depth = 0
        self._missing: set[str] = set()
        self._config = Config((), ())

    def config(self) -> Config:
        """What was read so far, as at the end of the last file."""
        self._record()
        screens = tuple(
            replace(screen, entries=tuple(entries)) for screen, entries in zip(self._screens, self._entries)
        )
        by_name: dict[str, Label] = {}
        for label in self._labels:
            if label.name is not None:
                by_name.setdefault(label.name, label)  # duplicates: "lookups take the first"
        return replace(self._config, labels=tuple(self._labels), screens=screens, by_name=by_name)

    def file(self, data: bytes) -> Steps[None]:
        """Read one file and what it includes."""
        lines = _lines(data)
        for line in lines:
            word, rest = split(line)
            word = word.lower()
            if word == "menu":
                word, rest = split(rest)
                word = word.lower()
                if word == "include":
                    yield from self._include(rest, submenu=True)
                else:
                    self._menu_line(word, rest)
            elif word == "include":
                yield from self._include(rest, submenu=self._menu)
            elif word == "text":
                self._text(lines, help=split(rest)[0].lower() == "help")
            else:
                self._line(word, rest)

    def _include(self, rest: str, submenu: bool) -> Steps[None]:
        """INCLUDE file [tag]: a missing file is skipped; with a tag, menus show it as a submenu."""
        name, tag = split(rest)
        if self._depth == INCLUDE_DEPTH:
            raise ConfigError(
                f"boot configuration files include each other more than {INCLUDE_DEPTH} deep",
                hint=f"the last one is {printable(name)!r}",
            )
        data = yield from self._read(name)
        if data is None:
            if name not in self._missing:
                self._missing.add(name)
                yield Log(f"INCLUDE {printable(name)}: not there, skipped", warning=True)
            return
        if submenu and tag:
            self._begin(tag)
        self._depth += 1
        yield from self.file(data)
        self._depth -= 1
        if submenu and tag:
            self._end()

    def _text(self, lines: Iterator[str], help: bool) -> None:
        """TEXT .. ENDTEXT: everything between is text, whatever words it has."""
        text = []
        for line in lines:
            if split(line)[0].lower() == "endtext":
                break
            text.append(line)
        if help and self._open is not None:
            self._open.help += "\n".join(text)

    def _line(self, word: str, rest: str) -> None:
        if word == "label":
            self._label(rest)
        elif word in _TYPES:
            if self._open is not None:
                self._open.kernel, self._open.kind = rest, word
        elif word == "append":
            if self._open is not None:
                self._open.append = rest
            else:
                self._append = rest
        elif word == "initrd":
            if self._open is not None:
                self._open.initrd = rest
        elif word in ("ipappend", "sysappend"):
            if self._open is not None:
                self._open.sysappend = unsigned(rest)
            else:
                self._config = replace(self._config, sysappend=unsigned(rest))
        else:
            self._global_line(word, rest)

    def _global_line(self, word: str, rest: str) -> None:
        """What acts globally, inside a LABEL too; an unknown word is ignored in silence."""
        if word == "timeout":
            self._set(timeout=_tenths(rest))
            self._config = replace(self._config, timeout=_tenths(rest))
        elif word == "totaltimeout":
            self._config = replace(self._config, totaltimeout=_tenths(rest))
        elif word == "ontimeout":
            self._set(ontimeout=rest)
            self._config = replace(self._config, ontimeout=rest)
        elif word == "onerror":
            self._config = replace(self._config, onerror=rest)
        elif word == "default":
            self._config = replace(self._config, default=rest)
        elif word == "ui":
            self._config = replace(self._config, ui=rest)
        elif word in _FLAGS:
            flag: dict[str, Any] = {word: number(rest) != 0}
            self._config = replace(self._config, **flag)

    def _label(self, rest: str) -> None:
        self._record()
        name = split(rest)[0]
        kernel = rest if self._menu else name
        self._open = _Draft(name, rest, kernel, self._config.sysappend)

    def _menu_line(self, word: str, rest: str) -> None:
        draft = self._open
        if word == "begin":
            self._begin(rest)
        elif word == "end":
            self._end()
        elif word == "separator":
            self._record()
            self._open = _Draft("", "", "", 0, separator=True)
            self._record()
        elif word == "start":
            self._config = replace(self._config, start=self._here)
        elif word == "onerror":
            self._set(onerror=rest)
            self._config = replace(self._config, onerror=rest)
        elif word == "shiftkey":
            self._config = replace(self._config, shiftkey=True)
        elif word == "title":
            self._set(title=rest)
        elif draft is None:
            self._submenu_line(word, rest)
        else:
            self._label_line(draft, word, rest)

    def _label_line(self, draft: _Draft, word: str, rest: str) -> None:
        if word == "label":
            draft.title = rest
        elif word == "default":
            draft.default = True
        elif word == "hide":
            draft.hidden = True
        elif word in ("disable", "disabled"):
            draft.disabled = True
        elif word == "quit":
            draft.do = Do.QUIT
        elif word == "help":
            draft.do = Do.HELP
        elif word == "goto":
            draft.do, draft.target = Do.GOTO, rest
        elif word == "exit" and self._screens[self._here].parent is not None:
            draft.do, draft.target = Do.EXIT, rest

    def _submenu_line(self, word: str, rest: str) -> None:
        """MENU LABEL and MENU DEFAULT where no label is open: they mean the submenu's own entry."""
        parent = self._screens[self._here].parent
        if parent is None:
            return
        at = self._slots[self._here]
        if word == "label":
            self._entries[parent][at] = replace(self._entries[parent][at], title=rest)
            if not self._screens[self._here].title:
                self._set(title=rest.replace("^", ""))
        elif word == "default":
            self._screens[parent] = replace(self._screens[parent], default=at)

    def _begin(self, tag: str) -> None:
        """MENU BEGIN: timeout, ONTIMEOUT and MENU ONERROR "are copied at that moment"."""
        self._record()
        parent, self._here = self._here, len(self._screens)
        self._slots.append(len(self._entries[parent]))
        entry = Label(None, None, do=Do.SUBMENU, submenu=self._here, title=tag, screen=parent)
        self._entries[parent].append(replace(entry, position=self._slots[-1]))
        self._screens.append(replace(self._screens[parent], tag=tag, title="", parent=parent, default=0))
        self._entries.append([])

    def _end(self) -> None:
        """MENU END; at top level it does nothing."""
        self._record()
        self._here = self._screens[self._here].parent or 0

    def _set(self, **values: Any) -> None:
        self._screens[self._here] = replace(self._screens[self._here], **values)

    def _record(self) -> None:
        """Close the open label: now, not when it began, the global APPEND counts."""
        draft, self._open = self._open, None
        if draft is None:
            return
        screen = _HIDDEN if draft.hidden else self._here
        off = draft.separator or draft.disabled
        title = draft.line if draft.title is None else draft.title
        label = Label(
            name=None if off else draft.name,
            line=None if off else draft.line,
            command=self._command(draft),
            sysappend=draft.sysappend,
            do=Do.DISABLED if off else draft.do,
            target=draft.target,
            title="" if draft.separator else title,
            help=draft.help,
            hidden=draft.hidden,
            screen=screen,
            position=len(self._entries[screen]),
        )
        self._entries[screen].append(label)
        self._labels.append(label)
        if draft.default and label.do in (Do.COMMAND, Do.GOTO):
            self._screens[screen] = replace(self._screens[screen], default=label.position)

    def _command(self, draft: _Draft) -> str:
        append = self._append if draft.append is None else draft.append
        parts = [draft.kernel if draft.kind == "kernel" else f".{draft.kind} {draft.kernel}"]
        if append not in ("", "-"):  # "APPEND - = empty"
            parts.append(append)
        if draft.initrd is not None:
            parts.append(f"initrd={draft.initrd}")
        return " ".join(parts)


def _lines(data: bytes) -> Iterator[str]:
    """The lines of a file as fgets() and C strings make them: cut at NUL, CR, LF, and at 4095 bytes."""
    at = 0
    while at < len(data):
        end = data.find(b"\n", at, at + LINE_LIMIT)
        end = min(at + LINE_LIMIT, len(data)) if end < 0 else end + 1
        yield decode(_LINE_END.split(data[at:end], maxsplit=1)[0])
        at = end


def split(text: str) -> tuple[str, str]:
    """The first word of ``text``, and what follows the blanks after it, verbatim."""
    text = text.lstrip(SPACE)
    word = _WORD.match(text)[0]  # type: ignore[index]
    return word, text[len(word) :].lstrip(SPACE)


def number(text: str) -> int:
    """``text`` as atoi() reads it: 0 if it is no number."""
    match = _NUMBER.match(text)
    return int(match[1]) if match else 0


def unsigned(text: str) -> int:
    """``text`` as strtoul() reads it with base 0: hexadecimal with ``0x``, octal with ``0``; 32 bits."""
    match = _UNSIGNED.match(text)
    if match is None:
        return 0
    digits = match[1].lower()
    if digits.startswith("0x"):
        return int(digits, 16) & 0xFFFFFFFF
    if digits.startswith("0"):
        return int(re.match(r"[0-7]+", digits)[0], 8) & 0xFFFFFFFF  # type: ignore[index]
    return int(digits[:20]) & 0xFFFFFFFF


def _tenths(text: str) -> int:
    return max(0, number(text))
