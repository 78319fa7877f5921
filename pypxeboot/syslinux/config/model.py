"""What a SYSLINUX configuration comes to: its labels, its menus, and what holds for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Optional

from pypxeboot.dataclass import dataclass, field
from pypxeboot.syslinux.config.menu_settings import MenuSettings
from pypxeboot.text import SPACE


class MenuAction(Enum):
    """What a label does when it is chosen in a menu (com32/menu/menu.h)."""

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
    front (``.linux vmlinuz``) unless the file's name decides, APPEND, and ``initrd=``. ``submenu`` is the
    index of the screen that SUBMENU, GOTO and EXIT open, ``target`` the file of HELP.

    ``hotkey`` is the character that selects it, as of :func:`fold_hotkey`, empty without one.
    """

    name: Optional[str]
    line: Optional[str]
    command: str = ""
    sysappend: int = 0
    action: MenuAction = MenuAction.COMMAND
    target: str = ""
    submenu: Optional[int] = None
    title: str = ""
    help: str = ""
    hidden: bool = False
    screen: int = 0
    position: int = 0
    hotkey: str = ""
    indent: int = 0
    password: Optional[str] = None
    immediate: bool = False

    @property
    def plain_title(self) -> str:
        """The title as it is read: without the mark of the hot key."""
        return self.title.replace("^", "").strip(SPACE)


def fold_hotkey(key: str) -> str:
    """Make a hot key: "upper/lower equal", by the bit that tells them apart in ASCII."""
    return chr(ord(key) & ~0x20) if key < "\x80" else key.casefold()


@dataclass(frozen=True)
class Screen:
    """A menu or submenu: its entries, and which of them is chosen when nobody chooses.

    ``timeout`` is in tenths of a second, 0 is for ever. An empty ``ontimeout`` is a command that fails.
    ``parent`` is the index of the menu around it. ``hotkeys`` maps characters to positions.
    """

    tag: str
    title: str
    parent: Optional[int]
    entries: tuple[Label, ...] = ()
    default: int = 0
    timeout: int = 0
    ontimeout: Optional[str] = None
    onerror: str = ""
    settings: MenuSettings = field(default_factory=MenuSettings)
    hotkeys: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class BootMessage:
    """A line that SAY prints, or, as ``file``, the name of a text that DISPLAY prints."""

    text: str
    file: bool = False


@dataclass(frozen=True)
class Config:
    """A parsed configuration. Times are in tenths of a second; 0 is for ever.

    ``hidden`` is MENU HIDDEN, ``hidden_keys`` maps keys to their MENU HIDDENKEY commands. ``said`` is what
    reading it printed, each text of SAY or file of DISPLAY. ``last`` is the menu that was not
    closed at the end. ``path`` has the directories of PATH in the order in which they are searched.
    """

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
    nocomplete: bool = False
    shiftkey: bool = False
    hidden: bool = False
    clear: bool = False
    hidden_keys: Mapping[str, str] = field(default_factory=dict)
    messages: tuple[BootMessage, ...] = ()
    last: int = 0
    path: tuple[str, ...] = ()
    timeout: int = 0
    totaltimeout: int = 0
    sysappend: int = 0
    by_name: dict[str, Label] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to boot or to choose: it may be no configuration at all."""
        return self.command is None and not any(screen.entries for screen in self.screens)

    @property
    def timeout_command(self) -> Optional[str]:
        """What the prompt runs, other than DEFAULT, when its time is over."""
        timed = bool(self.timeout or self.totaltimeout) and not self.noescape
        return self.ontimeout if timed and self.ontimeout else None

    @property
    def command(self) -> Optional[str]:
        """What runs when nobody types: UI "takes precedence over" DEFAULT."""
        return self.default if self.ui is None else self.ui
