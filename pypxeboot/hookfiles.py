"""The files that the hook fills for a domain, and what it remembers of one from call to call."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError

DIRECTORY = "pypxeboot"
"""How the name of a directory has to begin in which files are replaced: what is elsewhere is not ours."""

STATE = Path("/run/pypxeboot/hook")
# Whoever QEMU runs as has to get through, and to read: libvirt gives it only the files that it knows of.
_DIRECTORY_MODE, _FILE_MODE = 0o711, 0o644
# Between libvirt's word that a guest is restored and its start pass milliseconds.
_MARK_SECONDS = 60.0


@dataclass(frozen=True)
class HookFiles:
    """Where a domain's XML wants its boot.

    ``config`` is the file of its ``-readconfig``; ``kernel`` and ``initrd`` are those of its ``<os>``, or
    (``direct`` is False) files beside ``config``.
    """

    config: Optional[Path]
    kernel: Path
    initrd: Optional[Path]
    direct: bool

    def are_ours(self) -> bool:
        """Whether all of them are where the hook may replace files."""
        return all(
            path.is_absolute() and ".." not in path.parts and path.parent.name.startswith(DIRECTORY)
            for path in self._paths()
        )

    def _paths(self) -> list[Path]:
        return [path for path in (self.config, self.kernel, self.initrd) if path is not None]

    def directory(self) -> Path:
        """Where downloads go, made if it is not there: on the file system of :attr:`kernel`."""
        for path in self._paths():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.parent.chmod(_DIRECTORY_MODE)
            except OSError as why:
                raise HandoverError(f"cannot make {path.parent}: {why.strerror}") from None
        return self.kernel.parent

    def remove(self) -> None:
        """Leave nothing of the last boot."""
        for path in self._paths():
            with suppress(OSError):
                path.unlink()


def put(source: Path, target: Path) -> None:
    """Have ``source`` take the place of ``target``, of which a running QEMU may still read."""
    try:
        source.chmod(_FILE_MODE)
        source.replace(target)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None


def write(data: bytes, target: Path) -> None:
    """A new file in the place of ``target``."""
    fresh = target.with_name(f"{target.name}.{secrets.token_hex(4)}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW), "wb") as file:
            file.write(data)
        put(fresh, target)
    except OSError as why:
        raise HandoverError(f"cannot write {target}: {why.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


class Mark:
    """That the domain ``uuid`` goes on where it was: it is restored, or migrated to this host."""

    def __init__(self, uuid: str) -> None:
        self._path = STATE / uuid

    def set(self) -> None:
        """libvirt says so."""
        try:
            STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.write_bytes(b"")
        except OSError as why:
            raise HandoverError(f"cannot write {self._path}: {why.strerror}") from None

    def is_set(self) -> bool:
        """Whether it does; what was said long ago was of a start that never came."""
        try:
            return time.time() - self._path.stat().st_mtime < _MARK_SECONDS
        except FileNotFoundError:
            return False

    def clear(self) -> None:
        """It runs, or it failed to."""
        self._path.unlink(missing_ok=True)
