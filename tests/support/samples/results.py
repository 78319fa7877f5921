"""Results of boots, to be rendered."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Optional

from pypxeboot.entry import Action, Reason
from pypxeboot.guest import Guest
from pypxeboot.output import qemu
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import (
    BootResult,
    InitrdFile,
    KernelFile,
    LeaseReport,
    ListedEntry,
    ModuleFile,
    Ramdisk,
    Request,
    Seconds,
)
from pypxeboot.text import decode

GUEST = Guest("52:54:00:ab:cd:ef", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b", bridge="br0")
KERNEL = KernelFile("tftp://10.77.0.1/k", "/run/d/kernel.1", 7, "0" * 64, "bzImage", ("qemu",))
BOOT = BootResult(
    action=Action.BOOT,
    lease=LeaseReport(
        "10.77.0.5", "255.255.255.0", "10.77.0.1", (), "", "10.77.0.1", "10.77.0.1", "p.0", 3600
    ),
    loader="pxelinux",
    config="tftp://10.77.0.1/pxelinux.cfg/default",
    label="a",
    reason=Reason.DEFAULT,
    kernel=KERNEL,
    initrds=(
        InitrdFile("tftp://10.77.0.1/i1", 11, "1" * 64),
        InitrdFile("tftp://10.77.0.1/i2", 14, "2" * 64),
    ),
    ramdisk=Ramdisk("/run/d/ramdisk.2", 26, "3" * 64),
    modules=(),
    dtb=None,
    cmdline="BOOT_IMAGE=k x=1",
    requests=(Request("tftp://10.77.0.1/k", "ok", 7, 0.25),),
    seconds=Seconds(1.0, 0.1, 0.2, 0.3, 0.4),
    warnings=(),
    failure=None,
)
PLANNED = replace(
    BOOT,
    kernel=KernelFile("tftp://10.77.0.1/k"),
    ramdisk=Ramdisk(),
    initrds=(InitrdFile("tftp://10.77.0.1/i1"), InitrdFile("tftp://10.77.0.1/i2")),
)
MULTIBOOT = replace(
    BOOT,
    ramdisk=None,
    initrds=(),
    modules=(ModuleFile("u1", "/d/m,1", 3, "vmlinuz console=hvc0,1"), ModuleFile("u2", "/d/m2", 3, "initrd")),
)


def saying(cmdline: bytes) -> BootResult:
    return replace(BOOT, cmdline=decode(cmdline))


def words(result: BootResult, guest: Guest = GUEST, disk: Optional[str] = None) -> list[str]:
    return shlex.split(qemu.render(result, OutputRequest(guest, disk=disk)).decode())


def after(argv: list[str], option: str) -> str:
    return argv[argv.index(option) + 1]


def listed(
    label: str, title: str = "", *, default: bool = False, kernel: Optional[str] = "tftp://s/k"
) -> ListedEntry:
    """An entry of a list, which boots a kernel, or the local disk."""
    action = Action.LOCALBOOT if kernel is None else Action.BOOT
    return ListedEntry(label, title, action, kernel, ("tftp://s/i",) if kernel else (), "a=b", default)
