"""What the loader does with a configuration, beyond the recorded boots."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.bootsource import BootRequest
from pypxeboot.dhcp import boot_info
from pypxeboot.errors import Refused
from pypxeboot.syslinux.com32 import table
from pypxeboot.syslinux.com32.config import ConfigC32
from pypxeboot.syslinux.com32.linux import LinuxC32
from pypxeboot.syslinux.com32.mboot import MbootC32
from pypxeboot.syslinux.com32.menu import GfxbootC32, MenuC32
from pypxeboot.syslinux.com32.module import (
    Com32Module,
    CommandModule,
    Invocation,
    KernelModule,
    NothingBooted,
)
from pypxeboot.syslinux.com32.power import ChainC32, PoweroffC32, RebootC32
from pypxeboot.syslinux.com32.pxechn import PxechnC32
from pypxeboot.syslinux.com32.unresolved import RamdiskFile, UnresolvedEntry
from pypxeboot.syslinux.loader import boot as ldlinux
from tests.support.recorded.replay import GUEST, LEASE, boot, serving

INITRDS = "a initrd=x initrd=y,z initrd+=w"


@pytest.mark.parametrize(
    "module, words, meaning",
    [
        ("menu", "a ~", MenuC32(("a", "~"))),
        ("gfxboot", "bootlogo", GfxbootC32(())),
        ("config", "a b/", ConfigC32("a", "b/")),
        ("config", "a", ConfigC32("a", "")),
        (
            "linux",
            "k initrdfile=a/b,c@/etc/c dtb=t quiet initrdfile=d@",
            LinuxC32(
                UnresolvedEntry(
                    "k",
                    "BOOT_IMAGE=k initrdfile=a/b,c@/etc/c dtb=t quiet initrdfile=d@",
                    (),
                    packed=(RamdiskFile("a/b", "b"), RamdiskFile("c", "/etc/c"), RamdiskFile("d", "")),
                    dtb="t",
                )
            ),
        ),
        (
            "linux",
            f"-dhcpinfo k {INITRDS}",
            LinuxC32(UnresolvedEntry("k", f"BOOT_IMAGE=k {INITRDS}", ("y", "z", "w"))),
        ),
        (
            "mboot",
            "-solaris x a --- k b --- i",
            MbootC32(UnresolvedEntry("x a", "x a", modules=("k b", "i"))),
        ),
        ("pxechn", "-c x -w f -pp/", PxechnC32("f", "x", "p/")),
        ("pxechn", "f -o 209.s=x -t 5 -o 210.s=p/ -o 15.s=d.example -S -W", PxechnC32("f", "x", "p/")),
        ("pxechn", "-r 10.77.0.3::f", PxechnC32("10.77.0.3::f", None, None)),
        ("chain", "hd0 1", ChainC32()),
        ("reboot", "-w", RebootC32()),
        ("poweroff", "", PoweroffC32()),
    ],
)
def test_com32_modules(module: str, words: str, meaning: Com32Module) -> None:
    found = table.parse(module, words, "x86_64")
    assert (type(found), vars(found)) == (type(meaning), vars(meaning))


@pytest.mark.parametrize(
    "module, words, command",
    [
        ("cmd", "a  b", "a  b"),
        ("cmd", "", ""),
        ("ifcpu64", "a x -- b -- c", "a x"),
        ("ifcpu64", "", None),
        ("ifcpu", "64 pae -- a -- b", "a"),
        ("ifcpu", "multicore smp -- a -- b -- c", "b -- c"),
        ("ifcpu", "-- a multicore -- b", "b"),
        ("ifcpu", "multicore -- a", "a"),
        ("ifcpu", "smp hvm 64 -- a -- b", "a"),
        ("ifcpu", "64 -- -- b", None),
        ("ifplop", "-x -- b c -- d", "b c -- d"),
        ("ifmemdsk", "--info --mbfts a -- b", "b"),
        ("whichsys", "-pxe- a -iso- b -pxe- c", "c"),
        ("whichsys", "-iso- a -pxe- b x -sys- c", "b x"),
    ],
)
def test_com32_modules_that_run_a_command(module: str, words: str, command: Optional[str]) -> None:
    assert command_of(module, words) == command


def command_of(module: str, words: str, arch: str = "x86_64") -> Optional[str]:
    found = table.parse(module, words, arch)
    assert isinstance(found, CommandModule)
    return found.command


@pytest.mark.parametrize(
    "module, words",
    [("whichsys", "-iso- a"), ("ifcpu", "64"), ("config", ""), ("linux", "-x k"), ("linux", "-dhcpinfo")]
    + [
        ("ifplop", "a"),
        ("ifplop", "a --"),
        ("whichsys", "-pxe- -iso- b"),
        ("ifmemdsk", "a"),
        ("ifmemdsk", "a --"),
        ("ifmemdsk", "--x a -- b"),
    ]
    + [("ifcpu", "a -- dry-run -- b"), ("config", "a b c"), ("cat", "a")]
    + [("mboot", "a --- --- b"), ("mboot", ""), ("pxechn", "-c x"), ("ls", ""), ("sanboot", "")],
)
def test_com32_modules_that_boot_nothing(module: str, words: str) -> None:
    assert isinstance(table.parse(module, words, "x86_64"), NothingBooted)


def test_the_mboot_of_esxi_is_told_from_that_of_syslinux() -> None:
    """Its installer is booted by ``-c boot.cfg``: there is no file of that name to miss on the server."""
    config = "DEFAULT a\nLABEL a\nKERNEL esxi/mboot.c32\nAPPEND -c esxi/boot.cfg ks=http://10.77.0.1/ks.cfg\n"
    with pytest.raises(Refused, match=r"mboot\.c32 with -c is ESXi's, which needs a BIOS or UEFI"):
        boot(config)


class ToyC32(KernelModule):
    """toy.c32: ``kernel words``."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        kernel, *words = invocation.words
        return cls(UnresolvedEntry(kernel, " ".join(words)))


def test_a_new_com32_module_is_a_class_and_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.MODULES, "toy", ToyC32)  # type: ignore[arg-type]
    config = "DEFAULT a\nLABEL a\nCOM32 toy\nAPPEND k x=1\n"
    assert boot(config, append="y=2").entry.cmdline == "x=1 y=2"
    replay = serving({"pxelinux.cfg/default": config})
    _, menu = replay.drive(ldlinux.entries(BootRequest(boot_info.boot_source(LEASE), GUEST, LEASE)))
    assert [(entry.label, str(entry.kernel), entry.cmdline) for entry in menu.entries] == [
        ("a", "tftp://10.77.0.1/k", "x=1")
    ]


def test_ifcpu64_on_32_bits_takes_the_second_part() -> None:
    assert command_of("ifcpu64", "a -- b -- c", "i386") == "b"
    assert command_of("ifcpu64", "a -- b", "i386") == "b"
    assert command_of("ifcpu", "64 -- a -- b", "i386") == "b"
