"""Parse command lines as the loader runs them: their type, and what becomes of a kernel's."""

from __future__ import annotations

from functools import lru_cache

from pypxeboot.bootsource import Kind, kind_of_name
from pypxeboot.errors import PxeBootError, Refused
from pypxeboot.syslinux.config.lexer import joined, split_command
from pypxeboot.text import printable

# Types that a directive gives (execute.c). What BOOT, BSS and PXE name runs in real mode, on a BIOS. COMBOOT
# is dead since 5.00: its word is taken for a file's name.
_TYPES = {
    "localboot": "localboot",
    "kernel": "linux",
    "linux": "linux",
    "fdimage": "linux",
    "com32": "com32",
    "config": "config",
    "boot": "firmware",
    "bss": "firmware",
    "pxe": "firmware",
}

# By extension, "compared case-sensitively"; .img, .com and everything else is loaded as a Linux kernel. A
# file named like a boot sector or bootstrap program may be a kernel all the same (vmlinuz-5.10.0).
_ENDINGS = {".c32": "com32", ".0": "program", ".bin": "program", ".bs": "program", ".bss": "program"}
_ENDS = tuple(_ENDINGS)

# Their headers look like a kernel's, but they work through the BIOS.
_FIRMWARE = ("memdisk", "wimboot")


def parse_command(command: str, strings: str = "") -> tuple[str, str, str]:
    """Parse a command line: its type, the file, and what follows the blanks after it.

    The type is ``linux``, ``com32``, ``config``, ``localboot``, ``firmware`` or, by its name, ``program``.
    ``strings`` of SYSAPPEND go to the end: of what follows a type specifier, and then once more, but not of
    what a module is handed (execute.c).
    """
    given = None
    while True:
        word, words = split_command(command)
        kind = _TYPES.get(word[1:]) if word[:1] == "." else None
        if kind is None:
            break
        given, command = kind, _append(words, strings)
        if kind == "com32":
            command = _with_extension(command)
    kind = given or type_of(word)
    if strings and kind != "com32":
        words = _append(words, strings)
    if kind in ("linux", "program") and _is_for_firmware(_last(word)):
        kind = "firmware"
    return kind, word, words


def _append(words: str, strings: str) -> str:
    return f"{words} {strings}" if words and strings else words or strings


def _with_extension(command: str) -> str:
    """Add ``.c32`` to the first word, if it is not there, as COM32 does."""
    word, words = split_command(command)
    return command if word.endswith(".c32") or not word else joined(f"{word}.c32", words)


def type_of(word: str) -> str:
    """Tell the type of a file by how its name ends."""
    if not word.endswith(_ENDS):  # as most do
        return "linux"
    return next(kind for end, kind in _ENDINGS.items() if word.endswith(end))


def module_name(word: str) -> str:
    """Give the name of a COM32 module: ``menu`` of ``server::boot/menu.c32``."""
    name = _last(word)
    return name[:-4] if name.endswith(".c32") else name


def _last(word: str) -> str:
    """Give the last part of a file's name, without server and directories."""
    return word.rpartition("/")[2].rpartition("::")[2]


@lru_cache(maxsize=64)  # the kernels of ten thousand labels have a few names
def _is_for_firmware(name: str) -> bool:
    return name.startswith(_FIRMWARE) or name.endswith("pxelinux.0") or kind_of_name(name) is Kind.IPXE_BINARY


def is_pxelinux(program: str) -> bool:
    """Tell whether a bootstrap program is another PXELINUX."""
    return kind_of_name(program) is Kind.PXELINUX and "pxelinux" in program


def needs_firmware(where: str, word: str) -> PxeBootError:
    """Make the error about a file that ``where`` names, and that runs on a BIOS only."""
    return Refused(
        f"{where}: {printable(word)!r} needs real firmware, and a guest without firmware has none",
        hint="let the entry name a kernel",
    )


def linux_line(word: str, words: str, user_append: str = "") -> tuple[str, list[str]]:
    """Make the command line of a kernel, and find its initrds.

    "The FIRST initrd= found anywhere by substring search in the whole line; list ends at blank" (kernel.c).
    """
    cmdline = f"BOOT_IMAGE={word} {words}"
    if user_append:
        cmdline = joined(cmdline.rstrip(" "), user_append)
    _, found, names = cmdline.partition("initrd=")
    return cmdline, names.split(" ", 1)[0].split(",") if found else []
