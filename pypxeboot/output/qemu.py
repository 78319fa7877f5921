"""An argv that boots the result in QEMU, as one line of shell words.

Source: qemu(1), "Linux/Multiboot boot specific"; ``-kernel``, ``-initrd`` and ``-append`` take their values
as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from pypxeboot.errors import HandoverError, NoBootSource
from pypxeboot.guest import Guest
from pypxeboot.output.direct import MEMORY, boot_of, shell_line
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult, ModuleFile

# The QEMU binary and a machine with direct kernel boot, by architecture. The machine "virt" of arm64 has a
# processor of 32 bits unless told otherwise, and an interrupt controller that not every host can virtualise.
# Only the PC has a firmware of its own.
_MACHINES = {
    "x86_64": ("qemu-system-x86_64", "q35", ()),
    "i386": ("qemu-system-i386", "q35", ()),
    "arm64": ("qemu-system-aarch64", "virt,gic-version=max", ("-cpu", "max")),
    "riscv64": ("qemu-system-riscv64", "virt", ()),
}
_MICROVM = ("qemu-system-x86_64", "microvm", ())


def argv(result: BootResult, guest: Guest, disk: Optional[str] = None, *, microvm: bool = False) -> list[str]:
    """Return the words of the command. Raises HandoverError for an architecture without a machine here.

    ``microvm``: for the machine of that name, which has no PCI and no firmware that knows disks.
    """
    machines = {"x86_64": _MICROVM} if microvm else _MACHINES
    if guest.processor not in machines:
        raise HandoverError(
            f"no QEMU machine is known here for {guest.arch}", hint="use --json and your own command"
        )
    program, machine, processor = machines[guest.processor]
    memory = str(guest.memory or MEMORY)
    words = [program, "-machine", f"{machine},accel=kvm:tcg", *processor, "-m", memory, "-nographic"]
    if guest.uuid is not None:
        words += ["-uuid", guest.uuid]
    backend = f"bridge,id=net0,br={guest.bridge}" if guest.bridge else "user,id=net0"
    device = "virtio-net-device" if microvm else "virtio-net-pci"
    words += ["-netdev", backend, "-device", f"{device},netdev=net0,mac={guest.mac}"]
    if not microvm:
        words[-1] += ",romfile="
    words += [] if disk is None else _disk(disk, microvm)
    boot = boot_of(result, "QEMU", modules=True)
    if boot is None:
        if machine != "q35":
            raise NoBootSource(
                f"the entry says local disk, and QEMU's machine {machine.partition(',')[0]} has no firmware "
                "of its own to boot one",
                hint="--output-format shell or json tells it to scripts",
            )
        return words
    words += ["-kernel", boot.kernel]
    if result.modules:
        words += ["-initrd", _joined(result.modules, named=result.loader != "grub")]
    elif boot.ramdisk is not None:
        words += ["-initrd", boot.ramdisk]
    words += [] if boot.dtb is None else ["-dtb", boot.dtb]
    return words + (["-append", boot.cmdline] if boot.cmdline else [])


def _disk(path: str, microvm: bool) -> list[str]:
    drive = f"file={path.replace(',', ',,')},if="
    if not microvm:
        return ["-drive", f"{drive}virtio"]
    return ["-drive", f"{drive}none,id=disk0", "-device", "virtio-blk-device,drive=disk0"]


def _joined(modules: Sequence[ModuleFile], *, named: bool) -> str:
    """Return modules as the multiboot loader takes them, ``file1 arg=foo,file2``, a comma inside doubled.

    It puts the file's name in front of each command line, as loaders do whose own begin with one (``named``).
    """
    words = (
        f"{module.path} {module.cmdline.partition(' ')[2] if named else module.cmdline}".strip()
        for module in modules
    )
    return ",".join(word.replace(",", ",,") for word in words)


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the command as a line that a shell runs as it stands. Raises HandoverError and NoBootSource."""
    microvm = request.form == "qemu-microvm"
    return shell_line(argv(result, request.guest, request.disk, microvm=microvm))
