"""menu.c32 for somebody at a terminal: keys, submenus, passwords, command lines to edit.

The rules are those of SYSLINUX 6.04 (com32/menu/menumain.c). Where that would wait or try for ever without
anybody, the wait ends with the patience of whoever boots.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Print, Show, Steps
from pypxeboot.entry import Reason
from pypxeboot.picture import Picture
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.lexer import joined, split
from pypxeboot.syslinux.config.menu_settings import countdown
from pypxeboot.syslinux.config.model import Config, Label, MenuAction, Screen, fold_hotkey
from pypxeboot.syslinux.menu import cursor, defaults, passwords
from pypxeboot.syslinux.menu.defaults import MenuCommand
from pypxeboot.syslinux.menu.message_files import FUNCTION_KEYS, MessageFiles
from pypxeboot.terminal import line_editor, menu_drawing
from pypxeboot.terminal.input import Clock, User, WaitEnded
from pypxeboot.terminal.menu_view import EditLine, MenuItem, View
from pypxeboot.text import SPACE, printable

# More than any terminal shows in a line, or below a menu.
_TEXT_LIMIT = 200
_HELP_LINES = 100

_MARKS = {MenuAction.SUBMENU: ">", MenuAction.EXIT: "<"}


@dataclass(frozen=True)
class _MenuEnd:
    """The menu is left: for a command, or, without one, for the loader's prompt."""

    command: Optional[MenuCommand]


class MenuProgram:
    """One run of menu.c32: it is shown again when what was chosen does not boot.

    Where its time is over and there is nothing to run it ``ends``; else it goes on, as the real one would do
    after a look at the prompt, again and again.
    """

    def __init__(
        self,
        config: Config,
        user: User,
        message_files: MessageFiles,
        command_line: Callable[[Label], str],
        *,
        ends: bool = False,
    ) -> None:
        self._config = config
        self._user = user
        self._message_files = message_files
        self._command_line = command_line
        self._ends = ends
        self._at, default = defaults.start(config)
        self._start = (self._at, default)
        self._cursors = {self._at: default}
        self._hidden = config.hidden
        self._clock = Clock(total=config.totaltimeout / 10 or None)
        self._items: dict[int, tuple[MenuItem, ...]] = {}
        self._message = ""

    @property
    def screen(self) -> Screen:
        """The menu or submenu that is shown."""
        return self._config.screens[self._at]

    @property
    def _default(self) -> int:
        return self._start[1] if self._at == self._start[0] else self.screen.default

    @property
    def _cursor(self) -> int:
        return self._cursors.get(self._at, self._default)

    @_cursor.setter
    def _cursor(self, position: int) -> None:
        self._cursors[self._at] = position

    def choose(self, message: str = "") -> Steps[Optional[MenuCommand]]:
        """Ask what is to run, None for the loader's prompt; ``message`` says why it is asked once more."""
        self._message = printable(message, 2 * _TEXT_LIMIT)
        self._clock = Clock(self.screen.timeout / 10 or None, self._clock.total)
        if not self.screen.entries:
            yield Print("Initial menu has no LABEL entries!\n")
            return None
        if self._config.shiftkey:
            return self._default_command(Reason.DEFAULT)
        end = (yield from self._hidden_menu()) if self._hidden else None
        while end is None:
            end = yield from (self._ask_line() if self._user.terminal.dumb else self._show())
        if self._config.clear and not self._user.terminal.dumb:
            yield Show(Picture(()), 0)
        return end.command

    def _default_command(self, reason: Reason) -> Optional[MenuCommand]:
        """Run the default entry, if it has a command line."""
        entry = self.screen.entries[self._default]
        return MenuCommand(entry, "", reason) if entry.action in defaults.RUNS else None

    def _end_wait(self, ended: WaitEnded) -> Optional[_MenuEnd]:
        """Find what the end of the wait runs; None if the menu goes on."""
        if ended is WaitEnded.PATIENCE:
            return _MenuEnd(self._command_under_cursor())
        if self.screen.ontimeout is not None:
            return _MenuEnd(defaults.command(self._config, self.screen.ontimeout, Reason.ONTIMEOUT))
        command = self._default_command(Reason.TIMEOUT)
        if command is None and not self._ends:
            self._clock.stop()
            return None
        return _MenuEnd(command)

    def _command_under_cursor(self) -> MenuCommand:
        """Find what Enter boots where the cursor was left, if it needs no password; else the default."""
        entry = self.screen.entries[self._cursor]
        if (
            (self._at, self._cursor) != self._start
            and entry.action is MenuAction.COMMAND
            and entry.password is None
        ):
            return MenuCommand(entry, "", Reason.WAITS_FOREVER)
        return replace(defaults.default_command(self._config)[0], reason=Reason.WAITS_FOREVER)

    def _hidden_menu(self) -> Steps[Optional[_MenuEnd]]:
        """Wait behind MENU HIDDEN.

        "Only the countdown is shown; any key shows the menu, or runs its HIDDENKEY".
        """
        if self._user.terminal.dumb:
            yield Print(f"{self._countdown()}\n")
        key = yield from self._user.key(self._clock, self._picture)
        end = self._end_wait(key) if isinstance(key, WaitEnded) else None
        if end is not None and end.command is not None:
            return end
        self._hidden = False
        self._clock.cancel()
        text = None if isinstance(key, WaitEnded) else self._config.hidden_keys.get(key)
        return _MenuEnd(defaults.command(self._config, text, Reason.CHOSEN)) if text else None

    def _show(self) -> Steps[Optional[_MenuEnd]]:
        """Show the menu, and do what one key says."""
        self._settle()
        key = yield from self._user.key(self._clock, self._picture)
        if isinstance(key, WaitEnded):
            return self._end_wait(key)
        self._message = ""
        entry = self.screen.entries[self._cursor]
        if key in line_editor.ENTER:
            return (yield from self._enter(entry))
        if key in line_editor.CANCEL:
            return (yield from self._escape())
        if key == "tab":
            return (yield from self._edit(entry))
        if key in FUNCTION_KEYS:
            yield from self._help(self.screen.settings.helps.get(key, ""))
        elif key in cursor.MOVES:
            self._cursor = cursor.move_cursor(self.screen.entries, self._rows(), self._cursor, key)
        elif len(key) == 1:
            return (yield from self._hotkey(key))
        return None

    def _settle(self) -> None:
        """Put the cursor on an entry; "any position other than the default cancels the timeout"."""
        self._cursor = cursor.settle_cursor(self.screen.entries, self._cursor)
        if self._cursor != self._default:
            self._clock.cancel()

    def _rows(self) -> int:
        rows = self.screen.settings.layout.rows
        return rows if rows >= 0 else max(0, rows + self._user.terminal.rows)

    def _enter(self, entry: Label, words: str = "") -> Steps[Optional[_MenuEnd]]:
        """Choose ``entry``; ``words`` were typed behind it."""
        self._clock.cancel()
        if entry.password is not None and not (yield from self._knows_password(entry.password)):
            return None
        if entry.action is MenuAction.COMMAND:
            return _MenuEnd(MenuCommand(entry, joined("", words), Reason.CHOSEN))
        if entry.action is MenuAction.QUIT:
            return _MenuEnd(None)
        if entry.action is MenuAction.HELP:
            yield from self._help(entry.target)
        elif entry.submenu is not None and self._config.screens[entry.submenu].entries:
            self._at = entry.submenu
        return None

    def _escape(self) -> Steps[Optional[_MenuEnd]]:
        """Leave for the menu around this one, else for the prompt if ALLOWOPTIONS permits (Esc)."""
        if self.screen.parent is not None:
            self._at = self.screen.parent
        elif self.screen.settings.edit:
            self._clock.cancel()
            if self.screen.settings.master is None or (yield from self._knows_password(None)):
                return _MenuEnd(None)
        return None

    def _edit(self, entry: Label) -> Steps[Optional[_MenuEnd]]:
        """Let the command line be edited (Tab)."""
        settings = self.screen.settings
        if not settings.edit or entry.action is not MenuAction.COMMAND:
            return None
        self._clock.cancel()
        if settings.master is not None and not (yield from self._knows_password(None)):
            return None
        text = self._command_line(entry)[: line_editor.LIMIT]
        stops = line_editor.ENTER | line_editor.CANCEL | FUNCTION_KEYS
        line, key = EditLine(text, len(text)), "f1"
        while key in FUNCTION_KEYS:
            line, ended = yield from line_editor.edit_line(
                self._user, self._clock, line, stops, self._editing
            )
            key = "escape" if isinstance(ended, WaitEnded) else ended
            if key in FUNCTION_KEYS:
                yield from self._help(settings.helps.get(key, ""))
        if key in line_editor.CANCEL:
            return None
        return _MenuEnd(MenuCommand(entry, "", Reason.CHOSEN, edited=line.text))

    def _hotkey(self, key: str) -> Steps[Optional[_MenuEnd]]:
        position = self.screen.hotkeys.get(fold_hotkey(key))
        if position is None:
            return None
        self._clock.cancel()
        self._cursor = cursor.settle_cursor(self.screen.entries, position)
        entry = self.screen.entries[self._cursor]
        return (yield from self._enter(entry)) if entry.immediate else None

    def _help(self, name: str) -> Steps[None]:
        """Show a text until a key; another function key there shows its own."""
        aside = Clock(total=self._clock.total)
        while name:
            key = yield from self._message_files.show_file(name, self._user, aside)
            name = self.screen.settings.helps.get(key, "") if isinstance(key, str) else ""
        self._clock.total = aside.total

    def _knows_password(self, password: Optional[str]) -> Steps[bool]:
        """Ask for ``password``, or for the master password of this menu, which is as good."""
        stops = line_editor.ENTER | line_editor.CANCEL
        dumb, prompt = self._user.terminal.dumb, self.screen.settings.passprompt
        if dumb:
            yield Print(f"{printable(prompt)}: ")
        line, key = yield from line_editor.edit_line(
            self._user, self._clock, EditLine("", 0), stops, None if dumb else self._asking, hidden=True
        )
        if dumb:
            yield Print("\n")
        if isinstance(key, WaitEnded) or key in line_editor.CANCEL or not line.text:
            return False
        known = (self.screen.settings.master, password)
        return any(stored is not None and passwords.matches(stored, line.text) for stored in known)

    def _ask_line(self) -> Steps[Optional[_MenuEnd]]:
        """Print a numbered list, and ask for a line: for a terminal whose cursor cannot be moved."""
        self._settle()
        yield Print(f"{menu_drawing.lines(self._view())}{self._question()}")
        stops = line_editor.ENTER | line_editor.CANCEL | FUNCTION_KEYS
        line, key = yield from line_editor.edit_line(self._user, self._clock, EditLine("", 0), stops)
        yield Print("\n")
        self._message = ""
        if isinstance(key, WaitEnded):
            return self._end_wait(key)
        if key in line_editor.CANCEL:
            return (yield from self._escape())
        if key in FUNCTION_KEYS:
            yield from self._help(self.screen.settings.helps.get(key, ""))
            return None
        word, words = split(line.text)
        entry = self.screen.entries[self._cursor] if not word else self._find_entry(word, line.text)
        if entry is None:
            self._message = f"no entry {printable(line.text)!r}"
            return None
        settings = self.screen.settings
        return (yield from self._enter(entry, words if settings.edit and settings.master is None else ""))

    def _question(self) -> str:
        """Word the question before the line that is typed."""
        return "Choose: " if self._clock.left is None else f"{self._countdown()}\nChoose: "

    def _find_entry(self, word: str, text: str) -> Optional[Label]:
        """Find the entry of this menu with that number in the list, that label or title."""
        able = [entry for entry in self.screen.entries if entry.action is not MenuAction.DISABLED]
        if word.isascii() and word.isdecimal() and len(word) < 7 and 0 < int(word) <= len(able):
            return able[int(word) - 1]
        return lookup.match_name(able, text.strip(SPACE)) or lookup.match_name(able, word)

    def _picture(self) -> Optional[Picture]:
        if self._user.terminal.dumb:
            return None
        return menu_drawing.draw(self._view(), self._user.terminal)

    def _editing(self, line: EditLine) -> Picture:
        shown = EditLine(printable(line.text, 10_000), len(printable(line.text[: line.cursor], 10_000)))
        view = replace(self._view(), command=shown, hint="", help=())
        return menu_drawing.draw(view, self._user.terminal)

    def _asking(self, line: EditLine) -> Picture:
        prompt = printable(self.screen.settings.passprompt)
        view = replace(self._view(), password=len(line.text), prompt=prompt)
        return menu_drawing.draw(view, self._user.terminal)

    def _view(self) -> View:
        screen, settings = self.screen, self.screen.settings
        cursor = self._cursor
        help = (self._message,) if self._message else _lines(screen.entries[cursor].help)
        return View(
            title=printable(screen.title, _TEXT_LIMIT),
            items=self._all_items(),
            selected=cursor,
            hint=printable(
                settings.tabmsg if settings.edit and settings.master is None else settings.notabmsg
            ),
            countdown=self._countdown() if self._clock.left is not None or self._hidden else "",
            help=help,
            hidden=self._hidden,
            layout=settings.layout,
            colours=tuple(settings.colours.items()),
        )

    def _countdown(self) -> str:
        return printable(countdown(self.screen.settings.autoboot, int(self._clock.left or 0)))

    def _all_items(self) -> tuple[MenuItem, ...]:
        if self._at not in self._items:
            self._items[self._at] = tuple(_item(entry) for entry in self.screen.entries)
        return self._items[self._at]


def _item(entry: Label) -> MenuItem:
    """Make the item that shows ``entry``: "``^`` is never printed"."""
    before, mark, after = entry.title.partition("^")
    hotkey = len(printable(before, _TEXT_LIMIT)) if mark and entry.hotkey else None
    text = printable(before + after.replace("^", ""), _TEXT_LIMIT)
    selectable = entry.action is not MenuAction.DISABLED
    return MenuItem(text, hotkey, selectable, _MARKS.get(entry.action, ""), entry.indent)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(printable(line) for line in text.expandtabs().split("\n")[:_HELP_LINES]) if text else ()
