"""Boot when it is a boot's turn, and once more when busy servers turned it away: then fewer at a time.

A server that has enough to do says so by 503, by an error, or not at all. While others boot from its network
that is no failure: who was turned away waits, and the network has half as many boots at a time from then on,
and slowly more again. Each network has its own number, so that no server slows down the guests of another.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import ExitStack, suppress
from typing import Optional

from pypxeboot.guest import Guest
from pypxeboot.host import admission, session
from pypxeboot.host.admission import Place
from pypxeboot.host.gate import Folder, Gate
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE
from pypxeboot.plan import HostPlan, Plan
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult, EntryList
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# What the client tells of a request that a server was too busy for: it says so itself, or nothing at all.
_SAYS_BUSY = re.compile(r"\b(503|429)\b|TFTP error 3")
_SILENT = re.compile(r"no answer from TFTP|fallen silent|not (done|finished) in time")
_LIMIT = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?")  # as it stands in a file
_UNSAFE = re.compile("[^A-Za-z0-9_-]")  # in the name of a folder
_TRIES = 10  # of one boot
_STEP = 0.25  # by which the number grows when as many have booted; or it would soon be too large again
_LONGEST_PAUSE = 16.0  # s between two of them; the first is of a second
# A silent server that nobody has booted from for so long is not busy, but off; and one of which nobody
# complains has recovered.
_SECONDS = 60.0
_UNLIMITED = 1000


class SharedServers:
    """The servers on the network of one bridge and VLAN, and the boots of this host that ask them."""

    def __init__(self, guest: Guest) -> None:
        # Bridges of one name in several network namespaces are several networks.
        namespace = os.stat("/proc/self/ns/net").st_ino  # noqa: PTH116
        where = f"{guest.bridge or guest.interface or 'host'}.{guest.vlan or 0}.{namespace}"
        self.name = printable(guest.bridge or guest.interface or "this host", 40)
        self._folder = Folder(admission.DIRECTORY / f"on-{_UNSAFE.sub('.', where)}")
        self._gate = Gate(self._folder, self._limit)
        self._began = 0.0

    def enter(self, place: Place) -> None:
        """Wait until the servers of the network may be asked once more. ``place`` is free meanwhile."""
        with suppress(OSError):  # somebody removed the folder: then nobody is waited for
            if not self._gate.try_enter():
                place.pass_on()
                self._gate.enter(place.tell)
                place.enter()
        self._began = time.time()

    def leave(self) -> None:
        """Let another boot ask the servers."""
        self._gate.leave()

    def booted(self) -> None:
        """Note that its servers have booted a guest: one more may ask them, by and by."""
        with suppress(OSError), self._folder.locked("lock"):
            self._folder.write("booted", "")
            limit = self._read()
            if limit is not None:
                self._folder.write("limit", f"{limit + _STEP / limit:.3f}")

    def is_busy(self, why: BootFailed) -> bool:
        """Whether a boot has failed because others boot, too; then there are fewer of them from now on."""
        told = [request.result for request in why.failure.requests]
        silent = self._age("booted") < _SECONDS and any(map(_SILENT.search, told))  # else it is off
        with suppress(OSError):
            others = self._gate.count() - 1
            if others < 1 or not (silent or any(map(_SAYS_BUSY.search, told))):
                return False
            with self._folder.locked("lock"):
                # Those that were turned away at the same time tell the same story.
                if self._read() is None or self._age("limit") > time.time() - self._began:
                    self._folder.write("limit", str(max(1, (others + 1) // 2)))
            return True
        return False

    def _limit(self) -> int:
        limit = self._read()
        return _UNLIMITED if limit is None else int(limit)

    def _read(self) -> Optional[float]:
        """Return how many boots the servers answer at a time, None where nobody complained lately."""
        text = self._folder.read("limit")
        if not _LIMIT.fullmatch(text) or self._age("limit") > _SECONDS:
            return None
        return max(float(text), 1.0)

    def _age(self, name: str) -> float:
        """Return how many seconds ago a file was written."""
        with suppress(OSError):
            return max(time.time() - (self._folder.path / name).stat().st_mtime, 0.0)
        return _UNLIMITED * _SECONDS


def resolve(
    host: HostPlan,
    plan: Plan,
    process: Optional[ClientProcess],
    store: Store,
    entries: Optional[EntryList] = None,
) -> BootResult:
    """Boot as :func:`session.resolve` does, when it is this boot's turn.

    Raises PxeBootError and BootFailed.
    """
    with ExitStack() as undo:
        place = process.place if process is not None else admission.enter(host.max_boots)
        servers = None
        if place is None:
            return session.resolve(host, plan, process, store, entries)
        undo.callback(place.leave)
        place.begin()
        with suppress(OSError):
            servers = SharedServers(plan.guest)
            undo.callback(servers.leave)
        for tried in range(_TRIES):
            if servers is not None:
                servers.enter(place)
            try:
                beat = place.pass_on_when_slow
                result = session.resolve(host, plan, process, store, entries, beat=beat)
                break
            except BootFailed as why:
                again = tried + 1 < _TRIES and not plan.interactive and host.capture_file is None
                if not again or servers is None or not servers.is_busy(why):
                    raise
                log.log(NOTICE, "%s: the servers of %s are busy, others boot first", why, servers.name)
            servers.leave()
            place.pass_on()
            store.clear()
            if entries is not None:
                entries.clear()
            process = None
            time.sleep(min(2.0**tried, _LONGEST_PAUSE))
            place.enter()
        place.booted()
        if servers is not None:
            servers.booted()
        return result
