"""What a menu shows at one moment, as data, whatever the terminal."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu.

    ``hotkey`` is the index in ``text`` of the character that is its hotkey, None if it has none. ``mark`` is
    what stands at its right end (``>`` of a submenu); ``indent`` is in cells.
    """

    text: str
    hotkey: Optional[int] = None
    selectable: bool = True
    mark: str = ""
    indent: int = 0


@dataclass(frozen=True)
class Layout:
    """The numbers of MENU WIDTH, MARGIN, ROWS and so on, in cells.

    Rows count from 1, negative ones from the bottom of the screen.
    """

    width: Optional[int] = None
    margin: int = 10
    password_margin: int = 3
    rows: int = 12
    tab_row: int = 18
    command_row: int = 18
    end_row: int = -1
    password_row: int = 11
    timeout_row: int = 20
    help_row: int = 22
    help_end_row: int = -1
    hshift: int = 0
    vshift: int = 0
    hidden_row: int = -2


@dataclass(frozen=True)
class EditLine:
    """A line that is being typed: its text, and the index in it at which the cursor stands."""

    text: str
    cursor: int


@dataclass(frozen=True)
class View:
    """What a menu shows at one moment.

    ``selected`` is an index of ``items``. ``hint`` is the line below the box ("Press [Tab] to edit options"),
    ``countdown`` the one about the timeout, ``help`` the lines about the selected item. ``command`` is the
    command line while it is edited; ``password`` the number of characters typed while one is asked for, with
    ``prompt`` as its heading. ``hidden`` shows the countdown alone. ``colours`` maps the elements of MENU
    COLOR (``title``, ``sel``, ``border`` ...) to SGR parameters that the configuration asks for.
    """

    title: str
    items: tuple[MenuItem, ...]
    selected: int = 0
    hint: str = ""
    countdown: str = ""
    help: tuple[str, ...] = ()
    command: Optional[EditLine] = None
    password: Optional[int] = None
    prompt: str = ""
    hidden: bool = False
    layout: Layout = field(default_factory=Layout)
    colours: tuple[tuple[str, str], ...] = ()
