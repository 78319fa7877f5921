"""The SYSLINUX language: a parser from files to :class:`Config`.

The rules are those of SYSLINUX 6.04 (com32/elflink/ldlinux/readconfig.c, com32/menu/readconfig.c).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Optional

from pypxeboot.dataclass import replace
from pypxeboot.effects import Steps
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.config import key_names
from pypxeboot.syslinux.config.draft import Draft
from pypxeboot.syslinux.config.lexer import (
    ConfigLine,
    numbered_lines,
    parse_number,
    parse_tenths,
    parse_unsigned,
    split,
)
from pypxeboot.syslinux.config.model import BootMessage, Config, Label, MenuAction, Screen, fold_hotkey
from pypxeboot.syslinux.config.skipped import SkippedLines, is_known
from pypxeboot.text import SPACE, decode, printable

# "Include nesting 16" (doc/syslinux.txt), but 6.x has no limit, and runs out of memory.
INCLUDE_DEPTH = 64


_TYPES = frozenset("none localboot kernel linux boot bss pxe fdimage comboot com32 config".split())
_OF_LABELS = _TYPES | frozenset("label append initrd ipappend sysappend".split())
_FLAGS = frozenset("prompt noescape implicit allowoptions nocomplete".split())
_HIDDEN = 1
# A screen's width of blanks: what is indented further cannot be seen.
_INDENT_LIMIT = 80


class SyslinuxParser:
    """Reads files one after the other, "the same way as if the files had been concatenated".

    With ``menu`` it reads as menu.c32 does: a label's file is by default its whole line, and INCLUDE knows
    submenus. ``sysappend`` is what holds until a line says otherwise. ``skipped`` are lines that mean
    nothing, ``missing`` the names of included files that are not there.
    """

    def __init__(
        self, read: Callable[[str], Steps[Optional[bytes]]], *, menu: bool = False, sysappend: int = 0
    ) -> None:
        self._read = read
        self._menu = menu
        self._labels: list[Label] = []
        self._screens = [Screen(".top", "", None), Screen(".hidden", "", None)]
        self._entries: list[list[Label]] = [[], []]
        self._hotkeys: list[dict[str, int]] = [{}, {}]
        self._slots = [0, 0]  # where in its parent's entries each submenu stands
        self._hidden_keys: dict[str, str] = {}
        self._messages: list[BootMessage] = []
        self._current = 0  # what MENU BEGIN and END move to and from
        self._here = 0  # what lines are about: an included file leaves this one as it was
        self._open: Optional[Draft] = None
        self._hides = False  # MENU HIDE outside of a label: it is about a separator that follows
        self._titled: set[int] = set()  # submenus whose entry has a text of its own
        self._append = ""
        self._depth = 0
        self._place = "", 0  # the file, and the number of its line, for messages
        self.skipped = SkippedLines()
        self.missing: dict[str, None] = {}
        self._config = Config((), (), sysappend=sysappend)

    @property
    def _where(self) -> str:
        name, number = self._place
        return f"{name} line {number}"

    def config(self) -> Config:
        """Give what was read so far, as at the end of the last file."""
        self._here = self._current
        self._record()
        tags = {screen.tag: index for index, screen in enumerate(self._screens)}
        entries = [tuple(_resolve_target(entry, tags) for entry in found) for found in self._entries]
        screens = tuple(
            replace(screen, entries=entries[index], hotkeys=self._hotkeys[index])
            for index, screen in enumerate(self._screens)
        )
        labels = tuple(entries[label.screen][label.position] for label in self._labels)
        by_name: dict[str, Label] = {}
        for label in labels:
            if label.name is not None:
                by_name.setdefault(label.name, label)  # duplicates: "lookups take the first"
        return replace(
            self._config,
            labels=labels,
            screens=screens,
            by_name=by_name,
            hidden_keys=self._hidden_keys,
            messages=tuple(self._messages),
            last=self._current,
        )

    def file(self, data: bytes, name: str = "configuration") -> Steps[None]:
        """Read one file and what it includes; messages call it ``name``."""
        file = numbered_lines(data)
        self._here = self._current
        for number, text, lost in file:
            self._place = name, number
            word, rest = split(text)
            word = word.lower()
            if lost or word not in _OF_LABELS:
                self._judge(text, word, rest, lost)
            if word in _OF_LABELS:
                self._of_label(word, rest)
            elif word == "menu":
                word, rest = split(rest)
                word = word.lower()
                if word == "include":
                    yield from self._include(rest, submenu=True)
                else:
                    self._menu_line(word, rest)
            elif word == "include":
                yield from self._include(rest, submenu=self._menu)
            elif word == "text":
                self._text(file, help=split(rest)[0].lower() == "help")
            else:
                self._global_line(word, rest)

    def _judge(self, text: str, word: str, rest: str, lost: bytes) -> None:
        """Note what of the line ``text`` means nothing, and what stands behind its end."""
        if word == "menu" or not is_known(word):
            menu_word = split(rest)[0].lower() if word == "menu" else ""
            self.skipped.judge(self._where, text, word, menu_word)
        if lost:
            self.skipped.note(self._where, decode(lost), "it stands behind a carriage return or a NUL")

    def _include(self, rest: str, submenu: bool) -> Steps[None]:
        """Read INCLUDE file [tag]: a missing file is skipped; with a tag, menus show it as a submenu.

        To menu.c32 what is missing is an empty submenu.
        """
        name, tag = split(rest)
        if self._depth == INCLUDE_DEPTH:
            raise ConfigError(
                f"boot configuration files include each other more than {INCLUDE_DEPTH} deep",
                hint=f"the last one is {printable(name)!r}",
            )
        data = yield from self._read(name)
        if data is None:
            self.missing[name] = None
            if not self._menu:
                return
        if submenu and tag:
            self._begin(tag)
        if data is not None:
            here = self._here
            self._depth += 1
            yield from self.file(data, printable(name))
            self._depth -= 1
            self._here = here
        if submenu and tag:
            self._end()

    def _text(self, file: Iterator[ConfigLine], help: bool) -> None:
        """Read TEXT .. ENDTEXT: everything between is text, whatever words it has."""
        lines = []
        for _, text, _ in file:
            if split(text)[0].lower() == "endtext":
                break
            lines.append(text)
        else:
            self.skipped.note(
                self._where, "TEXT", "no ENDTEXT follows, so that the rest of the file is its text"
            )
        if help and self._open is not None:
            self._open.help += "\n".join(lines)

    def _of_label(self, word: str, rest: str) -> None:
        """Read what is about the open label, or, of some words, about those that follow."""
        label = self._open
        if word == "label":
            self._label(rest)
        elif word in _TYPES or word == "initrd":
            if label is None:
                self.skipped.note(self._where, f"{word.upper()} {rest}", "no LABEL stands above it")
            elif word == "initrd":
                label.initrd = rest
            else:
                label.kernel, label.kind = rest, word
        elif word == "append":
            if label is not None:
                label.append = rest
            else:
                self._append = rest
        elif label is not None:
            label.sysappend = parse_unsigned(rest)
        else:
            self._config = replace(self._config, sysappend=parse_unsigned(rest))

    def _global_line(self, word: str, rest: str) -> None:
        """Read what acts globally, inside a LABEL too; an unknown word is ignored in silence."""
        if word == "timeout":
            self._set(timeout=parse_tenths(rest))
            self._config = replace(self._config, timeout=parse_tenths(rest))
        elif word == "totaltimeout":
            self._config = replace(self._config, totaltimeout=parse_tenths(rest))
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
            flag: dict[str, Any] = {word: parse_number(rest) != 0}
            self._config = replace(self._config, **flag)
            if word == "allowoptions":
                self._change_settings(edit=flag[word])
        elif word == "path":
            self._config = replace(self._config, path=(*_directories(rest), *self._config.path))
        elif word in ("say", "display"):
            self._messages.append(BootMessage(rest, file=word == "display"))
        else:
            settings = self._screens[self._here].settings.with_function_key(word, rest)
            if settings is not None:
                self._set(settings=settings)

    def _label(self, rest: str) -> None:
        self._record()
        self._hides = False
        name = split(rest)[0]
        kernel = rest if self._menu else name
        self._open = Draft(name, rest, kernel, self._config.sysappend)

    def _menu_line(self, word: str, rest: str) -> None:
        if word == "begin":
            self._begin(rest)
        elif word == "end":
            self._end()
        elif word == "separator":
            self._record()
            self._open = Draft.of_separator(hidden=self._hides)
            self._hides = False
            self._record()
        elif word == "start":
            self._config = replace(self._config, start=self._here)
        elif word == "onerror":
            self._set(onerror=rest)
            self._config = replace(self._config, onerror=rest)
        elif word in ("shiftkey", "hidden", "clear"):
            on: dict[str, Any] = {word: True}
            self._config = replace(self._config, **on)
        elif word == "hiddenkey":
            names, command = split(rest)
            self._hidden_keys.update(dict.fromkeys(key_names.keys(names), command))
        elif word == "title":
            self._title(rest)
        else:
            self._entry_line(word, rest)

    def _entry_line(self, word: str, rest: str) -> None:
        """Read what is about the open label, else about the submenu's own entry, else about the menu."""
        settings = self._screens[self._here].settings.with_menu_directive(word, rest)
        if settings is not None:
            self._set(settings=settings)
        elif self._open is not None:
            self._label_line(self._open, word, rest)
        elif word in ("immediate", "noimmediate"):
            self._change_settings(immediate=word == "immediate")
        else:
            self._submenu_line(word, rest)

    def _label_line(self, draft: Draft, word: str, rest: str) -> None:
        if word == "label":
            draft.title = rest
        elif word == "default":
            draft.default = True
        elif word == "hide":
            draft.hidden = True
        elif word in ("disable", "disabled"):
            draft.disabled = True
        elif word == "indent":
            draft.indent = min(abs(parse_number(rest)), _INDENT_LIMIT)
        elif word == "passwd":
            draft.password = rest
        elif word in ("immediate", "noimmediate"):
            draft.immediate = word == "immediate"
        elif word == "quit":
            draft.action = MenuAction.QUIT
        elif word == "help" and self._menu:
            draft.action, draft.kernel, draft.append = MenuAction.HELP, split(rest)[0], None
        elif word == "goto":
            draft.action, draft.kernel = MenuAction.GOTO, rest
        elif word == "exit" and self._screens[self._here].parent is not None:
            draft.action, draft.submenu = MenuAction.EXIT, self._screens[self._here].parent
            draft.kernel = rest or draft.kernel
            draft.tagged = bool(rest)

    def _submenu_line(self, word: str, rest: str) -> None:
        """Read MENU LABEL, DEFAULT or PASSWD where no label is open: they mean the submenu's own entry.

        HIDE is kept for the next separator, unless a label comes first (menu/readconfig.c).
        """
        if word == "hide":
            self._hides = True
        parent = self._screens[self._here].parent
        if parent is None:
            return
        at = self._slots[self._here]
        entry = self._entries[parent][at]
        if word == "label":
            hotkey = self._claim_hotkey(parent, at, rest) or entry.hotkey
            self._entries[parent][at] = replace(entry, title=rest, hotkey=hotkey)
            self._titled.add(self._here)
            if not self._screens[self._here].title:
                self._set(title=rest.replace("^", ""))
        elif word == "default":
            self._screens[parent] = replace(self._screens[parent], default=at)
        elif word == "passwd":
            self._entries[parent][at] = replace(entry, password=rest)

    def _title(self, text: str) -> None:
        """Read MENU TITLE: of a submenu, the text of its entry too "if that has none yet"."""
        screen = self._screens[self._here]
        self._set(title=text)
        if screen.parent is not None:
            entry = self._entries[screen.parent][self._slots[self._here]]
            if self._here not in self._titled:
                self._titled.add(self._here)
                self._entries[screen.parent][self._slots[self._here]] = replace(entry, title=text)

    def _claim_hotkey(self, screen: int, position: int, title: str) -> str:
        """Take the hot key that ``title`` marks, if it is still free there: "first come, first served"."""
        marked = title.partition("^")[2][:1]
        key = fold_hotkey(marked) if marked else ""
        return key if key and self._hotkeys[screen].setdefault(key, position) == position else ""

    def _begin(self, tag: str) -> None:
        """Open a submenu (MENU BEGIN).

        Settings, timeout, ONTIMEOUT and MENU ONERROR "are copied at that moment".
        """
        self._record()
        parent = self._current
        self._here = self._current = len(self._screens)
        self._slots.append(len(self._entries[parent]))
        entry = Label(None, None, action=MenuAction.SUBMENU, submenu=self._here, title=tag, screen=parent)
        self._entries[parent].append(replace(entry, position=self._slots[-1]))
        self._screens.append(replace(self._screens[parent], tag=tag, title="", parent=parent, default=0))
        self._entries.append([])
        self._hotkeys.append({})

    def _end(self) -> None:
        """Close a submenu (MENU END); at top level it does nothing."""
        self._record()
        self._here = self._current = self._screens[self._current].parent or 0

    def _set(self, **values: Any) -> None:
        self._screens[self._here] = replace(self._screens[self._here], **values)

    def _change_settings(self, **values: Any) -> None:
        self._set(settings=replace(self._screens[self._here].settings, **values))

    def _record(self) -> None:
        """Close the open label: now, not when it began, the global APPEND counts."""
        draft, self._open = self._open, None
        if draft is None:
            return
        screen = _HIDDEN if draft.hidden else self._here
        entries = self._entries[screen]
        position = len(entries)
        hotkey = ""
        if draft.title is not None and not draft.is_off:
            hotkey = self._claim_hotkey(screen, position, draft.title)
        immediate = self._screens[self._here].settings.immediate
        label = draft.label(screen, position, hotkey, self._append, immediate)
        entries.append(label)
        self._labels.append(label)
        if draft.default and label.action in (MenuAction.COMMAND, MenuAction.GOTO):
            self._screens[screen] = replace(self._screens[screen], default=label.position)


def _directories(path: str) -> tuple[str, ...]:
    """Split the directories of PATH, the last one first; an empty one ends it ("Failed to parse PATH")."""
    names = list(itertools.takewhile(bool, path.rstrip(SPACE).split(":")))
    return tuple(name if name.endswith("/") else f"{name}/" for name in reversed(names))


def _resolve_target(entry: Label, tags: dict[str, int]) -> Label:
    """Find the menu that GOTO or EXIT leads to; "an unresolved tag is a disabled entry"."""
    if entry.action is MenuAction.GOTO or (entry.action is MenuAction.EXIT and entry.target):
        submenu = tags.get(entry.target)
        return replace(
            entry, submenu=submenu, action=MenuAction.DISABLED if submenu is None else entry.action
        )
    return entry
