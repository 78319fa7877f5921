"""Which domains ``pypxeboot-virt watch`` has running, or is about to start.

It is remembered until the host reboots: when the watch is killed and started again, a domain that has a mark
and is off did reboot or power off meanwhile.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from pypxeboot.errors import HandoverError, Refused

DIRECTORY = Path("/run/pypxeboot/watch")


class Marks:
    """The marks, by UUID, for as long as this process runs."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __contains__(self, uuid: str) -> bool:
        return uuid in self._known

    def all(self) -> list[str]:
        """Every UUID that has a mark."""
        return sorted(self._known)

    def add(self, uuid: str) -> None:
        """Mark a domain that runs, or is about to."""
        self._known.add(uuid)

    def remove(self, uuid: str) -> None:
        """Take the mark of a domain that is off."""
        self._known.discard(uuid)


class KeptMarks(Marks):
    """Marks that outlive the process. There is one who has them: Refused is raised for a second."""

    def __init__(self) -> None:
        try:
            DIRECTORY.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("pypxeboot-virt watch runs already") from None
        except OSError as why:
            raise HandoverError(f"cannot make {DIRECTORY}: {why.strerror}") from None
        super().__init__()
        self._known.update(path.name for path in DIRECTORY.iterdir())

    def add(self, uuid: str) -> None:
        """Mark a domain that runs, or is about to."""
        super().add(uuid)
        with suppress(OSError):  # a full /run: it is forgotten with this process
            (DIRECTORY / uuid).touch()

    def remove(self, uuid: str) -> None:
        """Take the mark of a domain that is off."""
        super().remove(uuid)
        with suppress(FileNotFoundError):
            (DIRECTORY / uuid).unlink()


def somebody_watches() -> bool:
    """Whether a ``pypxeboot-virt watch`` runs."""
    try:
        lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
