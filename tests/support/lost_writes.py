"""A lost client (``lost_client``) on a host without seccomp, whose writes are still under way when it ends.

python -m tests.support.lost_writes SCENARIO [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct

from pypxeboot.privsep import seccomp
from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_reach import call_or_raise
from tests.support.lost_scenarios import HARMLESS, scenario

_SETUP, _SUBMIT = {"x86_64": (206, 209)}.get(os.uname().machine, (0, 2))
_PWRITE = 1  # IOCB_CMD_PWRITE
COUNT, SIZE = 64, 1 << 20
"""Writes, and bytes of each."""


@scenario(HARMLESS)
def writes_under_way(lost: Lost) -> None:
    """Past the page cache (O_DIRECT): others are done when io_submit(2) returns."""
    descriptor = lost.output("kernel", b"")
    os.ftruncate(descriptor, COUNT * SIZE)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDWR | os.O_DIRECT)
    libc, context = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong()
    try:
        call_or_raise(libc.syscall(_SETUP, COUNT, ctypes.byref(context)))
    except OSError as why:
        lost.tell(why.strerror)
        lost.result()
        return
    page = mmap.mmap(-1, SIZE)
    page.write(b"late" * (SIZE // 4))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    blocks = [
        ctypes.create_string_buffer(
            struct.pack("<QIIHhIQQqQII", 0, 0, 0, _PWRITE, 0, descriptor, address, SIZE, at * SIZE, 0, 0, 0),
            64,
        )
        for at in range(COUNT)
    ]
    pointers = (ctypes.c_void_p * COUNT)(*map(ctypes.addressof, blocks))
    lost.tell(call_or_raise(libc.syscall(_SUBMIT, context, ctypes.c_long(COUNT), pointers)))
    lost.result()


def _refuse() -> None:
    raise OSError("there is none")


if __name__ == "__main__":
    if not os.environ.get("SECCOMP"):
        seccomp.Filter = _refuse  # type: ignore[assignment, misc]
    lost_scenarios.SCENARIOS.update(HARMLESS)
    lost_client.main()
