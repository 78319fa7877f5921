"""What all forms of direct kernel boot are made of."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.guest import Guest
from pypxeboot.result import BootResult
from pypxeboot.text import encode

MEMORY = 1024
"""MiB that a guest gets, to be changed at will: installers unpack initrds of hundreds of MiB."""


@dataclass(frozen=True)
class DirectBoot:
    """What a direct kernel boot needs: the paths of its files, and the command line."""

    kernel: str
    ramdisk: Optional[str]
    dtb: Optional[str]
    cmdline: str


def boot_of(result: BootResult, program: str, *, modules: bool = False) -> Optional[DirectBoot]:
    """Return what is to be handed to ``program``; None where the guest boots from its disk.

    Raises HandoverError where there are no files, and for multiboot modules unless ``modules`` allows them.
    """
    if result.action is not Action.BOOT:
        return None
    kernel, ramdisk, dtb = result.kernel, result.ramdisk, result.dtb
    if kernel is None or kernel.path is None:
        raise HandoverError(f"nothing was downloaded, so {program} has nothing to boot", hint="leave -n out")
    if result.modules and not modules:
        raise HandoverError(f"a multiboot entry (mboot.c32) cannot be handed to {program}")
    return DirectBoot(
        kernel.path,
        None if ramdisk is None else ramdisk.path,
        None if dtb is None else dtb.path,
        result.cmdline,
    )


def kernel_only(result: BootResult, program: str) -> DirectBoot:
    """Return the boot for a ``program`` without disks. Raises NoBootSource for the disk, HandoverError."""
    boot = boot_of(result, program)
    if boot is None:
        raise NoBootSource(
            f"the entry says local disk, and {program} boots none without a kernel",
            hint="--output-format shell or json tells it to scripts",
        )
    # The linux-loader of rust-vmm takes nothing else in a command line (cmdline/mod.rs, valid_str()).
    if any(not " " <= char <= "~" for char in boot.cmdline):
        raise HandoverError(f"the command line holds what {program} does not take: more than printable ASCII")
    return boot


def tap_of(guest: Guest) -> str:
    """Return the name that the guest's tap device should have: ``tap-abcdef``, of the end of its MAC."""
    return "tap-" + guest.mac.replace(":", "")[-6:]


def shell_line(words: Sequence[str]) -> bytes:
    """Return the words as a line that a shell runs as it stands."""
    if any("\0" in word for word in words):
        raise HandoverError("a command line holds a NUL byte, which no argument can")
    return encode(shlex.join(words) + "\n")
