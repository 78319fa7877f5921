"""The result as variables of a shell, for scripts that start a guest in a way of their own."""

from __future__ import annotations

import shlex

from pypxeboot.errors import HandoverError
from pypxeboot.guest import Guest
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult
from pypxeboot.text import encode


def variables(result: BootResult, guest: Guest) -> dict[str, str]:
    """Return every variable; empty where there is nothing to say: none of an earlier boot must stand."""
    kernel, ramdisk, dtb, lease = result.kernel, result.ramdisk, result.dtb, result.lease
    return {
        "PXE_ACTION": result.action.value,
        "PXE_KERNEL": kernel.path or "" if kernel is not None else "",
        "PXE_INITRD": ramdisk.path or "" if ramdisk is not None else "",
        "PXE_DTB": dtb.path or "" if dtb is not None else "",
        "PXE_CMDLINE": result.cmdline,
        "PXE_LABEL": result.label or "",
        "PXE_CONFIG": result.config or "",
        "PXE_KERNEL_URL": "" if kernel is None else kernel.url,
        "PXE_MAC": guest.mac,
        "PXE_UUID": guest.uuid or "",
        "PXE_ARCH": guest.arch,
        "PXE_ADDRESS": "" if lease is None else lease.address,
        "PXE_NETMASK": "" if lease is None else lease.netmask,
        "PXE_GATEWAY": "" if lease is None else lease.gateway,
    }


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return a line ``NAME='value'`` for each variable. Raises HandoverError."""
    if result.modules:
        raise HandoverError("a multiboot entry has modules, which only --json and qemu can tell")
    lines = []
    for name, value in variables(result, request.guest).items():
        if "\0" in value:
            raise HandoverError(f"{name} holds a NUL byte, which no variable can")
        lines.append(f"{name}={shlex.quote(value)}\n")
    return encode("".join(lines))
