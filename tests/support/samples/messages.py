"""A message of every field that crosses between the processes."""

from __future__ import annotations

from pypxeboot.entry import Action, Reason
from pypxeboot.result import (
    BootResult,
    InitrdFile,
    KernelFile,
    LeaseReport,
    ModuleFile,
    Ramdisk,
    Request,
    Seconds,
)
from pypxeboot.text import decode

FULL = BootResult(
    action=Action.BOOT,
    lease=LeaseReport("10.77.0.5", "255.255.255.0", "10.77.0.1", ("10.77.0.1",), "a", "b", "c", "d", 3600),
    loader="pxelinux",
    config="tftp://10.77.0.1/pxelinux.cfg/default",
    label=decode(b"caf\xe9"),
    reason=Reason.WAITS_FOREVER,
    kernel=KernelFile("tftp://10.77.0.1/k", None, 7, "0" * 64, "bzImage", ("xen-pv", "qemu")),
    initrds=(InitrdFile("tftp://10.77.0.1/i", 3, "1" * 64), InitrdFile("i2")),
    ramdisk=Ramdisk(None, 3, "1" * 64),
    modules=(ModuleFile("m", None, 5, "m a=b"),),
    cmdline="BOOT_IMAGE=k a=ü\u202e\n\0" + decode(b"\xff"),
    requests=(Request("tftp://10.77.0.1/k", "ok", 7, 0.25), Request("x", "not-found", 0, 0.0)),
    dtb=None,
    seconds=Seconds(1.5, 0.1, 0.2, 0.3, 0.4),
    warnings=("careful",),
    failure=None,
)
