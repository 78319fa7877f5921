"""COM32 modules by what they mean: nothing of them is run, and nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Optional, Union


@dataclass(frozen=True)
class Menu:
    """menu.c32 and its kind: show the configuration files ``names``, none for the main one."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """Run ``command`` as if it had been typed; an empty one is the default."""

    command: str


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
    """``localboot``, ``reboot`` or ``poweroff``: an action of :class:`pypxeboot.menu.Action`."""

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
# pxechn.c32's options that take a value; -h, -n, -N, -r, -S, -u, -w and -W take none.
_PXECHN_VALUES = "cfgopt"


def interpret(module: str, arguments: str, arch: str) -> Plan:
    """What the module of that name (without ``.c32``) does with ``arguments`` on a guest of ``arch``.

    "COM32 command line: split at whitespace, no quoting" (core/elflink/load_env32.c)
    """
    words = arguments.split()
    handler = _HANDLERS.get(module)
    if handler is not None:
        return handler(words)
    if module in ("ifcpu", "ifcpu64"):
        parts = _parts(words, "--")
        return _ifcpu64(parts, arch) if module == "ifcpu64" else _ifcpu(parts, arch)
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
    return Run(" ".join(words))


def _ifcpu64(parts: list[list[str]], arch: str) -> Plan:
    """``64-bit [-- with PAE] -- other``; a part that is not there is as the one before it."""
    wanted = 1 if arch == "i386" else 0
    return _run(parts[min(wanted, len(parts) - 1)])


def _ifcpu(parts: list[list[str]], arch: str) -> Plan:
    """``feature... -- if all are there -- else``. A virtual machine has PAE and a hypervisor.

    How many processors, and whether it can nest, is not known before it runs: taken as no.
    """
    features, choices = parts[0], parts[1:]
    if not choices or "dry-run" in features:
        return Nothing("was given no command to run")
    there = {"pae", "hypervisor", "debug"} | ({"64"} if arch != "i386" else set())
    known = {"64", "hvm", "multicore", "smp", "pae", "hypervisor"}
    matches = all(word in there for word in features if word in known)
    return _run(choices[0 if matches else min(1, len(choices) - 1)])


def _undetected(words: Sequence[str]) -> Plan:
    """``[options] if detected -- if not``: neither Plop nor MEMDISK is below a guest without firmware."""
    parts = _parts(words, "--")
    return _run(parts[1] if len(parts) > 1 else [])


def _whichsys(words: Sequence[str]) -> Plan:
    chosen: Optional[list[str]] = None
    for word in words:
        if word in ("-iso-", "-pxe-", "-sys-"):
            if chosen is not None:
                break
            chosen = [] if word == "-pxe-" else None
        elif chosen is not None:
            chosen.append(word)
    return Nothing("was given no -pxe- command") if chosen is None else _run(chosen)


def _configure(words: Sequence[str]) -> Plan:
    if not words:
        return Nothing("was given no configuration file")
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
    """``file@path``; without a path "forget the source path" (com32/modules/linux.c)."""
    file, _mark, path = name.partition("@")
    return file, path or file.rpartition("/")[2]


def _mboot(words: Sequence[str]) -> Plan:
    """``[-solaris|-aout..] kernel arguments --- module arguments --- ...``."""
    parts = _parts(words, "---")
    while parts[0] and parts[0][0] in ("-solaris", "-nosolaris", "-aout", "-noaout"):
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
    "cmd": _run,
    "config": _configure,
    "linux": _linux,
    "mboot": _mboot,
    "whichsys": _whichsys,
    "ifplop": _undetected,
    "ifmemdsk": _undetected,
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
