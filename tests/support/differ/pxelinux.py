"""PXELINUX and menu.c32, with random configurations of their language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.entry import Action, Reason
from pypxeboot.errors import PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.syslinux.loader import boot
from tests.support.differ.case import Outcome, Texts, booted
from tests.support.ground import tools
from tests.support.recorded import boots
from tests.support.recorded.leases import lease_of
from tests.support.recorded.replay import TERMINAL, Replay

_PLACES = (Path("/usr/lib/PXELINUX"), Path("/usr/lib/syslinux/modules/bios"))
_FILES = ("pxelinux.0", "ldlinux.c32", "libutil.c32", "libcom32.c32", "menu.c32", "config.c32", "cmd.c32")
_MORE = (
    *("whichsys.c32", "ifcpu64.c32", "ifcpu.c32", "vesamenu.c32", "linux.c32", "mboot.c32", "libgpl.c32"),
    *(
        "chain.c32",
        "ls.c32",
        "cat.c32",
        "dir.c32",
        "pwd.c32",
        "host.c32",
        "disk.c32",
        "ifplop.c32",
        "pxechn.c32",
    ),
)

_LABELS = ("a", "b", "c", "A", "a b", "b.c", "long-label")
_KERNELS = ("k1", "k2", "k3", "sub/k1", "::k2", "/k3", "nosuch", "k1 x=1", "tftp://10.77.0.1/k2")
_WORDS = (
    "q=1",
    "ro",
    "initrd=i1",
    "console=ttyS0,9600 x",
    "  two  blanks ",
    "initrd=i1,i2",
    "a=#b",
    '"x y"',
    "-",
)
_MASKS = ("0", "1", "2", "3", "0x2", "02", "x")
_MODULES = (
    *(
        "cmd.c32 b",
        "whichsys.c32 -pxe- b",
        "ifcpu64.c32 a -- b",
        "nosuch.c32",
        "cmd.c32 k2 x=1",
        "cmd.c32 nosuch",
    ),
    *(
        "linux.c32 k1 x=1",
        "linux.c32 k2 initrd=i1",
        "linux.c32 nosuch",
        "linux.c32 -dhcpinfo k3",
        "linux.c32",
    ),
    *("whichsys.c32 -iso- a -pxe- b", "ifcpu.c32 multi -- a -- b", "ifcpu.c32 cmov -- k2 -- b", "ifcpu.c32"),
    *(
        "pwd.c32",
        "cat.c32 inc.cfg",
        "config.c32 nosuch.cfg",
        "menu.c32 nosuch.cfg",
        "ifcpu64.c32 a -- b -- k1",
    ),
)
# What configurations say less often.
_LESS = (
    *(
        "F1 help.txt",
        "DISPLAY help.txt",
        "FONT nosuch",
        "NOESCAPE 1",
        "NOCOMPLETE 1",
        "PATH sub",
        "PATH sub:/x",
    ),
    *("BOOT k2", "FDIMAGE nosuch", "COMBOOT nosuch", "BSS nosuch", "PXE nosuch", "LINUX linux.c32 k1 x=2"),
    *("KERNEL linux.c32", "KERNEL cmd.c32", "KERNEL menu.c32", "SERIAL 0", "CONSOLE 0"),
    *(
        "NOHALT 1",
        "EXTRA x",
        "APPEND",
        "INITRD",
        "KERNEL",
        "LABEL",
        "DEFAULT",
        "ONTIMEOUT",
        "TIMEOUT 2",
        "SAY",
    ),
    *(
        "SYSAPPEND",
        "IPAPPEND 3x",
        "LOCALBOOT",
        "LOCALBOOT x",
        "TEXT",
        "ENDTEXT",
        "INCLUDE",
        "CONFIG",
        "COM32",
    ),
    *(
        "AUTOBOOT 1",
        "KBDMAP nosuch",
        "F0",
        "TIMEOUT x",
        "PROMPT",
        "PROMPT 2",
        "TOTALTIMEOUT",
        "IMPLICIT",
        "DEFAULT b",
    ),
)
_RAMDISKS = ("i1", "i2", "i1,i2", "sub/i1", "nosuch", "i1, i2")


class Pxelinux:
    """PXELINUX 6.04 of Debian's packages pxelinux and syslinux-common."""

    boot_file = "pxelinux.0"
    http = False

    def program(self) -> Mapping[str, bytes]:
        """Return pxelinux.0 and its modules."""
        found = {}
        for name in (*_FILES, *_MORE):
            paths = [place / name for place in _PLACES if (place / name).exists()]
            if not paths:
                tools.missing(f"{name} of pxelinux and syslinux-common")
            found[name] = paths[0].read_bytes()
        return found

    def make(self, random: Random) -> Texts:
        """Make a configuration, which ends by a timeout if nothing else ends it, and what it includes."""
        menu = random.random() < 0.6
        lines = ["TIMEOUT 1"] if random.random() < 0.95 else []
        if menu:
            lines.append(
                random.choice(("UI menu.c32", "DEFAULT menu.c32", "ui menu.c32 other.cfg", "UI menu.c32 ~"))
            )
        if not menu or random.random() < 0.4:
            lines.append(f"DEFAULT {random.choice((*_LABELS, 'k1', 'nosuch', 'a extra=1', 'menu'))}")
        lines += self._lines(random, random.randint(4, 18), menu)
        if random.random() < 0.2:
            random.shuffle(lines)
        texts = {"pxelinux.cfg/default": self._text(random, lines)}
        for name in ("inc.cfg", "other.cfg"):
            if any(name in line for line in lines) and random.random() < 0.9:
                texts[name] = self._text(random, self._lines(random, random.randint(2, 9), menu, nested=True))
        return texts

    def _lines(self, random: Random, count: int, menu: bool, *, nested: bool = False) -> list[str]:
        lines: list[str] = []
        for _ in range(count):
            kind = random.random()
            if kind < 0.5:
                lines.append(f"LABEL {random.choice(_LABELS)}")
                lines += [self._label_line(random, menu, nested) for _ in range(random.randint(0, 3))]
            elif kind < 0.7 or not menu:
                lines.append(self._global_line(random, nested))
            else:
                lines.append(self._menu_line(random))
        return lines

    def _label_line(self, random: Random, menu: bool, nested: bool) -> str:
        choices = [
            *[f"{random.choice(('KERNEL', 'LINUX', 'kernel'))} {random.choice(_KERNELS)}"] * 6,
            *[f"APPEND {random.choice(_WORDS)}"] * 3,
            f"INITRD {random.choice(_RAMDISKS)}",
            f"{random.choice(('IPAPPEND', 'SYSAPPEND'))} {random.choice(_MASKS)}",
            f"LOCALBOOT {random.choice(('0', '-1', '0x80'))}",
            f"COM32 {random.choice(_MODULES)}",
            "TEXT HELP\nKERNEL k3\nsome help\nENDTEXT",
            random.choice(_LESS),
        ]
        if not nested:
            choices.append(f"{random.choice(('CONFIG', 'COM32 config.c32'))} other.cfg")
        if menu:
            choices += [f"MENU {word}" for word in _LABEL_MENU]
        return random.choice(choices)

    def _global_line(self, random: Random, nested: bool) -> str:
        choices = [
            f"APPEND {random.choice(_WORDS)}",
            f"ONTIMEOUT {random.choice((*_LABELS, 'k2', 'b x=1', 'nosuch'))}",
            f"ONERROR {random.choice(_LABELS)}",
            f"PROMPT {random.choice('01')}",
            f"IMPLICIT {random.choice('01')}",
            f"ALLOWOPTIONS {random.choice('01')}",
            f"SYSAPPEND {random.choice(('0', '2', '3'))}",
            f"DEFAULT {random.choice(_LABELS)}",
            "SAY hello",
            "# a comment",
            "NOSUCHWORD x",
            "KERNEL k3",
            f"TOTALTIMEOUT {random.choice(('5', '50'))}",
            random.choice(_LESS),
        ]
        if not nested:
            choices += ["INCLUDE inc.cfg", "MENU INCLUDE inc.cfg", "INCLUDE inc.cfg Tools"]
        return random.choice(choices)

    def _menu_line(self, random: Random) -> str:
        return f"MENU {random.choice((*_LABEL_MENU, *_GLOBAL_MENU))}"

    def _text(self, random: Random, lines: list[str]) -> str:
        out = []
        for line in lines:
            if random.random() < 0.1:
                line = random.choice((" ", "\t", "\udca0", "  \t")) + line
            if random.random() < 0.05:
                line = line.swapcase()
            if random.random() < 0.05:
                line = line.replace(" ", random.choice(("\t", "   ", " \t ")), 1)
            if random.random() < 0.05:
                line += random.choice((" ", "\r", "\t"))
            out.append(line)
        return "\n".join(out) + ("\n" if random.random() < 0.95 else "")

    def ours(self, raw: dict[str, Any], files: Mapping[str, bytes]) -> Outcome:
        """Boot a case with somebody at the terminal, who presses nothing."""
        case = replace(boots.case_of(raw, "pxelinux"), files=dict(files))
        lease = lease_of(case)
        replay = Replay(
            lambda location: case.served(location.scheme, location.host, location.path), terminal=TERMINAL
        )
        guest = Guest(mac=case.mac, uuid=case.uuid, smbios=case.smbios)
        try:
            got = replay.drive(boot.boot(BootRequest(boot_info.boot_source(lease), guest, lease)))
        except PxeBootError:
            return Outcome()
        if got.entry.action is not Action.BOOT or got.entry.kernel is None:
            return Outcome(local=got.entry.action is Action.LOCALBOOT)
        if got.reason is Reason.WAITS_FOREVER:
            return Outcome()
        tag = boots.tag_of(replay.loaded[got.entry.kernel])
        return booted(tag, got.entry.cmdline, replay.initrd(got.entry))

    def explain(self, texts: Texts, real: Outcome, ours: Outcome) -> str:
        """Name the difference on purpose that a configuration shows."""
        return ""


_LABEL_MENU = (
    "LABEL ^One",
    "LABEL Two",
    "DEFAULT",
    "DEFAULT",
    "HIDE",
    "DISABLE",
    "INDENT 2",
    "QUIT",
    "GOTO a b",
    "GOTO .top",
    "EXIT",
    "PASSWD secret",
    "PASSWD",
    "LABEL",
    "SAVE",
    "NOSAVE",
    "GOTO",
    "GOTO nosuch",
    "INDENT x",
    "LABEL ^^x",
    "DEFAULT x",
)
_GLOBAL_MENU = (
    "SEPARATOR",
    "SEPARATOR",
    "BEGIN Tools",
    "BEGIN a b",
    "BEGIN",
    "END",
    "END",
    "START",
    "TITLE Title",
    "HIDDEN",
    "ONERROR b",
    "SHIFTKEY",
    "IMMEDIATE",
    "AUTOBOOT x",
    "HIDE",
    "MASTER PASSWD x",
    "CLEAR",
    "COLOR border 0",
    "ROWS 3",
    "WIDTH 40",
    "BACKGROUND x.png",
    "MSGCOLOR x",
    "NOTABMSG",
    "TABMSG x",
    "RESOLUTION 800 600",
    "HELPMSGROW 20",
    "INCLUDE inc.cfg Sub",
    "END x",
    "TIMEOUTROW 1",
)
