"""How a menu looks, what it says, and what it allows: the MENU directives that name no entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Optional

from pypxeboot.dataclass import dataclass, field, replace
from pypxeboot.syslinux.config.lexer import parse_number, split
from pypxeboot.terminal.menu_view import Layout

# What MENU COLOR can name (com32/menu/colors.c).
ELEMENTS = frozenset(
    "screen border title unsel hotkey sel hotsel scrollbar tabmsg cmdmark cmdline pwdborder pwdheader".split()
    + "pwdentry timeout_msg timeout help disabled".split()
)
# SGR parameters and no more: the text goes to a terminal.
_SGR = re.compile(r"[0-9]{1,3}(;[0-9]{1,3}){0,7}")

_MESSAGES = frozenset("autoboot tabmsg notabmsg passprompt".split())
_LAYOUT = {
    "width": "width",
    "margin": "margin",
    "passwordmargin": "password_margin",
    "rows": "rows",
    "tabmsgrow": "tab_row",
    "cmdlinerow": "command_row",
    "endrow": "end_row",
    "passwordrow": "password_row",
    "timeoutrow": "timeout_row",
    "helpmsgrow": "help_row",
    "helpmsgendrow": "help_end_row",
    "hshift": "hshift",
    "vshift": "vshift",
    "hiddenrow": "hidden_row",
}
# Far more than any terminal has.
_CELLS = 1000


@dataclass(frozen=True)
class MenuSettings:
    """Messages, layout, colours, help files and permissions of one menu.

    ``colours`` maps elements to SGR parameters, ``helps`` the keys ``f1``..``f12`` to files. ``edit`` is
    ALLOWOPTIONS: whether Tab and Esc work. ``master`` is the password for both.
    """

    autoboot: str = "Automatic boot in # second{,s}..."
    tabmsg: str = "Press [Tab] to edit options"
    notabmsg: str = ""
    passprompt: str = "Password required"
    layout: Layout = field(default_factory=Layout)
    colours: Mapping[str, str] = field(default_factory=dict)
    helps: Mapping[str, str] = field(default_factory=dict)
    edit: bool = True
    immediate: bool = False
    master: Optional[str] = None

    def with_menu_directive(self, word: str, rest: str) -> Optional[MenuSettings]:
        """Apply ``MENU word rest``; None if the word is about something else."""
        if word in _MESSAGES:
            return replace(self, **{word: rest})  # type: ignore[arg-type]
        if word in _LAYOUT:
            cells = max(-_CELLS, min(parse_number(rest), _CELLS))
            value = None if word == "width" and cells == 0 else cells
            return replace(self, layout=replace(self.layout, **{_LAYOUT[word]: value}))  # type: ignore[arg-type]
        if word in ("color", "colour"):
            return self._with_colour(rest)
        if word == "master":
            what, password = split(rest)
            return replace(self, master=password) if what.lower() == "passwd" else self
        return None

    def _with_colour(self, rest: str) -> MenuSettings:
        """Apply MENU COLOR element ansi foreground background.

        ``*`` leaves as it is; the two colours of pixels mean nothing on a terminal.
        """
        element, values = split(rest)
        element, ansi = element.lower(), split(values)[0]
        if element not in ELEMENTS or _SGR.fullmatch(ansi) is None:
            return self
        return replace(self, colours={**self.colours, element: ansi})

    def with_function_key(self, word: str, rest: str) -> Optional[MenuSettings]:
        """Apply ``F1 file``; None if ``word`` is not a function key. F0 is F11 ("off by one")."""
        if re.fullmatch(r"f[0-9]{1,2}", word) is None or int(word[1:]) > 12:
            return None
        key = f"f{int(word[1:]) or 11}"
        return replace(self, helps={**self.helps, key: split(rest)[0]})


def countdown(text: str, seconds: int) -> str:
    """Fill the text of MENU AUTOBOOT: ``#`` is a number, ``{one,two,more}`` a word by it (menumain.c)."""

    def pick(match: re.Match[str]) -> str:
        words = match[1].split(",", 2)
        words += words[-1:] * (3 - len(words))
        return words[min(seconds, 3) - 1 if seconds else 2]

    return re.sub(r"\{([^}]*)\}?", pick, text).replace("#", str(seconds))
