"""Which files the domains that there are will open again: libxl boots them from these when they reboot.

Source: libxl keeps the configuration of each domain as JSON in its directory of user data (libxl_dom.c,
userdata_path): ``userdata-d.DOMID.UUID.libxl-json``. The paths are in it as they were given to xl.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# Where libxl keeps it: since 4.17.3 and 4.18, and before.
_PLACES = (Path("/var/lib/xen"), Path("/var/run/xen"))


def unused(paths: Iterable[Path]) -> list[Path]:
    """Return those of ``paths`` that no domain names."""
    known = ""
    for place in _PLACES:
        for path in place.glob("userdata-d.*.libxl-json"):
            with suppress(OSError):  # a domain that has just gone
                known += path.read_text("utf-8", "replace").replace("\\/", "/")
    return [path for path in paths if json.dumps(str(path)) not in known]
