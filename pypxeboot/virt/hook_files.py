"""The files that the hook fills for a domain, and what it remembers of one from call to call."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from pypxeboot.errors import HandoverError
from pypxeboot.virt.hook_paths import HookFiles

STATE = Path("/run/pypxeboot/hook")
# Whoever QEMU runs as has to get through, and to read: libvirt gives it only the files that it knows of.
_DIRECTORY_MODE, _FILE_MODE = 0o711, 0o644
# Between libvirt's word that a guest is restored and its start pass milliseconds.
_MARK_SECONDS = 60.0


def directory(files: HookFiles) -> Path:
    """Where downloads go, made if it is not there: on the file system of the kernel."""
    for path in map(Path, files.paths):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(_DIRECTORY_MODE)
        except OSError as why:
            raise HandoverError(f"cannot make {path.parent}: {why.strerror}") from None
    return Path(files.kernel).parent


def remove(files: HookFiles) -> None:
    """Leave nothing of the last boot."""
    for path in files.paths:
        with suppress(OSError):
            Path(path).unlink()


def exist(files: HookFiles) -> bool:
    """Whether the hook has filled them."""
    return Path(files.config or files.kernel).exists()


def put(source: str, target: str) -> None:
    """Have ``source`` take the place of ``target``, of which a running QEMU may still read."""
    try:
        Path(source).chmod(_FILE_MODE)
        Path(source).replace(target)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None


def write(data: bytes, target: str) -> None:
    """Put a new file with ``data`` in the place of ``target``."""
    fresh = Path(f"{target}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW), "wb") as file:
            file.write(data)
        put(str(fresh), target)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


class Mark:
    """A note that the domain ``uuid`` goes on where it was: it is restored, or migrated to this host."""

    def __init__(self, uuid: str) -> None:
        self._path = STATE / uuid

    def set(self) -> None:
        """Note that libvirt restores or migrates the domain."""
        try:
            STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.write_bytes(b"")
        except OSError as why:
            raise HandoverError(f"cannot write {self._path}: {why.strerror}") from None

    def is_set(self) -> bool:
        """Whether the note is there, and not of a start long ago that never came."""
        try:
            return time.time() - self._path.stat().st_mtime < _MARK_SECONDS
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """Forget the note: the domain runs, or failed to."""
        self._path.unlink(missing_ok=True)
