"""An argv that boots the result in QEMU, as one line of shell words.

Source: qemu(1), "Linux/Multiboot boot specific"; ``-kernel``, ``-initrd`` and ``-append`` take their values
as they are.
"""

from __future__ import annotations

import shlex
from typing import Optional

from pypxeboot.artifacts import Artifacts
from pypxeboot.errors import HandoverError
from pypxeboot.guest import Guest
from pypxeboot.menu import Action
from pypxeboot.text import encode

# The QEMU binary and a machine with direct kernel boot, by architecture.
_MACHINES = {
    "x86_64": ("qemu-system-x86_64", "q35"),
    "i386": ("qemu-system-i386", "q35"),
    "arm64": ("qemu-system-aarch64", "virt"),
    "riscv64": ("qemu-system-riscv64", "virt"),
}


def argv(artifacts: Artifacts, guest: Guest, disk: Optional[str]) -> list[str]:
    """The words of the command. Raises HandoverError for an architecture without a machine here."""
    if guest.arch not in _MACHINES:
        raise HandoverError(
            f"no QEMU machine is known here for {guest.arch}", hint="use --json and your own command"
        )
    program, machine = _MACHINES[guest.arch]
    words = [program, "-machine", f"{machine},accel=kvm:tcg", "-m", "1024", "-nographic"]
    if guest.uuid is not None:
        words += ["-uuid", guest.uuid]
    backend = f"bridge,id=net0,br={guest.bridge}" if guest.bridge else "user,id=net0"
    words += ["-netdev", backend, "-device", f"virtio-net-pci,netdev=net0,mac={guest.mac},romfile="]
    if disk is not None:
        words += ["-drive", f"file={disk.replace(',', ',,')},if=virtio"]
    if artifacts.action is Action.BOOT:
        words += _boot(artifacts)
    return words


def _boot(artifacts: Artifacts) -> list[str]:
    kernel, ramdisk = artifacts.kernel, artifacts.ramdisk
    if kernel is None or kernel.path is None:
        raise HandoverError("nothing was downloaded, so QEMU has nothing to boot", hint="leave -n out")
    words = ["-kernel", kernel.path]
    if artifacts.modules:
        # QEMU's multiboot loader: "-initrd 'file1 arg=foo,file2'", a comma inside doubled.
        modules = (f"{item.path} {item.cmdline.partition(' ')[2]}".strip() for item in artifacts.modules)
        words += ["-initrd", ",".join(module.replace(",", ",,") for module in modules)]
    elif ramdisk is not None and ramdisk.path is not None:
        words += ["-initrd", ramdisk.path]
    if artifacts.dtb is not None and artifacts.dtb.path is not None:
        words += ["-dtb", artifacts.dtb.path]
    if artifacts.cmdline:
        words += ["-append", artifacts.cmdline]
    return words


def render(artifacts: Artifacts, guest: Guest, disk: Optional[str]) -> bytes:
    """The command as a line that a shell runs as it stands."""
    words = argv(artifacts, guest, disk)
    if any("\0" in word for word in words):
        raise HandoverError("a command line holds a NUL byte, which no argument can")
    return encode(shlex.join(words) + "\n")
