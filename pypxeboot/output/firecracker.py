"""The file that ``firecracker --config-file`` reads.

Source: Firecracker's src/firecracker/swagger/firecracker.yaml, and VmmConfig in src/vmm/src/resources.rs:
``boot-source`` and ``drives`` must be there.
"""

from __future__ import annotations

import json
from typing import Any

from pypxeboot.errors import HandoverError
from pypxeboot.output.direct import MEMORY, kernel_only, tap_of
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult

# CMDLINE_MAX_SIZE of src/vmm/src/arch/*/layout.rs is 2048 with its NUL; Firecracker adds words of its own.
MAX_CMDLINE = 2047


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the configuration. Raises NoBootSource for the local disk, HandoverError."""
    guest, disk = request.guest, request.disk
    boot = kernel_only(result, "Firecracker")
    if len(boot.cmdline) > MAX_CMDLINE:
        raise HandoverError(
            f"the command line has {len(boot.cmdline)} bytes, and Firecracker takes {MAX_CMDLINE}",
            hint="shorten APPEND",
        )
    # Without boot_args Firecracker would take its own.
    source = {"kernel_image_path": boot.kernel, "boot_args": boot.cmdline}
    if boot.ramdisk is not None:
        source["initrd_path"] = boot.ramdisk
    # As root device it would come to the command line as root=/dev/vda.
    drive = {"drive_id": "disk0", "path_on_host": disk, "is_root_device": False, "is_read_only": False}
    interface = {"iface_id": "net0", "guest_mac": guest.mac, "host_dev_name": tap_of(guest)}
    configuration: dict[str, Any] = {
        "boot-source": source,
        "machine-config": {"vcpu_count": 1, "mem_size_mib": guest.memory or MEMORY},
        "drives": [] if disk is None else [drive],
        "network-interfaces": [interface],
    }
    text = json.dumps(configuration, indent=1, ensure_ascii=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        raise HandoverError("the path of a file is no UTF-8, and JSON has nothing else") from None
