"""The files that domains booted: a directory for each, which only one boot at a time may change.

QEMU maps the initrd and reads it again when the guest is reset, and libvirt wants to find both files when it
restores a saved guest or reverts to a snapshot. So each boot has names of its own, and a file stays while
anything names it: a definition, a running domain, a saved state, a snapshot, a checkpoint. A state file of
``virsh save`` is the caller's, and libvirt forgets it: what the domain ran by when it was saved is noted in
its directory (:data:`NOTE`), and stays until it is given up.

They are in the place that virt-install uses, too, from which SELinux and AppArmor let QEMU read.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import HandoverError, Refused
from pypxeboot.virt.records import marks

log = logging.getLogger(__name__)

DIRECTORY = Path("/var/lib/libvirt/boot/pypxeboot")
# Whoever QEMU runs as has to get through; names are UUIDs, and who serves by TFTP keeps no secrets.
_DIRECTORY_MODE, _FILE_MODE = 0o711, 0o644
_SWEPT = 5.0  # s; who sweeps has the lock for a moment
_PATH = re.compile(re.escape(f"{DIRECTORY}/") + r"[0-9a-f-]+/[\w.-]+")
NOTE = "saved"
"""The name of the note: a line for each file by which a guest in a state file ran."""
_FRESH_NOTE = f"{NOTE}.new"


@dataclass(frozen=True)
class Needed:
    """What libvirt knows to be needed: ``paths``, and all files of the domains of some UUIDs.

    The guests of those ``saved`` are in a state file: nobody can tell where that is, and how long it will be
    there. Those ``unnamed`` were just started by the hook, and do not tell yet what they run by.
    """

    paths: frozenset[str]
    saved: frozenset[str]
    unnamed: frozenset[str] = frozenset()


class BootFiles:
    """The directory of the domain ``uuid``, locked. Raises Refused when somebody else has it.

    At the end it is gone if there is nothing in it.
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

    def __enter__(self) -> BootFiles:
        return self

    def __exit__(self, *_exception: object) -> None:
        with suppress(OSError):
            self.path.rmdir()
        if self._lock is not None:
            os.close(self._lock)

    @staticmethod
    def open_to_qemu(path: str) -> None:
        """Let whoever QEMU runs as read a file, whether libvirt gives it away or not."""
        Path(path).chmod(_FILE_MODE)


def sweep(find_needed: Callable[[], Optional[Needed]]) -> None:
    """Remove what nothing needs any more; ``find_needed`` asks libvirt, and gives None where that fails."""
    needed = find_needed() if _directories() else None
    for path in _directories():
        if needed is None:
            return
        if path.name not in needed.saved and not unneeded(path.name, needed, gives_up=False) and _files(path):
            continue
        with _locked(path) as is_ours:
            needed = find_needed() if is_ours else needed  # it may have been started in the meantime
            if is_ours and needed is not None:
                if path.name in needed.saved:
                    _write_note(path, set(_files(path)))
                _remove(path, set(map(str, unneeded(path.name, needed, gives_up=False))))


def hold(uuid: str, only: Optional[Iterable[str]] = None) -> None:
    """Keep the files of the domain ``uuid`` (``only`` these): its guest is in a state file now."""
    path = DIRECTORY / uuid
    files = set(_files(path)) if only is None else set(_files(path)) & set(only)
    if files:
        _write_note(path, files | _held(path))


def unneeded(uuid: str, needed: Needed, *, gives_up: bool) -> list[Path]:
    """Return the files of the domain ``uuid`` that nothing needs; ``gives_up``: or just a state file."""
    path = DIRECTORY / uuid
    found = set() if uuid in needed.unnamed else set(_files(path)) - needed.paths
    if not gives_up:
        found = set() if uuid in needed.saved else found - _held(path)
    return sorted(map(Path, found))


def give_up(uuid: str, needed: Needed) -> None:
    """Remove what only a state file of the domain ``uuid`` can still need.

    Raises Refused while the domain is being booted.
    """
    path = DIRECTORY / uuid
    with _locked(path) as is_ours:
        if not is_ours and path.exists():
            raise Refused(f"domain {uuid} is being booted", hint="wait for its end")
        _write_note(path, set())
        _remove(path, set(map(str, unneeded(uuid, needed, gives_up=True))))


def held(uuid: str) -> list[Path]:
    """Return the files of the domain ``uuid`` that are kept for a state file."""
    return sorted(map(Path, _held(DIRECTORY / uuid)))


def _held(path: Path) -> set[str]:
    """Return what is kept for a state file, in the directory of a domain."""
    try:
        return {str(path / name) for name in (path / NOTE).read_text().split("\n") if name}
    except OSError:
        return set()


def named(text: str) -> list[str]:
    """Return the paths of files here that stand in an XML, wherever in it."""
    return _PATH.findall(text)


def is_one(path: str) -> bool:
    """Whether a path is that of a file here."""
    return _PATH.fullmatch(path) is not None and Path(path).name not in (".", "..")


def is_being_booted(uuid: str) -> bool:
    """Whether somebody fills the directory of a domain, until libvirt has started it."""
    return marks.is_locked(DIRECTORY / uuid, os.O_DIRECTORY | os.O_NOFOLLOW)


def domains() -> list[str]:
    """Return the UUIDs of the domains of which there are files."""
    return [path.name for path in _directories()]


def _directories() -> list[Path]:
    try:
        found = sorted(DIRECTORY.iterdir())
        return [path for path in found if path.is_dir() and not path.is_symlink()]
    except OSError:
        return []


def _files(path: Path) -> list[str]:
    try:
        names = set(os.listdir(path)) - {NOTE, _FRESH_NOTE}  # noqa: PTH208 - names alone
        return [str(path / name) for name in names]
    except OSError:
        return []


def _write_note(path: Path, files: set[str]) -> None:
    """Note which files are kept; where that fails, as on a full disk, what was noted stays."""
    note, fresh = path / NOTE, path / _FRESH_NOTE
    try:
        if files:
            fresh.write_text("".join(f"{Path(name).name}\n" for name in sorted(files)))
            fresh.replace(note)
        else:
            note.unlink(missing_ok=True)
    except OSError as why:
        log.error("cannot write %s: %s: a guest in a state file may lose its files", note, why.strerror)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _remove(path: Path, files: set[str]) -> None:
    for name in files:
        with suppress(OSError):
            Path(name).unlink()
    left = _files(path)
    with suppress(OSError):
        if not left:
            for name in (NOTE, _FRESH_NOTE):
                (path / name).unlink(missing_ok=True)
            path.rmdir()


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold the lock of a directory, if it can be had."""
    lock = _lock(path, make=False)
    try:
        yield lock is not None
    finally:
        if lock is not None:
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
