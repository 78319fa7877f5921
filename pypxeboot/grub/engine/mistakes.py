"""What people write into a grub.cfg that is another language's, and what GRUB has in its place."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.grub.engine.lexer import RESERVED, BadSyntax, Unfinished

_UNFINISHED = "close what is open there: if with fi, for and while with done, { with }, and quotes"
_OPERATOR = "GRUB has no {}: write if ...; then ...; fi"
_CASE = "GRUB has no case: write if and elif"
_REDIRECTION = "GRUB redirects nothing; in a text it has to be quoted: '...'"
# The first token that is wrong, and what to do.
_SYNTAX = {
    "&&": _OPERATOR.format("&&"),
    "||": _OPERATOR.format("||"),
    "&": "a & has a meaning of its own: quote the word it stands in ('...'), or write \\&",
    "|": "a | has a meaning of its own: quote the word it stands in ('...'), or write \\|",
    "<": _REDIRECTION,
    ">": _REDIRECTION,
    "case": _CASE,
    "esac": _CASE,
    ";;": "a second ; has no command in front of it",
    ";": "a ; has no command in front of it",
    "[[": "GRUB has no [[ ]]: write [ ]",
    "{": "a { stands on the line of its command, behind it; in a text it has to be quoted: '{...}'",
    "}": "a command has to stand between { and } (true does nothing), and in a function a ; behind the last",
    "$(": "GRUB has no $( ) and no arithmetic; a $ that is text has to be quoted: '$'",
    "${": "GRUB knows ${name} alone; a $ that is text has to be quoted: '$'",
    "$": "a $ that is text has to be quoted ('$'), or written \\$",
}
_OPEN = "is what it belongs to open there, with a ; or a line end in front of it?"
_BRACES = "are the braces, and & | < > ; $, quoted in what stands before it?"
_PXELINUX_WORDS = frozenset(("DEFAULT", "LABEL", "KERNEL", "APPEND", "UI", "MENU", "PROMPT", "TIMEOUT"))
_PXELINUX = "that is a word of PXELINUX's configuration (--bootfile pxelinux.0): GRUB's has menuentry blocks"
_LEGACY = "that is GRUB Legacy's menu.lst: GRUB 2 has menuentry 'TITLE' { linux ... } in its place"
_XEN = "it starts Xen on ARM; on a PC that is multiboot2 and module2"
_COMMANDS = {
    "title": _LEGACY,
    "root": _LEGACY,
    "rootnoverify": _LEGACY,
    "xen_hypervisor": _XEN,
    "xen_module": _XEN,
    "dhcp": "GRUB has its address from the start; net_bootp asks for another",
}
_URL = re.compile(r"(?P<scheme>[a-z]+)://(?P<host>[^/]+)(?P<path>.*)", re.DOTALL)
_LOADS = frozenset(
    "linux linux16 linuxefi initrd initrd16 initrdefi multiboot multiboot2 module module2 chainloader".split()
)


def of_syntax(why: BadSyntax) -> Optional[str]:
    """Return what to do about text that is no script, None where that is not known."""
    if isinstance(why, Unfinished):
        return _UNFINISHED
    token = str(why)
    for known in (token, token[:2], token[:1]):
        if known in _SYNTAX:
            return _SYNTAX[known]
    return _OPEN if token in RESERVED else _BRACES if token.strip() else None


def of_command(word: str) -> Optional[str]:
    """Return what to do about a word that is no command, None where that is not known."""
    if word in _COMMANDS:
        return _COMMANDS[word]
    if word.upper() in _PXELINUX_WORDS:
        return _PXELINUX
    if word.startswith("[") and len(word) > 1:
        return "blanks belong around [ and ]"
    return None


def of_file_name(text: str) -> Optional[str]:
    """Return what to do about a URL in place of a file's name, None of any other name."""
    url = _URL.match(text)
    if url is None:
        return None
    return f"GRUB takes no URL: write ({url['scheme']},{url['host']}){url['path'] or '/'}"


def lost_assignment(before: str, word: str) -> Optional[str]:
    """Return a warning of an assignment that is the rest of a command line, as in ``ds=nocloud;s=URL``.

    ``before`` is the command in front of the ``;``, which has no blank beside it.
    """
    if before not in _LOADS:
        return None
    return f"{before}: its line ends at a `;', and {word} sets a variable: quote what belongs together"
