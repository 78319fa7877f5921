"""Which domains ``pypxeboot-virt watch`` has running, or is about to start.

It is remembered until the host reboots: when the watch is killed and started again, a domain that has a mark
and is off did reboot or power off meanwhile. What was under way is in the mark: a domain that was suspended
(``HELD``, or ``PAUSED`` by who started it) is to be booted, one whose boot failed (``RETRIED``) to be tried
again.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.errors import HandoverError, Refused

DIRECTORY = Path("/run/pypxeboot/watch")
HOOK = Path("/run/pypxeboot/hook")
"""Where libvirt's hook notes what it has done for domains that run."""

_CONNECTED = Path("/run/pypxeboot/watch.connected")
_RUNS = Path("/run/pypxeboot/run")
_SERVICE = Path("/etc/systemd/system/multi-user.target.wants/pypxeboot-virt.service")
_MODE, _FILE_MODE = 0o700, 0o600  # whoever can open one can lock it, and keep it locked
HELD, PAUSED, RETRIED = "held", "paused", "retried"
"""What a mark may say."""


class Marks:
    """The marks, by UUID, for as long as this process runs."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._known

    def connected(self, connected: bool) -> None:
        """Let others know whether whoever has the marks hears of what happens."""

    def all(self) -> list[str]:
        """Every UUID that has a mark."""
        return sorted(self._known)

    def add(self, uuid: str, word: str = "") -> None:
        """Mark a domain that runs, or is about to; ``word`` is what is under way, if anything is."""
        self._known[uuid] = word

    def remove(self, uuid: str) -> None:
        """Take the mark of a domain that is off."""
        self._known.pop(uuid, None)

    def word(self, uuid: str) -> str:
        """Return what the mark of a domain says."""
        return self._known.get(uuid, "")

    def is_cancelled(self, uuid: str) -> bool:
        """Whether somebody else has taken the mark."""
        return uuid not in self._known

    def was_left(self, uuid: str) -> bool:
        """Whether somebody else has left a boot of a domain, since it was marked last."""
        return False


class KeptMarks(Marks):
    """Marks that outlive the process. There is one who has them: Refused is raised for a second."""

    def __init__(self) -> None:
        try:
            DIRECTORY.mkdir(parents=True, exist_ok=True)
            DIRECTORY.chmod(_MODE)
            self._lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("pypxeboot-virt watch runs already") from None
        except OSError as why:
            raise HandoverError(f"cannot make {DIRECTORY}: {why.strerror}") from None
        super().__init__()
        self._connection: Optional[int] = None
        self._unwritten: set[str] = set()
        self._read()

    def _read(self) -> None:
        for path in DIRECTORY.iterdir():
            if path.name not in self._known:
                with suppress(OSError):
                    self._known[path.name] = path.read_text()

    def connected(self, connected: bool) -> None:
        """Let others know whether watch hears of what happens; marks that they left until then count."""
        if self._connection is not None:
            os.close(self._connection)
            self._connection = None
        if connected:
            with suppress(OSError):  # a full /run
                self._connection = lock(_CONNECTED)
            self._read()

    def add(self, uuid: str, word: str = "") -> None:
        """Mark a domain that runs, or is about to; ``word`` is what is under way, if anything is."""
        super().add(uuid, word)
        try:
            _write(uuid, word)
            self._unwritten.discard(uuid)
        except OSError:  # a full /run: it is forgotten with this process
            self._unwritten.add(uuid)

    def remove(self, uuid: str) -> None:
        """Take the mark of a domain that is off."""
        super().remove(uuid)
        with suppress(FileNotFoundError):
            (DIRECTORY / uuid).unlink()

    def is_cancelled(self, uuid: str) -> bool:
        """Whether somebody else has taken the mark."""
        is_there = uuid in self._unwritten or (DIRECTORY / uuid).exists()
        return super().is_cancelled(uuid) or not is_there

    def was_left(self, uuid: str) -> bool:
        """Whether somebody else has left a boot of a domain (:func:`leave`), since it was marked last."""
        return self.word(uuid) != RETRIED and is_retried(uuid)


class RunMarks(Marks):
    """Those of ``pypxeboot-virt run``, which waits for the reboots of one domain, until :meth:`close`."""

    def __init__(self, uuid: str) -> None:
        super().__init__()
        self._path = _RUNS / uuid
        self._lock: Optional[int] = None
        with suppress(OSError):  # a full /run; or another one has it, and will win or lose
            _RUNS.mkdir(_MODE, parents=True, exist_ok=True)
            self._lock = lock(self._path)

    def close(self) -> None:
        """Wait no longer."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def somebody_waits_for(uuid: str) -> bool:
    """Whether a ``pypxeboot-virt run`` or ``watch`` has a domain begin anew when it reboots."""
    return is_locked(_RUNS / uuid) or somebody_watches()


def somebody_watches() -> bool:
    """Whether a ``pypxeboot-virt watch`` runs."""
    return is_locked(DIRECTORY)


def somebody_is_connected() -> bool:
    """Whether a ``pypxeboot-virt watch`` runs, and hears of what happens."""
    return is_locked(_CONNECTED)


def is_service_enabled() -> bool:
    """Whether one is to run on this host, sooner or later."""
    return _SERVICE.is_symlink()


def leave(uuid: str) -> None:
    """Leave a boot to ``pypxeboot-virt watch``, when it is connected."""
    with suppress(OSError):
        DIRECTORY.mkdir(_MODE, parents=True, exist_ok=True)
        _write(uuid, RETRIED)


def _write(uuid: str, word: str) -> None:
    """Write a mark, whole or not at all: who is killed meanwhile leaves the one before. Raises OSError."""
    fresh = DIRECTORY.with_name(f"{DIRECTORY.name}.{os.urandom(4).hex()}")
    try:
        fresh.write_text(word)
        fresh.replace(DIRECTORY / uuid)
    finally:
        fresh.unlink(missing_ok=True)


def held_note(uuid: str) -> Path:
    """Return the file that is there while libvirt's hook holds a guest (hook/holder.py)."""
    return HOOK / f"{uuid}.held"


def is_held(uuid: str) -> bool:
    """Whether libvirt's hook holds a guest, and will end it."""
    return held_note(uuid).exists()


def lock(path: Path) -> int:
    """Have a file to this process alone, for as long as the descriptor that is returned is open.

    The file is made if need be. Raises OSError, also where another process has it.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        os.fchmod(descriptor, _FILE_MODE)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path, kind: int = 0) -> bool:
    """Whether another process has a file to itself; ``kind`` are flags of open(2) that it must fulfil."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_CLOEXEC | kind)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def is_retried(uuid: str) -> bool:
    """Whether a boot of a domain failed, and ``pypxeboot-virt watch`` is to try it again."""
    try:
        return (DIRECTORY / uuid).read_text() == RETRIED and somebody_watches()
    except OSError:
        return False


def cancel(uuid: str) -> bool:
    """Have a boot that ``pypxeboot-virt watch`` is to begin not begun; return whether there is one."""
    try:
        waits = (DIRECTORY / uuid).read_text() != "" and somebody_watches()
    except OSError:
        return False
    if waits:
        (DIRECTORY / uuid).unlink(missing_ok=True)
    return waits
