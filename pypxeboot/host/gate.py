"""A gate through which so many processes of this host pass at a time, in the order in which they came.

A place, and the turn of who waits for one, is a lock of the kernel (flock) on a file: whatever ends a process
gives its place back. The folder is root's alone, so nobody else can take one. Linux hands a lock on in the
order in which it was asked for (fs/locks.c, since 5.0; before, in any order).
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

_LOOK = 0.02  # s between looks for a place, by the one process whose turn it is
_TELL = 1.0  # s between words about those that are ahead
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Folder:
    """A folder of root's with files that are locked. Raises OSError where there can be none that is safe."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise OSError(f"{path} is not a folder of root's alone")
        self.path = path

    def open(self, name: str) -> int:
        """Return the descriptor of a file, made if it is not there. Raises OSError."""
        return os.open(self.path / name, _FLAGS, 0o600)

    @contextmanager
    def locked(self, name: str) -> Iterator[int]:
        """Have a file to oneself for as long as the block lasts, which is short."""
        descriptor = self.open(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self, name: str) -> str:
        """Return what a file says, "" if it is not there."""
        try:
            return (self.path / name).read_text("ascii")
        except OSError:
            return ""

    def write(self, name: str, text: str) -> None:
        """Have a file say ``text``."""
        (self.path / name).write_text(text, "ascii")


class Gate:
    """The gate of a ``folder`` as one process sees it; ``limit`` is asked how many have a place at a time."""

    def __init__(self, folder: Folder, limit: Callable[[], int]) -> None:
        self._folder, self._limit = folder, limit
        self._place: Optional[int] = None

    @property
    def passed(self) -> bool:
        """Whether this process has a place."""
        return self._place is not None

    def try_enter(self) -> bool:
        """Take a place, if one is free and nobody waits for it; return whether this process has one."""
        if self._place is None:
            turn = self._folder.open("turn")
            try:
                if try_lock(turn):
                    self._take()
            finally:
                os.close(turn)
        return self.passed

    def enter(self, tell: Callable[[], object]) -> None:
        """Wait until it is this process's turn, and there is a place. ``tell`` is called once a second."""
        if self._place is not None:
            return
        turn = self._folder.open("turn")
        try:
            _wait_for_lock(turn, tell)
            told = time.monotonic()
            while not self._take():
                time.sleep(_LOOK)
                if time.monotonic() >= told + _TELL:
                    told = time.monotonic()
                    tell()
        finally:
            os.close(turn)

    def leave(self) -> None:
        """Give the place back, if there is one."""
        if self._place is not None:
            os.close(self._place)
            self._place = None

    def count(self) -> int:
        """Return how many processes have a place."""
        numbers = [name for name in os.listdir(self._folder.path) if name.isdigit()]  # noqa: PTH208
        taken = 0
        for name in numbers:
            descriptor = self._folder.open(name)
            taken += not try_lock(descriptor)
            os.close(descriptor)
        return taken

    def _take(self) -> bool:
        for number in range(self._limit()):
            descriptor = self._folder.open(str(number))
            if try_lock(descriptor):
                self._place = descriptor
                return True
            os.close(descriptor)
        return False


def try_lock(descriptor: int) -> bool:
    """Lock a file without waiting; return whether it could be."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _wait_for_lock(descriptor: int, tell: Callable[[], object]) -> None:
    """Lock a file, in a thread: who waits again after a signal stands behind all others."""
    if try_lock(descriptor):
        return
    waiting = threading.Thread(target=fcntl.flock, args=(descriptor, fcntl.LOCK_EX), daemon=True)
    waiting.start()
    while waiting.is_alive():
        tell()
        waiting.join(_TELL)
