"""The files that running domains booted: a directory for each, which only one boot at a time may change.

QEMU maps the initrd and reads it again when the guest is reset, and libvirt needs both files to restore a
saved guest: they stay while the domain lives. They are in the place that virt-install uses, too, from which
SELinux and AppArmor let QEMU read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError, Refused

DIRECTORY = Path("/var/lib/libvirt/boot/pypxeboot")
# Whoever QEMU runs as has to get through; names are UUIDs, and who serves by TFTP keeps no secrets.
_DIRECTORY_MODE, _FILE_MODE = 0o711, 0o644
_SWEPT = 5.0  # s; who sweeps has the lock for a moment


class BootFiles:
    """The directory of the domain ``uuid``, locked. Raises Refused when somebody else has it.

    It is as it was until :meth:`clear`, and from then on gone at the end, unless :meth:`keep` is called.
    """

    def __init__(self, uuid: str) -> None:
        self.path = DIRECTORY / uuid
        try:
            DIRECTORY.mkdir(parents=True, exist_ok=True)
            DIRECTORY.chmod(_DIRECTORY_MODE)
            end = time.monotonic() + _SWEPT
            self._lock = _lock(self.path, make=True)
            while self._lock is None and time.monotonic() < end:
                time.sleep(0.05)
                self._lock = _lock(self.path, make=True)
        except OSError as why:
            raise HandoverError(f"cannot make {self.path}: {why.strerror}") from None
        if self._lock is None:
            raise Refused("the domain is being booted by another pypxeboot-virt", hint="wait for its end")
        self._kept = any(self.path.iterdir())

    def __enter__(self) -> BootFiles:
        return self

    def __exit__(self, *_exception: object) -> None:
        if not self._kept:
            shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)

    def clear(self) -> None:
        """Remove the files of the last run: the domain is off."""
        self._kept = False
        for path in self.path.iterdir():
            path.unlink()

    def keep(self) -> None:
        """Keep the files: the domain runs by them."""
        self._kept = any(self.path.iterdir())

    @staticmethod
    def open_to_qemu(path: str) -> None:
        """Let whoever QEMU runs as read a file, whether libvirt gives it away or not."""
        Path(path).chmod(_FILE_MODE)


def sweep(is_needed: Callable[[str], bool]) -> None:
    """Remove what domains left that have no need of it any more."""
    with suppress(OSError):
        for path in list(DIRECTORY.iterdir()):
            lock = None if is_needed(path.name) else _lock(path, make=False)
            if lock is not None:  # else it is being filled
                try:
                    if not is_needed(path.name):  # it may have been started in the meantime
                        shutil.rmtree(path, ignore_errors=True)
                finally:
                    os.close(lock)


def _lock(path: Path, *, make: bool) -> Optional[int]:
    """Return a descriptor that holds the lock of a directory; None where another holds it, or removed it."""
    while True:
        if make:
            with suppress(FileExistsError):
                path.mkdir()
                path.chmod(_DIRECTORY_MODE)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            if make:
                continue
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except BlockingIOError:
            os.close(lock)
            return None
        except FileNotFoundError:
            pass
        os.close(lock)  # of one that was removed in the meantime
