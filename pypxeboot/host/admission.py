"""Who boots now, and who waits for it: no more boots at a time than the host has room for.

Every boot of this host, whoever starts it, passes one gate before anything that costs is imported. So a rack
that comes up at once is booted by as many as processors and memory allow, one after the other, and what a
boot may take of time begins with its turn.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.host.gate import Folder, Gate, try_lock
from pypxeboot.limits import NOTICE

log = logging.getLogger(__name__)

DIRECTORY = Path("/run/pypxeboot/places")
SLOW = "slow"  # the folder of the places below it that slow boots have
NO_LIMIT = 0
_MEMORY = 64 << 20  # bytes that both processes of a boot take, beside its files
_SHARE = 4  # of the host's memory a quarter is for boots
_PER_PROCESSOR = 4  # boots: half of one's time is waiting for answers
_MOST = 24  # each has two files on their way, and dnsmasq answers 50 at a time (tftp-max)
# Who takes longer waits for a person at a menu, a silent server or a slow wire: others need not wait, too, as
# long as there are not many of them.
_SECONDS = 15.0
_SLOW_LOOK = 1.0  # s between tries to be one of those
_LOG_SECONDS = 10.0  # between lines of the log of who waits


def default_limit() -> int:
    """Return how many boots this host has room for at a time."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processors = len(os.sched_getaffinity(0))
    return max(1, min(_PER_PROCESSOR * processors, memory // _SHARE // _MEMORY, _MOST))


class Tally:
    """How many boots have come since the last time when there were none, and how many have booted."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._alive: Optional[int] = None

    def arrive(self) -> None:
        """Count this boot, for as long as this process runs or until it :meth:`leave`s."""
        with self._folder.locked("tally.lock"):
            self._alive = alive = self._folder.open("alive")
            first = try_lock(alive)
            fcntl.flock(alive, fcntl.LOCK_SH)  # whatever comes of the rest: nobody waits for this one
            arrived, booted = (0, 0) if first else self._read()
            self._folder.write("tally", f"{arrived + 1} {booted}")

    def booted(self) -> None:
        """Count this boot among those that booted."""
        with self._folder.locked("tally.lock"):
            arrived, booted = self._read()
            self._folder.write("tally", f"{arrived} {booted + 1}")

    def leave(self) -> None:
        """Count this boot no more: it is over."""
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def text(self) -> str:
        """Return ``17 of 64 booted, 4 running``, or "" where the kernel does not tell."""
        arrived, booted = self._read()
        alive, running = self._count()
        if not alive:
            return ""
        failed = max(arrived - booted - alive, 0)
        ended = f", {failed} failed" if failed else ""
        return f"{booted} of {arrived} booted, {running} running{ended}"

    def _read(self) -> tuple[int, int]:
        words = self._folder.read("tally").split()
        return (int(words[0]), int(words[1])) if len(words) == 2 and all(map(str.isdigit, words)) else (0, 0)

    def _count(self) -> tuple[int, int]:
        """Return how many boots are there, and how many have a place, by the list of locks of the kernel."""
        try:
            alive = _identity(self._folder.path / "alive")
            files = (path for place in (".", SLOW) for path in (self._folder.path / place).glob("[0-9]*"))
            places = set(map(_identity, files))
            rows = [line.split() for line in Path("/proc/locks").read_text("ascii").splitlines()]
        except OSError:
            return 0, 0
        held = [row[5] for row in rows if len(row) > 5 and row[1] == "FLOCK"]  # who waits has an arrow there
        return held.count(alive), sum(place in places for place in held)


def _identity(path: Path) -> str:
    """Return how /proc/locks names a file (fs/locks.c, lock_get_status)."""
    status = path.stat()
    return f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"


class Place:
    """The place of one boot among those that this host runs at a time, or among the ``slow`` ones."""

    def __init__(self, gate: Gate, slow: Gate, tally: Tally) -> None:
        self._gate, self._slow, self._tally = gate, slow, tally
        self._slow_at = self._told = 0.0
        self._idle: Optional[threading.Timer] = None

    def enter(self, waits: Callable[[], object] = lambda: None) -> None:
        """Wait until it is this boot's turn; ``waits`` is called where that is not now."""
        try:
            if not self._gate.try_enter():
                waits()
                began = time.monotonic()
                self._gate.enter(self.tell)
                log.log(NOTICE, "it is this boot's turn, after %.1f s", time.monotonic() - began)
        except OSError as why:
            log.warning("boots at a time are not bounded: %s", why)
        self._slow_at = time.monotonic() + _SECONDS

    def pass_on(self) -> None:
        """Let another boot have the place; this one enters again later."""
        self._gate.leave()
        self._slow.leave()

    def pass_on_when_idle(self) -> None:
        """Let another boot have the place if this one does not :meth:`begin` soon.

        It waits for libvirt then, and that may wait for a boot of its hook, which waits for a place.
        """
        self._idle = threading.Timer(_SECONDS, self._pass_on_idle)
        self._idle.daemon = True
        self._idle.start()

    def _pass_on_idle(self) -> None:
        self.pass_on()
        log.log(NOTICE, "this boot has not begun in %.0f s: others have its turn", _SECONDS)

    def begin(self) -> None:
        """Have the place, which this boot may have passed on since :meth:`pass_on_when_idle`."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle.join()
            self._idle = None
        self.enter()

    def pass_on_when_slow(self) -> None:
        """Let another boot have the place when this one takes longer than boots do."""
        if self._gate.passed and time.monotonic() > self._slow_at:
            self._slow_at += _SLOW_LOOK
            with suppress(OSError):
                if self._slow.try_enter():
                    self._gate.leave()

    def booted(self) -> None:
        """Count this boot among those that booted."""
        with suppress(OSError):
            self._tally.booted()

    def leave(self) -> None:
        """Give up what this boot has: it is over."""
        self.pass_on()
        self._tally.leave()

    def tell(self) -> None:
        """Say, once in a while, that this boot waits, and for how many."""
        now = time.monotonic()
        if not self._told or now >= self._told + _LOG_SECONDS:
            self._told = now
            log.log(NOTICE, "this boot waits for its turn: %s", self._tally.text() or "others boot")


def enter(limit: Optional[int], waits: Callable[[], object] = lambda: None) -> Optional[Place]:
    """Wait until it is this boot's turn; return its place. ``waits`` is called where that is not now.

    ``limit`` is how many boot at a time, None: as many as there is room for. Without a place, None, boots who
    is not bounded: nobody is by :data:`NO_LIMIT`, where there can be no folder, or who is not root.
    """
    if limit == NO_LIMIT or os.geteuid() != 0:
        return None
    most = limit or default_limit()
    try:
        folder, slow = Folder(DIRECTORY), Folder(DIRECTORY / SLOW)
        tally = Tally(folder)
        place = Place(Gate(folder, lambda: most), Gate(slow, lambda: most), tally)
        tally.arrive()
        place.enter(waits)
    except OSError as why:
        log.warning("boots at a time are not bounded: %s", why)
        return None
    return place


def progress() -> str:
    """Return how far the boots of this host are: ``17 of 64 booted, 4 running``; "" where nobody boots."""
    try:
        return Tally(Folder(DIRECTORY)).text()
    except OSError:
        return ""
