"""The boot of a domain that is under way: who does it, and how it is ended from outside."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.virt.records import marks

DIRECTORY = Path("/run/pypxeboot/boots")
_LARGEST = 4096  # bytes of a note


class Ongoing:
    """A note that this process boots a domain, until :meth:`close` or the end of the process.

    It is in place of one that this process is to boot it (:func:`wait`). ``by`` whom is start, run, watch or
    hook.
    """

    def __init__(self, uuid: str, name: str, by: str) -> None:
        self._path = DIRECTORY / uuid
        self._note: Optional[int] = None
        with suppress(OSError):  # a full /run: it cannot be cancelled; or another boots it
            DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
            note = marks.lock(self._path)
            try:
                os.ftruncate(note, 0)
                os.write(note, f"{os.getpid()} {by} {name}\n".encode(errors="replace"))
                self._note = note
            except OSError:
                os.close(note)
            if self._path != _waits():
                _waits().unlink(missing_ok=True)

    def close(self) -> None:
        """Take the note: the boot is over."""
        if self._note is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._note)
            self._note = None


def wait(name: str, by: str) -> Ongoing:
    """Note that this process is to boot a domain of that name or UUID, of which libvirt was not asked yet."""
    return Ongoing(_waits().name, name, by)


def _waits() -> Path:
    return DIRECTORY / f"waits.{os.getpid()}"


def find(uuid: str) -> Optional[tuple[int, str]]:
    """Return the process that boots a domain, and by whom: start, run, watch or hook; None if none does."""
    try:
        note = os.open(DIRECTORY / uuid, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, by, _name = _words(os.read(note, _LARGEST))
        return (int(pid), by) if pid.isdecimal() else None
    finally:
        os.close(note)
    return None


def of(program: str) -> set[str]:
    """Return the UUIDs of the domains that ``program`` boots: start, run, watch or hook.

    Those whose boot waits for its turn are not among them.
    """
    found = {path.name: find(path.name) for path in DIRECTORY.glob("*") if "." not in path.name}
    return {uuid for uuid, who in found.items() if who is not None and who[1] == program}


def _note_of(name: str) -> Optional[str]:
    """Return the name of the note of a domain of that name or UUID that is being booted, or is to be."""
    for path in DIRECTORY.glob("*"):
        with suppress(OSError):
            if name in (path.name, _words(path.read_bytes()[:_LARGEST])[2]) and find(path.name) is not None:
                return path.name
    return None


def _words(note: bytes) -> tuple[str, str, str]:
    pid, _, rest = note.decode(errors="replace").rstrip("\n").partition(" ")
    by, _, name = rest.partition(" ")
    return pid, by, name


def cancel(name: str) -> Optional[str]:
    """End the boot of a domain of that name or UUID, or its wait for its turn; return by whom it was.

    It ends as by SIGTERM. libvirt is not asked: it may not answer while a boot is under way.
    """
    note = _note_of(name)
    found = None if note is None else find(note)
    if found is None:
        return None
    with suppress(ProcessLookupError):
        os.kill(found[0], signal.SIGTERM)
        os.kill(found[0], signal.SIGCONT)  # one that somebody has stopped
    return found[1]
