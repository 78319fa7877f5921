"""Lines of a configuration that mean nothing: real loaders skip them in silence, and words are lost.

What is known to some loader of these files, and has no meaning for a guest (``SERIAL``, ``FONT``, ``FDT``),
is no such line.
"""

from __future__ import annotations

import re

from pypxeboot.text import SPACE, printable, strange_character

# readconfig.c of ldlinux and of menu.c32 (SYSLINUX 6.04), and what U-Boot and other projects' extlinux know.
_READ = frozenset(
    """
    include menu text endtext label default ui timeout totaltimeout ontimeout onerror prompt
    noescape implicit allowoptions nocomplete append initrd ipappend sysappend say display path none
    localboot kernel linux boot bss pxe fdimage comboot com32 config
    """.split()
)
_WITHOUT_MEANING = frozenset(
    """
    serial console font kbdmap nohalt sendcookies f-key gfxboot splash background localkernel fdt
    devicetree fdtdir devicetreedir fdtoverlays devicetree-overlay kaslrseed fallback
    """.split()
)
_UBOOT = frozenset(
    "kernel linux fit append initrd fdt devicetree fdtdir devicetreedir localboot ipappend".split()
)
_MENU = frozenset(
    """
    title label default hide hidden hiddenkey disable disabled indent passwd immediate noimmediate
    quit help goto exit begin end separator start include onerror shiftkey clear color colour master
    autoboot tabmsg notabmsg passprompt width margin passwordmargin rows tabmsgrow cmdlinerow endrow
    passwordrow timeoutrow helpmsgrow helpmsgendrow hshift vshift hiddenrow background resolution
    save nosave msgcolor msgcolour font gfxmode
    """.split()
)
_FUNCTION_KEY = re.compile(r"f[0-9]{1,2}")
_BLANK = SPACE + "\x1a"  # where CP/M's files end
_MOST = 12  # lines that are told of one configuration
_SHOWN = 120  # characters of a line


def is_known(word: str) -> bool:
    """Whether a line that begins with ``word`` means something, other than MENU, whose second word tells."""
    return word in _READ


class SkippedLines:
    """The lines of one configuration, and of what it includes, that were skipped, as text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._more = 0

    def judge(self, where: str, line: str, word: str, menu_word: str = "") -> None:
        """Note ``line`` (``where`` is its file and number) if its first ``word`` is no directive.

        ``menu_word`` is the word behind MENU, if that is the first.
        """
        if word == "menu":
            if menu_word and menu_word not in _MENU:
                self.note(where, line, _guess(menu_word, _MENU, "MENU "))
        elif word not in _READ and word not in _WITHOUT_MEANING and not _FUNCTION_KEY.fullmatch(word):
            text = line.strip(_BLANK)
            if text and text[0] not in "#;":
                self.note(where, line, strange_character(line) or _guess(word, _READ))

    def judge_uboot(self, where: str, line: str, word: str) -> None:
        """Note ``line`` if U-Boot does not know its ``word`` there, and somebody meant something by it."""
        if word in _UBOOT:
            self.note(where, line, "U-Boot's label has ended above it, or has one already")
        elif word not in _READ:
            self.judge(where, line, word)

    def note(self, where: str, line: str, why: str = "") -> None:
        """Note a line that is skipped, and why."""
        if len(self.texts) >= _MOST:
            self._more += 1
            return
        shown = printable(line.strip(_BLANK), _SHOWN)
        self.texts.append(f"{where}: {shown!r} means nothing, and is skipped{f': {why}' if why else ''}")

    def told(self) -> list[str]:
        """Return what to tell of all of them."""
        return [*self.texts, *([f"and {self._more} lines more mean nothing"] if self._more else [])]


def _guess(word: str, known: frozenset[str], before: str = "") -> str:
    import difflib  # few configurations have such a line

    close = difflib.get_close_matches(word, known, 1, 0.7)
    return f"{before}{close[0].upper()} is a directive" if close else ""
