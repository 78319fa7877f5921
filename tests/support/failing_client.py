"""``pypxeboot`` whose client process meets an exception that nobody foresaw.

    python -m tests.support.failing_client PLACE EXCEPTION [ARGUMENT OF PYPXEBOOT ...]

The function that PLACE names raises EXCEPTION; nothing else is changed.
"""

from __future__ import annotations

import importlib
import struct
import sys
import zlib
from typing import Any, NoReturn

PLACES = {
    "lease": "pypxeboot.dhcp.message lease_of",
    "lock": "pypxeboot.client.main _lock_up",
    "end": "pypxeboot.client.pipeline Pipeline.result",
    "kernel": "pypxeboot.kernel.identify identify",
    "file": "pypxeboot.fetch.tftp.client get",
    "config": "pypxeboot.syslinux.config.parser SyslinuxParser.config",
}
EXCEPTIONS: dict[str, BaseException] = {
    "MemoryError": MemoryError(),
    "RecursionError": RecursionError("maximum recursion depth exceeded"),
    "UnicodeEncodeError": UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"),
    "OverflowError": OverflowError("int too large to convert"),
    "struct.error": struct.error("unpack requires a buffer of 4 bytes"),
    "zlib.error": zlib.error("Error -3"),
    "OSError": OSError(5, "Input/output \x1b[31m\udcfferror"),
    "AssertionError": AssertionError(),
}


def main() -> None:
    """Run pypxeboot so."""
    module, _, name = PLACES[sys.argv.pop(1)].partition(" ")
    why = EXCEPTIONS[sys.argv.pop(1)]
    holder, _, function = name.rpartition(".")
    target: Any = importlib.import_module(module)

    def fail(*_: object, **__: object) -> NoReturn:
        raise why

    setattr(getattr(target, holder) if holder else target, function, fail)
    from pypxeboot.__main__ import run

    run()


if __name__ == "__main__":
    main()
