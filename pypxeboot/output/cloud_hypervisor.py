"""An argv that boots the result in Cloud Hypervisor, as one line of shell words.

Source: Cloud Hypervisor's src/main.rs and vmm/src/config.rs; ``--kernel``, ``--initramfs`` and ``--cmdline``
take their values as they are, the others are lists of ``key=value`` (option_parser/src/lib.rs).
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.errors import HandoverError
from pypxeboot.guest import Guest
from pypxeboot.output.direct import MEMORY, kernel_only, shell_line, tap_of
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult


def argv(result: BootResult, guest: Guest, disk: Optional[str] = None) -> list[str]:
    """Return the words of the command. Raises NoBootSource for the local disk, HandoverError."""
    boot = kernel_only(result, "Cloud Hypervisor")
    words = ["cloud-hypervisor", "--kernel", boot.kernel]
    words += [] if boot.ramdisk is None else ["--initramfs", boot.ramdisk]
    words += ["--cmdline", boot.cmdline] if boot.cmdline else []
    words += ["--cpus", "boot=1", "--memory", f"size={guest.memory or MEMORY}M"]
    words += [] if guest.uuid is None else ["--platform", f"uuid={guest.uuid}"]
    words += ["--net", f"tap={tap_of(guest)},mac={guest.mac}"]
    words += [] if disk is None else ["--disk", f"path={_quoted(disk)}"]
    return [*words, "--serial", "tty", "--console", "off"]


def _quoted(value: str) -> str:
    if any(char in value for char in '"[]') or value != value.strip():
        raise HandoverError(f"Cloud Hypervisor cannot be told of the disk {value!r}: rename it")
    return f'"{value}"' if "," in value else value


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the command as a line that a shell runs as it stands. Raises NoBootSource and HandoverError."""
    return shell_line(argv(result, request.guest, request.disk))
