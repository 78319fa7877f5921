"""A guest that is left to ``pypxeboot-virt watch`` hardly runs, and is ended once libvirt has started it.

libvirt runs no hook between the start of a QEMU and that of its guest, and where it is busy, it tells of both
seconds late: by then a disk that is in the boot order has begun to boot. So the hook leaves a process behind
before there is a QEMU. It runs before all others, sees how much of a processor the guest has had, and bounds
it before a firmware comes to its disk. Where libvirt says that the start is done, the guest is ended, and
watch boots it, now or when it is there again.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pypxeboot.privsep import fork
from pypxeboot.virt import qemu_process
from pypxeboot.virt.records import marks

log = logging.getLogger(__name__)

_PATIENCE = 300.0  # s for libvirt to start the guest; then it goes on
_LOOK = 0.005  # s between two looks at the guest
_STARTED = b"started"
# QEMU's own beginning takes less than one of its thread, a firmware a hundred until it reads a disk.
_BEGINNING = 10_000_000  # ns of a processor


def begin(uuid: str, name: str) -> None:
    """Begin that process for a domain whose QEMU is about to be started."""
    try:
        note = marks.held_note(uuid)
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.touch()
        with suppress(OSError):  # where that is not allowed, it is as late as the load has it
            least = os.sched_get_priority_min(os.SCHED_FIFO)
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(least))
        fork.fork(lambda _end, _parent: _hold(uuid, name), name="holder")
    except OSError as why:
        log.warning("cannot hold the guest until watch has it: %s", why.strerror)


def started(uuid: str) -> None:
    """Tell that process that libvirt has started the domain, if it is one that is held."""
    with suppress(OSError):
        note = os.open(marks.held_note(uuid), os.O_WRONLY)
        os.write(note, _STARTED)
        os.close(note)


def release(uuid: str, name: str) -> None:
    """Have a domain go on as others, whether it is held or about to be."""
    marks.held_note(uuid).unlink(missing_ok=True)
    qemu_process.let_go(name)


def _hold(uuid: str, name: str) -> int:
    """Be that process; return its exit status."""
    end, note = time.monotonic() + _PATIENCE, marks.held_note(uuid)
    with suppress(OSError, ValueError):  # its QEMU is gone, or the note is: it goes on
        pid = _await(lambda: qemu_process.process(name), end)
        first = _await(lambda: min(qemu_process.processors(pid)), end)
        if not qemu_process.goes_on(pid):
            while qemu_process.time_of(pid, first) < _BEGINNING:
                _wait(note, end)
            qemu_process.slow_down(name)
            while note.read_bytes() != _STARTED:
                qemu_process.time_of(pid, first)
                _wait(note, end)
            if marks.somebody_watches() or marks.is_service_enabled():
                marks.leave(uuid)
                qemu_process.kill(name, pid)
                while qemu_process.process(name) == pid:  # until libvirt has noticed
                    _wait(note, end)
    release(uuid, name)
    return 0


def _wait(note: Path, end: float) -> None:
    """Wait a moment. Raises OSError once the domain is not to be held any more."""
    if time.monotonic() >= end:
        raise TimeoutError
    note.stat()
    time.sleep(_LOOK)


def _await(find: Callable[[], int], end: float) -> int:
    """Return what there is to find, once it is there. Raises OSError and ValueError at the ``end``."""
    while True:
        try:
            return find()
        except (OSError, ValueError):
            if time.monotonic() >= end:
                raise
        time.sleep(_LOOK)
