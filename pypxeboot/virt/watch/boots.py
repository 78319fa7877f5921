"""The boots of watched domains: each a process of its own, and no more at once than the host takes."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Optional, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.host import admission
from pypxeboot.privsep.fork_server import ForkedProgram, ForkServer
from pypxeboot.text import printable
from pypxeboot.virt.events import Stopped

log = logging.getLogger(__name__)

NICE = 10
"""Of a boot: it has time, and libvirt's own work, that a domain is held before its disk boots, has none."""

_GRACE = 10.0  # s for boots to end by themselves
_AGAIN = 5.0  # s after which a boot is begun again that could not begin
_LOOK = 0.02  # s between looks whether they have
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
    child: Optional[Union[subprocess.Popen[bytes], ForkedProgram]] = None
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


@dataclass
class Boots:
    """Begins and ends the processes (``pypxeboot-virt start``); ``words`` are options for each boot.

    ``by`` is the command that they are for: ``run``, with the name of its domain among the words, or
    ``watch``. ``server`` forks them, if there is one; ``limit`` is how many may be under way on this host
    (as for :func:`admission.enter`).
    """

    words: Sequence[str]
    by: str
    server: Optional[ForkServer] = None
    limit: Optional[int] = None
    _booted: int = 0
    _failed: int = 0

    def start(self, guests: Iterable[WatchedDomain], connection: int) -> None:
        """Begin boots of those that wait; ``connection`` is the number of that to libvirt."""
        known = list(guests)
        free = len(known)
        if self.limit != admission.NO_LIMIT:
            most = self.limit or admission.default_limit()
            free = most - sum(guest.child is not None for guest in known)
        for guest in [guest for guest in known if guest.waits][: max(free, 0)]:
            try:
                guest.child = self._begin(guest)
            except OSError as why:  # too many processes, or files
                shown = printable(guest.name)
                log.warning("cannot begin the boot of domain %s: %s: once more soon", shown, why.strerror)
                guest.waits, guest.due = False, time.monotonic() + _AGAIN
                continue
            guest.waits, guest.connection, guest.ran, guest.stopped = False, connection, False, None

    def _begin(self, guest: WatchedDomain) -> Union[subprocess.Popen[bytes], ForkedProgram]:
        words = ["start", *self.words, f"--supervised={guest.uuid}/{guest.name}"]
        words += ["--by", self.by, *(["--replace"] if guest.replaces else [])]
        words += ["--paused"] if guest.paused else []
        program = [sys.executable, "-c", _START]
        if self.by == "run":
            return subprocess.Popen([*program, *words])
        words += ["--quiet"]
        forked = None if self.server is None else self.server.start(words, NICE)
        # The watch is that much above all else, and what it starts itself would be, too.
        niced = ["nice", "-n", str(2 * NICE), *program, *words]
        return forked or subprocess.Popen(niced, stdin=subprocess.DEVNULL)

    def progress(self, guests: Iterable[WatchedDomain]) -> str:
        """Return ``17 of 64 booted, 4 running``, "" where nobody waits."""
        known = [guest for guest in guests if guest.is_booting]
        waiting = sum(guest.child is None for guest in known)
        failed = f", {self._failed} failed" if self._failed else ""
        total = self._booted + self._failed + len(known)
        running = len(known) - waiting
        return f"{self._booted} of {total} booted, {running} running{failed}" if waiting else ""

    def ended(self, guests: Collection[WatchedDomain]) -> list[tuple[WatchedDomain, int]]:
        """Return those whose boot has ended since, each with the exit code."""
        found = []
        if not any(guest.is_booting for guest in guests):
            self._booted = self._failed = 0
        for guest in guests:
            status = None if guest.child is None else guest.child.poll()
            if status is not None:
                guest.child = None
                found.append((guest, status))
                self._failed += status != 0
                self._booted += status == 0
        return found

    @staticmethod
    def end(guests: Iterable[WatchedDomain]) -> None:
        """End all that are under way."""
        children = [guest.child for guest in guests if guest.child is not None]
        for child in children:
            child.send_signal(signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while any(child.poll() is None for child in children) and time.monotonic() < end:
            time.sleep(_LOOK)
        for child in children:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
