"""What xenstore knows of a domain that is being created, by ``xenstore-read``.

Source: libxl_create.c, store_libxl_entry() and libxl__domain_make(): the type, the name and ``/vm/<uuid>``
are there when the bootloader runs; devices are not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import Optional

from pypxeboot.dataclass import dataclass

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SECONDS = 5.0  # xenstored answers at once, or not at all


@dataclass(frozen=True)
class XenDomain:
    """``type`` is pv or pvh, ``uuid`` as text; None is not known."""

    type: Optional[str]
    uuid: Optional[str]
    name: Optional[str] = None


def domain(number: int) -> XenDomain:
    """Return the domain of this number; nothing is known of it where there is no xenstore."""
    program = shutil.which("xenstore-read")
    if program is None:
        return XenDomain(None, None)
    deadline = time.monotonic() + _SECONDS
    kind = _read(program, f"/libxl/{number}/type", deadline)
    path = _read(program, f"/local/domain/{number}/vm", deadline) or ""
    uuid = path.rpartition("/")[2]
    name = _read(program, f"/local/domain/{number}/name", deadline)
    return XenDomain(
        kind if kind in ("pv", "pvh") else None, uuid if _UUID.fullmatch(uuid) else None, name or None
    )


def name_of(number: int) -> Optional[str]:
    """Return the name of the domain of this number; None where it is not known."""
    program = shutil.which("xenstore-read")
    if program is None:
        return None
    return _read(program, f"/local/domain/{number}/name", time.monotonic() + _SECONDS) or None


def uuids() -> frozenset[str]:
    """Return the UUIDs of the domains that there are; none where xenstore does not tell."""
    program = shutil.which("xenstore-list")
    if program is None:
        return frozenset()
    try:
        done = subprocess.run([program, "/vm"], capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(done.stdout.decode("utf-8", "replace").lower().split())


def _read(program: str, path: str, deadline: float) -> Optional[str]:
    try:
        done = subprocess.run(
            [program, path], capture_output=True, timeout=max(deadline - time.monotonic(), 0), check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
