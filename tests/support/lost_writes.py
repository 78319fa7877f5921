"""A lost client (``lost_client``) whose writes are still under way when it ends, without seccomp or with it.

python -m tests.support.lost_writes SCENARIO [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import resource
import struct

from pypxeboot.privsep import seccomp
from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_reach import call_or_raise
from tests.support.lost_scenarios import HARMLESS, scenario

_SETUP, _SUBMIT = {"x86_64": (206, 209)}.get(os.uname().machine, (0, 2))
_RING_SETUP, _RING_ENTER, _RING_ENTRIES, _WRITE = 425, 426, 0x10000000, 23
_PWRITE = 1  # IOCB_CMD_PWRITE
COUNT, SIZE = 120, 1 << 20
"""Writes, and bytes of each."""


def _output(lost: Lost) -> int:
    """A file that has its blocks: no write to it has to wait for another. Writes go past the page cache."""
    descriptor = lost.output("kernel", b"")
    for _ in range(COUNT):
        os.write(descriptor, bytes(SIZE))
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_RDWR | os.O_DIRECT)
    return descriptor


@scenario(HARMLESS)
def writes_under_way(lost: Lost) -> None:
    """Past the page cache (O_DIRECT): others are done when io_submit(2) returns."""
    descriptor = _output(lost)
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


@scenario(HARMLESS)
def writes_in_a_ring(lost: Lost) -> None:
    """The same by io_uring(7), which nobody waits for when its process ends."""
    descriptor = _output(lost)
    libc, parameters = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(120)
    try:
        ring = call_or_raise(libc.syscall(_RING_SETUP, COUNT, parameters))
    except OSError as why:
        lost.tell(why.strerror)
        lost.result()
        return
    tail, mask, array = (struct.unpack_from("<I", parameters, 40 + 4 * at)[0] for at in (1, 2, 6))
    queue = mmap.mmap(ring, array + 4 * COUNT)
    entries = mmap.mmap(ring, 64 * COUNT, offset=_RING_ENTRIES)
    page = mmap.mmap(-1, SIZE)
    page.write(b"late" * (SIZE // 4))
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    for at in range(COUNT):
        place = (COUNT - 1 - at) * SIZE  # what is hashed first comes last
        entry = (_WRITE, 0, 0, descriptor, place, address, SIZE, 0, at)
        struct.pack_into("<BBHiQQIIQ", entries, 64 * at, *entry)
        struct.pack_into("<I", queue, array + 4 * at, at & struct.unpack_from("<I", queue, mask)[0])
    struct.pack_into("<I", queue, tail, COUNT)
    lost.tell(call_or_raise(libc.syscall(_RING_ENTER, ring, COUNT, 0, 0, None, 0)))
    lost.result()


def _refuse() -> None:
    raise OSError("there is none")


def _limit(what: int, limits: tuple[int, int]) -> None:
    """Kernels from 5.12 to 6.14 make rings without memory that is locked."""
    if what != resource.RLIMIT_MEMLOCK:
        _setrlimit(what, limits)


if __name__ == "__main__":
    _setrlimit = resource.setrlimit
    if not os.environ.get("SECCOMP"):
        seccomp.Filter = _refuse  # type: ignore[assignment, misc]
        resource.setrlimit = _limit  # type: ignore[assignment]
    lost_scenarios.SCENARIOS.update(HARMLESS)
    lost_client.main()
