"""What the hypervisor can run, as it tells the host: which kinds of PV guests.

Source: /sys/hypervisor/properties/capabilities (Linux, drivers/xen/sys-hypervisor.c), which is xen_caps of
``xl info``: ``xen-3.0-x86_64 xen-3.0-x86_32p hvm-3.0-x86_64``.
"""

from __future__ import annotations

from pathlib import Path

_CAPABILITIES = Path("/sys/hypervisor/properties/capabilities")


def runs_pv32() -> bool:
    """Whether PV guests of 32 bits can run; also where nobody tells.

    A Xen built without CONFIG_PV32, or started with pv=no-32, has none: libelf refuses them then.
    """
    try:
        told = _CAPABILITIES.read_text("ascii", "replace").split()
    except OSError:
        return True
    return not told or "xen-3.0-x86_32p" in told
