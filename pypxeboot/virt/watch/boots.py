"""The boots of watched domains: each a process of its own, and no more at once than the host takes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.virt.events import Stopped

NICE = 20
"""Of a boot: it has time, and libvirt's own work, that a domain is held before its disk boots, has none."""

_AT_ONCE = 4 * (os.cpu_count() or 1)  # of more, servers would not be answered in time
_GRACE = 10.0  # s for boots to end by themselves
_START = "from pypxeboot.commands.virt import run; run()"


@dataclass
class WatchedDomain:
    """One domain: the process that boots it, and how its machine ended last.

    ``ran``: it was started since that process began; ``stopped``: and is off again. ``paused``: it is to
    begin paused; ``rebooted``: the boot is that of a guest that ran before. Boots of it that ``failed`` did
    so since ``failing``, and the next is at ``due`` (of time.monotonic).
    """

    uuid: str
    name: str
    child: Optional[subprocess.Popen[bytes]] = None
    waits: bool = False
    replaces: bool = False
    connection: int = 0
    ended: Optional[str] = None
    ran: bool = False
    stopped: Optional[Stopped] = None
    paused: bool = False
    rebooted: bool = False
    failed: int = 0
    failing: float = 0.0
    due: Optional[float] = None

    @property
    def is_booting(self) -> bool:
        """Whether its boot is under way, or waits for a place."""
        return self.waits or self.child is not None


@dataclass(frozen=True)
class Boots:
    """Begins and ends the processes (``pypxeboot-virt start``); ``words`` are options for each boot.

    ``by`` is the command that they are for: ``run``, with the name of its domain among the words, or
    ``watch``.
    """

    words: Sequence[str]
    by: str

    def start(self, guests: Iterable[WatchedDomain], connection: int) -> None:
        """Begin boots of those that wait; ``connection`` is the number of that to libvirt."""
        known = list(guests)
        free = _AT_ONCE - sum(guest.child is not None for guest in known)
        for guest in [guest for guest in known if guest.waits][: max(free, 0)]:
            guest.child = self._begin(guest)
            guest.waits, guest.connection, guest.ran, guest.stopped = False, connection, False, None

    def _begin(self, guest: WatchedDomain) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-c", _START, "start", *self.words, "--supervised", guest.name]
        argv += ["--by", self.by, *(["--replace"] if guest.replaces else [])]
        argv += ["--paused"] if guest.paused else []
        if self.by == "run":
            return subprocess.Popen(argv)
        argv = ["nice", "-n", str(NICE), *argv, "--quiet", guest.uuid]
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL)

    @staticmethod
    def ended(guests: Iterable[WatchedDomain]) -> list[tuple[WatchedDomain, int]]:
        """Return those whose boot has ended since, each with the exit code."""
        found = []
        for guest in guests:
            status = None if guest.child is None else guest.child.poll()
            if status is not None:
                guest.child = None
                found.append((guest, status))
        return found

    @staticmethod
    def end(guests: Iterable[WatchedDomain]) -> None:
        """End all that are under way."""
        children = [guest.child for guest in guests if guest.child is not None]
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
