"""The ``boot:`` prompt of PXELINUX, for somebody at a terminal (com32/elflink/ldlinux/cli.c)."""

from __future__ import annotations

from typing import Union

from pypxeboot.effects import Print, Show, Steps
from pypxeboot.picture import Picture
from pypxeboot.syslinux.config.lexer import split
from pypxeboot.syslinux.config.model import Config
from pypxeboot.syslinux.menu.message_files import FUNCTION_KEYS, MessageFiles
from pypxeboot.terminal import line_editor
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine
from pypxeboot.text import SPACE, printable

_PROMPT = "boot: "
_OLDER = frozenset({"up", "ctrl-p"})
_NEWER = frozenset({"down", "ctrl-n"})
_SHOWS = FUNCTION_KEYS | {"tab", "ctrl-l"}
# As many labels as Tab lists; thousands would scroll everything else away.
_LISTED = 200
# Commands that are remembered; the real one has no limit.
_REMEMBERED = 1000


class BootPrompt:
    """The prompt of one configuration, with its history.

    What was typed last stays below the empty line that is shown next: "static char cmdline[]" is never
    cleared. So Enter alone runs it again, and DEFAULT only while nothing has been typed.
    """

    def __init__(self, config: Config, user: User, message_files: MessageFiles) -> None:
        self._config = config
        self._user = user
        self._message_files = message_files
        self._history: list[str] = []  # the latest first
        self._last = ""
        self._clock = Clock()

    def ask(self) -> Steps[Union[str, WaitEnded]]:
        """Ask what is to run, empty for the default; or that the time is over.

        "TIMEOUT only applies to the first key"; TOTALTIMEOUT begins again with every prompt.
        """
        self._clock = Clock(self._config.timeout / 10 or None, self._config.totaltimeout / 10 or None)
        line, recalled = EditLine("", 0), -1
        yield Print(_PROMPT)
        while True:
            key = yield from self._user.key(self._clock)
            self._clock.cancel()
            if isinstance(key, WaitEnded) or key in line_editor.ENTER:
                yield Print("\n")
                return key if isinstance(key, WaitEnded) else self._remember()
            if key in _OLDER or key in _NEWER:
                line, recalled = yield from self._recall(line, recalled, 1 if key in _OLDER else -1)
            elif key == "ctrl-r":
                line = yield from self._search(line)
            elif key in _SHOWS:
                yield from self._show_above(key, line)
            elif line_editor.apply_key(line, key) != line:
                line = yield from self._replace(line, line_editor.apply_key(line, key))

    def _remember(self) -> str:
        if self._last:
            self._history = [self._last, *self._history[: _REMEMBERED - 1]]
        return self._last

    def _recall(self, line: EditLine, at: int, step: int) -> Steps[tuple[EditLine, int]]:
        """Recall an older or newer command, around and around; between the ends the line stays."""
        if not self._history:
            return line, at
        at = (at + 1 + step) % (len(self._history) + 1) - 1
        text = self._last if at < 0 else self._history[at]
        return (yield from self._replace(line, EditLine(text, len(text)))), at

    def _replace(self, line: EditLine, new: EditLine) -> Steps[EditLine]:
        self._last = new.text
        yield Print(line_editor.echo(line, new))
        return new

    def _search(self, line: EditLine) -> Steps[EditLine]:
        """Search the latest command that holds what is typed now (Ctrl-R); Ctrl-R again finds older ones.

        Every other key ends it and does nothing else. The line is empty if nothing was found.
        """
        wanted, at, found = "", 0, None
        while True:
            key = yield from self._user.key(self._clock)
            self._clock.cancel()
            if key == "ctrl-r":
                at += 1 if wanted else 0
            elif isinstance(key, str) and len(key) == 1 and " " <= key <= "z":
                wanted += key
            else:
                return (yield from self._replace(line, (key != "ctrl-c" and found) or EditLine("", 0)))
            matches = (n for n in range(at, len(self._history)) if wanted and wanted in self._history[n])
            match = next(matches, None)
            if match is not None:
                at, text = match, self._history[match]
                found = EditLine(text, text.index(wanted))
            elif wanted and found is None:
                return (yield from self._replace(line, EditLine("", 0)))
            elif wanted:
                at = len(self._history) - 1

    def _show_above(self, key: str, line: EditLine) -> Steps[None]:
        """Print what a key shows above the line, and the line again."""
        if key == "tab":
            labels = "" if self._config.nocomplete else self._labels(line)
            if not labels:
                return
            yield Print(f"\n{labels}")
        elif key == "ctrl-l":
            if not self._user.terminal.dumb:
                yield Show(Picture(()), 0)
        else:
            name = self._config.screens[self._config.last].settings.helps.get(key)
            if not name:
                return
            yield Print("\n")
            yield from self._message_files.print_file(name)
        yield Print(_PROMPT + line_editor.echo(EditLine("", 0), line))

    def _labels(self, line: EditLine) -> str:
        """List the labels that begin like the first word (Tab). 6.x completes nothing."""
        word = split(line.text)[0] if line.text[:1] not in SPACE else ""
        names = [name for name in self._config.by_name if name.startswith(word) and printable(name) == name]
        more = len(names) - _LISTED
        return "".join(f"  {name}\n" for name in names[:_LISTED]) + (
            f"  and {more} more\n" if more > 0 else ""
        )
