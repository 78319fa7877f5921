"""Modules that run a command of their arguments: cmd, ifcpu, ifcpu64, ifplop, ifmemdsk, whichsys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.syslinux.com32.module import Com32Module, CommandModule, Invocation, split_at


def _command(words: Sequence[str]) -> Optional[str]:
    return " ".join(words) or None


class CmdC32(CommandModule):
    """cmd.c32: its arguments as they are; an empty command is none."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take the whole text."""
        return cls(invocation.arguments)


class Ifcpu64C32(CommandModule):
    """ifcpu64.c32: ``64-bit [-- with PAE] -- other``; a part that is not there is as the one before it."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Choose the part for the guest's processor."""
        parts = split_at(invocation.words, "--")
        wanted = 1 if invocation.arch == "i386" else 0
        return cls(_command(parts[min(wanted, len(parts) - 1)]))


class IfcpuC32(CommandModule):
    """ifcpu.c32: ``feature... -- if all are there -- else``; a feature counts up to the second ``--``.

    A virtual machine has PAE, a hypervisor, a table of its processors, which is all that "smp" looks for, and
    what CPU= says. How many cores is not known before it runs: taken as one.
    """

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Choose the command by the features that a virtual machine has."""
        words = invocation.words
        marks = [at for at, word in enumerate(words) if word == "--"][:2]
        features = set(words[: marks[1]] if len(marks) == 2 else words)
        if not marks or "dry-run" in features:
            return invocation.nothing("was given no command to run")
        there = {"pae", "hypervisor", "smp"} | (set() if invocation.arch == "i386" else {"64", "hvm"})
        matches = features & {"64", "hvm", "multicore", "smp", "pae", "hypervisor"} <= there
        if matches and len(marks) == 2:
            return cls(_command(words[marks[0] + 1 : marks[1]]))
        return cls(_command(words[marks[-1] + 1 :]))


class IfplopC32(CommandModule):
    """ifplop.c32: ``if detected -- if not``. Plop is never below a guest without firmware.

    An empty command is none, not the default.
    """

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take the command for "not detected"."""
        words = invocation.words
        command = words[words.index("--") + 1 :] if "--" in words else []
        return cls(_command(command)) if command else invocation.nothing("was given no command for this case")


class IfmemdskC32(IfplopC32):
    """ifmemdsk.c32: the same for MEMDISK, after some options; it does not run with others."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Check the options, and take the command for "not detected"."""
        words = invocation.words
        mark = words.index("--") if "--" in words else len(words)
        known = {"--info", "--safe-hooks", "--mbfts", "--no-sequential"}
        unknown = {word for word in words[:mark] if word.startswith("--")} - known
        if unknown:
            return invocation.nothing(f"does not know {min(unknown)}")
        return super().parse(invocation)


class WhichsysC32(CommandModule):
    """whichsys.c32: ``-pxe- command``, the last of them, up to the next such mark."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take the command for PXELINUX."""
        chosen: Optional[list[str]] = None
        ours = False
        for word in invocation.words:
            if word in ("-iso-", "-pxe-", "-sys-"):
                ours = word == "-pxe-"
                chosen = [] if ours else chosen
            elif ours and chosen is not None:
                chosen.append(word)
        return cls(_command(chosen)) if chosen else invocation.nothing("was given no -pxe- command")
