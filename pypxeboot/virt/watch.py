"""``pypxeboot-virt run`` and ``watch``: domains that boot from the network whenever their machine begins.

As on metal each reboot asks the network anew: "install, reboot, local disk". QEMU would boot the same kernel
again, in the same process; so a domain runs with on_reboot=destroy, and is started again when it ended by a
reset. Boots are processes of their own (``pypxeboot-virt start``): many at once, and none can take the others
with it.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.errors import Aborted, HandoverError, PxeBootError, UsageError
from pypxeboot.limits import NOTICE
from pypxeboot.text import printable
from pypxeboot.virt import (
    boot_files,
    domain_xml,
    hook_files,
    hook_paths,
    live_xml,
    sd_notify,
    start,
    watch_state,
)
from pypxeboot.virt.connection import Connection, DomainHandle, Ended, Event, Events, Lost, Started, Stopped

log = logging.getLogger(__name__)


_AT_ONCE = 4 * (os.cpu_count() or 1)  # boots; of more, servers would not be answered in time
_RECONNECT = 1.0  # s
_YOUNG = 60.0  # s; a guest that runs for longer has gone past its boot, and is not disturbed
_GRACE = 10.0  # s for boots to end by themselves
# How QEMU calls the ends (qapi/run-state.json, ShutdownCause) after which a machine begins anew.
_RESETS = ("guest-reset", "host-qmp-system-reset", "subsystem-reset")
_START = "from pypxeboot.commands.virt import run; run()"


@dataclass
class _WatchedDomain:
    """One domain: the process that boots it, and how its machine ended last.

    ``ran``: it was started since that process began; ``stopped``: and is off again.
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


@dataclass
class Watcher:
    """Has domains booted: the one of UUID ``only``, or those that opt in.

    ``words`` are options for each boot. Connections to libvirt are numbered.
    """

    events: Events
    uri: Optional[str]
    words: Sequence[str]
    marks: watch_state.Marks
    only: Optional[str]
    _connection: Optional[Connection] = None
    _number: int = 0
    _heard: deque[Event] = field(default_factory=deque)
    _guests: dict[str, _WatchedDomain] = field(default_factory=dict)
    _result: Optional[int] = None
    _told: bool = False
    _status: str = ""

    def loop(self) -> int:
        """Until a signal ends it, or the one domain is off."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # that it wakes up
        while self._result is None:
            if self._connection is None:
                self._connect()
            self._reap()
            self._start_boots()
            if self._result is None and not self._heard:
                self.events.wait(_RECONNECT if self._connection is None else None)
            while self._heard and self._result is None:
                self._handle_safely(self._heard.popleft())
        self._end_boots()
        return self._result

    def _stop(self, number: int, _frame: object) -> None:
        log.log(NOTICE, "ended by %s; domains that run go on", signal.Signals(number).name)
        self._result = Aborted.code if self.only else 0

    def _connect(self) -> None:
        try:
            connection = Connection(self.uri)
            connection.watch(self._heard.append)
        except HandoverError as why:
            if not self._told:
                log.warning("%s: waiting for it", why.message)
                self._told = True
            return
        self._connection, self._told = connection, False
        self._number += 1
        self._look_round(connection)
        sd_notify.notify(READY="1")
        log.info("connected to %s", connection.uri)

    def _look_round(self, connection: Connection) -> None:
        """Catch up with what has changed while nobody looked."""
        try:
            targets = {target.uuid: target for target in connection.targets()}
        except HandoverError as why:
            log.warning("%s", why.message)
            return
        for uuid in self.marks.all():
            if uuid not in targets:
                self.marks.remove(uuid)
        for target in targets.values():
            try:
                self._look_at(target)
            except PxeBootError as why:  # it may be gone by now
                log.warning("%s", why.message)
        boot_files.sweep(lambda: start.needed(connection))

    def _look_at(self, target: DomainHandle) -> None:
        if self._is_booting(target.uuid) or not self._wants(target):
            return
        if target.is_active():
            age = target.age()
            self._runs(target, fresh=age is not None and age < _YOUNG)
        elif target.uuid in self.marks:
            # What QEMU said last counts: where libvirtd was killed just then, it calls the guest crashed.
            why, ended = target.why_stopped(), self._guest(target).ended
            if ended in _RESETS or (ended is None and why in ("shutdown", "unknown")):
                log.log(NOTICE, "domain %s ended while nobody looked", printable(target.name))
                self.boot(target)
            else:
                self._off(self._guest(target), why)

    def _handle_safely(self, event: Event) -> None:
        try:
            self._hear(event)
        except PxeBootError as why:
            log.warning("%s", why.message)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Lost):
            if self._connection is not None:
                log.warning("the connection to libvirt broke")
                self._connection.close()
            self._connection = None
            return
        if self._connection is None:
            return
        guest = self._guests.get(event.uuid)
        if isinstance(event, Ended):
            if guest is not None:
                # The first counts: then libvirt ends QEMU by a signal, which is told, too.
                guest.ended = guest.ended or event.reason
        elif isinstance(event, Started):
            self._handle_start(self._connection, event)
        elif guest is not None and guest.child is not None:
            guest.stopped = event if guest.ran else None  # else it made room for the boot
        elif guest is not None and event.uuid in self.marks and not guest.waits:
            self._handle_stop(self._connection, guest, event)

    def _handle_start(self, connection: Connection, event: Started) -> None:
        guest = self._guests.get(event.uuid)
        if guest is not None:
            guest.ended, guest.ran = None, guest.child is not None
        try:
            target = connection.target(event.uuid)
        except UsageError:  # a transient one, gone again
            return
        if self._wants(target) and target.is_active():
            self._runs(target, fresh=event.fresh)

    def _handle_stop(self, connection: Connection, guest: _WatchedDomain, event: Stopped) -> None:
        ended, guest.ended = guest.ended, None
        try:
            target = connection.target(event.uuid)
        except UsageError:
            self._off(guest, "undefined")
            return
        if target.is_active():  # by somebody who was quicker
            return
        if event.why == "shutdown" and (ended is None or ended in _RESETS) and self._wants(target):
            log.log(NOTICE, "domain %s reboots", printable(guest.name))
            self.boot(target)
        else:
            self._off(guest, event.why)

    def _wants(self, target: DomainHandle) -> bool:
        """Whether this domain is one to look after."""
        if self.only is not None:
            return target.uuid == self.only
        if not target.is_persistent():
            return False
        try:
            return domain_xml.domain(domain_xml.parse(target.stored_xml())).wish is not None
        except UsageError as why:
            log.error("domain %s: %s", printable(target.name), why.message)
            return False

    def _runs(self, target: DomainHandle, *, fresh: bool) -> None:
        """Note that a domain runs: by our boot, or by somebody else, which boots nothing from the network."""
        live = domain_xml.parse(target.live_xml())
        files = hook_paths.files(live)
        if not live_xml.is_ours(live) and (files is None or not hook_files.exist(files)):
            if self._is_booting(target.uuid):
                return  # its boot will say that it runs
            guest = self._guests.get(target.uuid)
            if fresh or (guest is not None and guest.replaces and not guest.ran):
                log.log(NOTICE, "domain %s was started", printable(target.name))
                target.suspend()  # it has not come far, and shall not until its boot ends it
                self.boot(target, replaces=True)
                return
            log.log(NOTICE, "domain %s runs: its next boot is from the network", printable(target.name))
        self._guest(target)
        self.marks.add(target.uuid)
        if live.findtext("on_reboot") != "destroy":
            target.end_at_reboot()

    def _guest(self, target: DomainHandle) -> _WatchedDomain:
        return self._guests.setdefault(target.uuid, _WatchedDomain(target.uuid, target.name))

    def _is_booting(self, uuid: str) -> bool:
        guest = self._guests.get(uuid)
        return guest is not None and (guest.waits or guest.child is not None)

    def boot(self, target: DomainHandle, *, replaces: bool = False) -> None:
        """Have a domain booted; ``replaces``: it runs, by other means."""
        guest = self._guest(target)
        self.marks.add(guest.uuid)
        guest.name, guest.waits, guest.replaces, guest.ended = target.name, True, replaces, None

    def _start_boots(self) -> None:
        free = _AT_ONCE - sum(guest.child is not None for guest in self._guests.values())
        for guest in [guest for guest in self._guests.values() if guest.waits][: max(free, 0)]:
            argv = [sys.executable, "-c", _START, "start", *self.words, "--supervised", guest.name]
            argv += [] if self.only else ["--quiet", guest.uuid]
            argv += ["--replace"] if guest.replaces else []
            guest.child = subprocess.Popen(argv, stdin=None if self.only else subprocess.DEVNULL)
            guest.waits, guest.connection, guest.ran, guest.stopped = False, self._number, False, None
        booting = sum(self._is_booting(uuid) for uuid in self._guests)
        status = f"{len(self.marks.all())} domains, of which {booting} boot"
        if status != self._status:
            sd_notify.notify(STATUS=status)
            self._status = status

    def _reap(self) -> None:
        for guest in list(self._guests.values()):
            status = None if guest.child is None else guest.child.poll()
            if status is not None:
                guest.child = None
                try:
                    self._handle_boot_end(guest, status)
                except UsageError:
                    self._off(guest, "undefined", status)
                except PxeBootError as why:
                    log.warning("%s", why.message)

    def _handle_boot_end(self, guest: _WatchedDomain, status: int) -> None:
        """Go on after the boot of a domain has ended."""
        connection = self._connection
        if connection is not None and not connection.is_alive():
            self._heard.append(Lost())
            connection = None
        if connection is None or (status == HandoverError.code and guest.connection != self._number):
            # Whatever came of it: libvirt will say so. If it was the connection's fault, once more.
            if not guest.ran:
                guest.ended = None  # that was of the run that made room
            if connection is not None:
                self._look_at(connection.target(guest.uuid))
            return
        target = connection.target(guest.uuid)
        if target.is_active():
            self._look_at(target)
        elif status:
            log.error("domain %s is not started", printable(guest.name))
            self._off(guest, "failed", status)
        elif guest.stopped is not None:  # it was quick; if not, that is still to be heard
            self._heard.append(guest.stopped)

    def _off(self, guest: _WatchedDomain, why: str, status: int = 0) -> None:
        """Forget a domain that is off, and stays so."""
        log.log(NOTICE, "domain %s is off (%s)", printable(guest.name), why)
        self.marks.remove(guest.uuid)
        self._guests.pop(guest.uuid, None)
        connection = self._connection
        if connection is not None:
            boot_files.sweep(lambda: start.needed(connection))
        if self.only is not None:
            self._result = status

    def _end_boots(self) -> None:
        sd_notify.notify(STOPPING="1")
        children = [guest.child for guest in self._guests.values() if guest.child is not None]
        for child in children:
            child.terminate()
        for child in children:
            try:
                child.wait(_GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
