"""Every COM32 module that is known, by the name of its file without ``.c32``.

A new one is a subclass of :class:`~pypxeboot.syslinux.com32.module.Com32Module` in a file of its own, and a
row here.
"""

from __future__ import annotations

from collections.abc import Mapping

from pypxeboot.syslinux.com32 import config, linux, lua, mboot, menu, power, pxechn, run_command
from pypxeboot.syslinux.com32.module import Com32Module, Invocation, NothingBooted


class InformationC32(NothingBooted):
    """Modules that show something and return to the prompt."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Say that it boots nothing."""
        return invocation.nothing("shows information and boots nothing")


class FirmwareC32(NothingBooted):
    """Modules that call the BIOS."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Say that it boots nothing."""
        return invocation.nothing("works through a BIOS, and a guest without firmware has none")


_INFORMATION = (
    *"cat cpuid cpuidtest cptime debug dir disk display dmi_chain dmitest elf ethersel hdt".split(),
    *"hello hexdump host kbdmap kontron_wdt ls meminfo pcitest pmload prdhcp pwd rosh sysdump".split(),
    *"vesainfo vpdtest zzjson".split(),
)

MODULES: Mapping[str, type[Com32Module]] = {
    "menu": menu.MenuC32,
    "vesamenu": menu.MenuC32,
    "gfxboot": menu.GfxbootC32,
    "config": config.ConfigC32,
    "linux": linux.LinuxC32,
    "mboot": mboot.MbootC32,
    "cmd": run_command.CmdC32,
    "ifcpu": run_command.IfcpuC32,
    "ifcpu64": run_command.Ifcpu64C32,
    "ifplop": run_command.IfplopC32,
    "ifmemdsk": run_command.IfmemdskC32,
    "whichsys": run_command.WhichsysC32,
    "pxechn": pxechn.PxechnC32,
    "pxechain": pxechn.PxechnC32,
    "chain": power.ChainC32,
    "reboot": power.RebootC32,
    "poweroff": power.PoweroffC32,
    "lua": lua.LuaC32,
    "sanboot": FirmwareC32,
    "sdi": FirmwareC32,
    "gpxecmd": FirmwareC32,
    **dict.fromkeys(_INFORMATION, InformationC32),
}


def parse(name: str, arguments: str, arch: str) -> Com32Module:
    """Read ``name.c32 arguments`` for a guest of ``arch``."""
    return MODULES.get(name, NothingBooted).parse(Invocation(name, arguments, arch))
