"""COM32 modules by what they mean: nothing of them is run, and nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional, Union


@dataclass(frozen=True)
class Menu:
    """menu.c32 and its kind: show the configuration files ``names``, none for the main one."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Run ``command`` as if it had been typed; None is the default."""

    command: Optional[str]


@dataclass(frozen=True)
class Configure:
    """Begin again with another configuration, in another directory if one is given."""

    name: str
    directory: str


@dataclass(frozen=True)
class Linux:
    """linux.c32: a kernel, its command line, its initrds, and perhaps a device tree.

    ``packed`` are files to be wrapped into the ramdisk, as pairs: the file, and its path in the guest.
    """

    kernel: str
    cmdline: str
    initrds: tuple[str, ...]
    packed: tuple[tuple[str, str], ...] = ()
    dtb: Optional[str] = None


@dataclass(frozen=True)
class Multiboot:
    """mboot.c32: a kernel and its modules, each with the command line that its file's name begins."""

    images: tuple[str, ...]


@dataclass(frozen=True)
class Chain:
    """pxechn.c32: another bootstrap program, with options 209 and 210 for it."""

    name: str
    config_file: Optional[str]
    prefix: Optional[str]


@dataclass(frozen=True)
class Lua:
    """lua.c32: a script and its arguments."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class End:
    """``localboot``, ``reboot`` or ``poweroff``: an action of :class:`pypxeboot.entry.Action`."""

    action: str


@dataclass(frozen=True)
class Nothing:
    """The module boots nothing here; ``why`` completes "NAME.c32 ..."."""

    why: str


Plan = Union[Menu, Run, Configure, Linux, Multiboot, Chain, Lua, End, Nothing]

# Modules that show something and return to the prompt.
_INFORMATION = frozenset(
    "cat cpuid cpuidtest cptime debug dir disk display dmi_chain dmitest elf ethersel hdt".split()
    + "hello hexdump host kbdmap kontron_wdt ls meminfo pcitest pmload prdhcp pwd rosh sysdump".split()
    + "vesainfo vpdtest zzjson".split()
)
# What isspace() knows, and no more.
_BLANKS = re.compile("[ \t\n\v\f\r]+")
# pxechn.c32's options that take a value; -h, -n, -N, -r, -S, -u, -w and -W take none.
_PXECHN_VALUES = "cfgopt"


def interpret(module: str, arguments: str, arch: str) -> Plan:
    """What the module of that name (without ``.c32``) does with ``arguments`` on a guest of ``arch``.

    "COM32 command line: split at whitespace, no quoting" (core/elflink/load_env32.c)
    """
    words = [word for word in _BLANKS.split(arguments) if word]
    handler = _HANDLERS.get(module)
    if handler is not None:
        return handler(words)
    if module == "cmd":  # takes it as it is: an empty command is none
        return Run(arguments)
    if module == "ifcpu64":
        return _ifcpu64(_parts(words, "--"), arch)
    if module == "ifcpu":
        return _ifcpu(words, arch)
    if module in _INFORMATION:
        return Nothing("shows information and boots nothing")
    return Nothing("is no module whose meaning is known here; what it does needs real firmware")


def _parts(words: Sequence[str], mark: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == mark:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _run(words: Sequence[str]) -> Plan:
    return Run(" ".join(words) or None)


def _ifcpu64(parts: list[list[str]], arch: str) -> Plan:
    """``64-bit [-- with PAE] -- other``; a part that is not there is as the one before it."""
    wanted = 1 if arch == "i386" else 0
    return _run(parts[min(wanted, len(parts) - 1)])


def _ifcpu(words: Sequence[str], arch: str) -> Plan:
    """``feature... -- if all are there -- else``; a feature counts up to the second ``--``.

    A virtual machine has PAE, a hypervisor, a table of its processors, which is all that "smp" looks for, and
    what CPU= says. How many cores is not known before it runs: taken as one.
    """
    marks = [at for at, word in enumerate(words) if word == "--"][:2]
    features = set(words[: marks[1]] if len(marks) == 2 else words)
    if not marks or "dry-run" in features:
        return Nothing("was given no command to run")
    there = {"pae", "hypervisor", "smp"} | (set() if arch == "i386" else {"64", "hvm"})
    matches = features & {"64", "hvm", "multicore", "smp", "pae", "hypervisor"} <= there
    if matches and len(marks) == 2:
        return _run(words[marks[0] + 1 : marks[1]])
    return _run(words[marks[-1] + 1 :])


def _undetected(words: Sequence[str]) -> Plan:
    """``if detected -- if not``: neither Plop nor MEMDISK is below a guest without firmware.

    An empty command is none, not the default.
    """
    command = words[words.index("--") + 1 :] if "--" in words else []
    return _run(command) if command else Nothing("was given no command for this case")


def _ifmemdsk(words: Sequence[str]) -> Plan:
    """The same after some options, without which it is not run."""
    mark = words.index("--") if "--" in words else len(words)
    known = {"--info", "--safe-hooks", "--mbfts", "--no-sequential"}
    options = {word for word in words[:mark] if word.startswith("--")}
    return _undetected(words) if options <= known else Nothing(f"does not know {min(options - known)}")


def _whichsys(words: Sequence[str]) -> Plan:
    """``-pxe- command``, the last of them, up to the next such mark."""
    chosen: Optional[list[str]] = None
    ours = False
    for word in words:
        if word in ("-iso-", "-pxe-", "-sys-"):
            ours = word == "-pxe-"
            chosen = [] if ours else chosen
        elif ours and chosen is not None:
            chosen.append(word)
    return _run(chosen) if chosen else Nothing("was given no -pxe- command")


def _configure(words: Sequence[str]) -> Plan:
    if len(words) not in (1, 2):
        return Nothing("wants a configuration file, and perhaps a directory")
    return Configure(words[0], words[1] if len(words) > 1 else "")


def _linux(words: Sequence[str]) -> Plan:
    """``[-dhcpinfo] kernel arguments``; the last ``initrd=`` counts, then every ``initrd+=``, then every
    ``initrdfile=file[@path]``; of device trees the kernel takes the last.
    """
    at = next((n for n, word in enumerate(words) if not word.startswith("-")), len(words))
    if any(word != "-dhcpinfo" for word in words[:at]):
        return Nothing(f"does not know the option {words[at - 1]}")
    if at == len(words):
        return Nothing("was given no kernel")
    line = [f"BOOT_IMAGE={words[at]}", *words[at + 1 :]]
    lists = [*_values(line, "initrd=")[-1:], *_values(line, "initrd+=")]
    initrds = tuple(name for names in lists for name in names.split(","))
    packed = tuple(_packed(name) for names in _values(line, "initrdfile=") for name in names.split(","))
    return Linux(words[at], " ".join(line), initrds, packed, next(iter(_values(line, "dtb=")[::-1]), None))


def _values(line: Sequence[str], key: str) -> list[str]:
    return [word[len(key) :] for word in line if word.startswith(key)]


def _packed(name: str) -> tuple[str, str]:
    """``file@path``; without ``@`` "forget the source path" (com32/modules/linux.c)."""
    file, mark, path = name.partition("@")
    return file, path if mark else file.rpartition("/")[2]


def _mboot(words: Sequence[str]) -> Plan:
    """``[-solaris|-no-aout..] kernel arguments --- module arguments --- ...``."""
    parts = _parts(words, "---")
    while parts[0] and parts[0][0] in ("-solaris", "-no-solaris", "-aout", "-no-aout"):
        parts[0].pop(0)
    if not all(parts):
        return Nothing("was given an image without a name")
    return Multiboot(tuple(" ".join(part) for part in parts))


def _pxechn(words: Sequence[str]) -> Plan:
    """``file -c config -p prefix -o 210.s=prefix ...``: options may stand anywhere (doc/pxechn.txt)."""
    values: dict[str, str] = {}
    names = []
    rest = iter(words)
    for word in rest:
        if len(word) > 1 and word[0] == "-" and word[1] in _PXECHN_VALUES:
            letter, value = word[1], word[2:] or next(rest, "")
            number, mark, text = value.partition(".s=")
            if letter == "o" and mark:
                letter = {"209": "c", "210": "p"}.get(number, letter)
                value = text
            values[letter] = value
        elif not word.startswith("-"):
            names.append(word)
    return Chain(names[0], values.get("c"), values.get("p")) if names else Nothing("was given no file")


def _lua(words: Sequence[str]) -> Plan:
    return Lua(words[0], tuple(words[1:])) if words else Nothing("was given no script")


def _needs_firmware(words: Sequence[str]) -> Plan:
    return Nothing("works through a BIOS, and a guest without firmware has none")


_HANDLERS: dict[str, Callable[[Sequence[str]], Plan]] = {
    "menu": lambda words: Menu(tuple(words)),
    "vesamenu": lambda words: Menu(tuple(words)),
    "gfxboot": lambda words: Menu(()),  # its arguments are pictures
    "config": _configure,
    "linux": _linux,
    "mboot": _mboot,
    "whichsys": _whichsys,
    "ifplop": _undetected,
    "ifmemdsk": _ifmemdsk,
    "pxechn": _pxechn,
    "pxechain": _pxechn,
    "chain": lambda words: End("localboot"),
    "reboot": lambda words: End("reboot"),
    "poweroff": lambda words: End("poweroff"),
    "lua": _lua,
    "sanboot": _needs_firmware,
    "sdi": _needs_firmware,
    "gpxecmd": _needs_firmware,
}
