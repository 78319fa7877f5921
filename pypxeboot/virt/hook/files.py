"""The files that the hook fills for a domain, and what it remembers of one from call to call."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

from pypxeboot.errors import HandoverError
from pypxeboot.virt.hook_paths import HookFiles
from pypxeboot.virt.records import marks

# Whoever QEMU runs as has to get through, and to read: libvirt gives it only the files that it knows of.
_DIRECTORY_MODE, _FILE_MODE = 0o711, 0o644
# Between libvirt's word that a guest is restored and its start pass milliseconds.
_MARK_SECONDS = 60.0


ENDS = frozenset("shutdown destroyed crashed migrated saved failed snapshot daemon".split())
"""What libvirt may say of the end of a domain; not every one does."""
# But here it keeps what "virsh managedsave" saves.
_SAVED = Path("/var/lib/libvirt/qemu/save")


def is_saved(name: str) -> bool:
    """Whether the next start of a domain goes on where ``virsh managedsave`` saved it."""
    return (_SAVED / f"{name}.save").exists()


def directory(files: HookFiles) -> None:
    """Make the directories of all these files, where they are not there."""
    for path in map(Path, files.paths):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(_DIRECTORY_MODE)
        except OSError as why:
            raise HandoverError(f"cannot make {path.parent}: {why.strerror}") from None


def remove(files: HookFiles) -> None:
    """Leave nothing of the last boot there."""
    for path in files.paths:
        with suppress(OSError):
            Path(path).unlink()


def exist(files: HookFiles) -> bool:
    """Whether the hook has filled them."""
    return Path(files.config or files.kernel).exists()


def put(source: str, target: str) -> None:
    """Have a copy of ``source`` take the place of ``target``, of which a running QEMU may still read.

    On one file system it is the same file. Raises HandoverError.
    """
    fresh = Path(f"{target}.{secrets.token_hex(4)}.new")
    try:
        Path(source).chmod(_FILE_MODE)
        try:
            os.link(source, fresh, follow_symlinks=False)
        except OSError:
            shutil.copyfile(source, fresh)
            fresh.chmod(_FILE_MODE)
        fresh.replace(target)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


def write(data: bytes, target: str) -> None:
    """Write a file that is not there yet. Raises HandoverError."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(target, flags, _FILE_MODE), "wb") as file:
            file.write(data)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None


class Mark:
    """A note that the domain ``uuid`` goes on where it was: it is restored, or migrated to this host."""

    def __init__(self, uuid: str) -> None:
        self._path = marks.HOOK / uuid

    def set(self) -> None:
        """Note that libvirt restores or migrates the domain."""
        try:
            marks.HOOK.mkdir(mode=0o700, parents=True, exist_ok=True)
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
