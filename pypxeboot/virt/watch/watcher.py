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
import time
from contextlib import suppress
from typing import Optional

from pypxeboot.config.retry import WORTHWHILE
from pypxeboot.config.settings import BootSettings
from pypxeboot.dataclass import dataclass, field
from pypxeboot.errors import Aborted, HandoverError, PxeBootError, UsageError
from pypxeboot.limits import NOTICE
from pypxeboot.text import printable
from pypxeboot.virt import boot, boot_files, domain_xml, start
from pypxeboot.virt.connection import Connection, DomainHandle
from pypxeboot.virt.events import Defined, Ended, Event, Events, Lost, Started, Stopped, is_done
from pypxeboot.virt.hook import holder
from pypxeboot.virt.records import marks, ongoing, sd_notify
from pypxeboot.virt.records.marks import HELD, PAUSED, RETRIED, Marks
from pypxeboot.virt.watch.boots import Boots, WatchedDomain
from pypxeboot.virt.watch.opted_in import OptedIn, is_served

log = logging.getLogger(__name__)


_RECONNECT = 1.0  # s
_NICE = 10  # of the watch below all else, as its boots are above it
_YOUNG = 60.0  # s; a guest that runs for longer has gone past its boot, and is not disturbed
_SWEPT_AFTER = 0.5  # s in which others may end, too: every sweep asks for all domains
_PROGRESS_SECONDS = 10.0  # between words about how many of a rack have booted
_FORMER, _LOOK = 10.0, 0.02  # s for the boots of a watch that was killed to end, and between two looks
# How QEMU calls the ends (qapi/run-state.json, ShutdownCause) after which a machine begins anew.
_RESETS = ("guest-reset", "host-qmp-system-reset", "subsystem-reset")


@dataclass
class Watcher:
    """Has domains booted: the one of UUID ``only``, or those that opt in.

    ``boots`` have the options of each boot, as ``settings`` do. Connections to libvirt are numbered.
    """

    events: Events
    uri: Optional[str]
    settings: BootSettings
    boots: Boots
    marks: Marks
    only: Optional[str]
    _connection: Optional[Connection] = None
    _number: int = 0
    _guests: dict[str, WatchedDomain] = field(default_factory=dict)
    _opted_in: OptedIn = field(default_factory=OptedIn)
    _heard: set[str] = field(default_factory=set)  # the UUIDs of domains of whose start we know
    _sweep_at: Optional[float] = None
    _result: Optional[int] = None
    _told: bool = False
    _status: str = ""
    _told_progress: float = 0.0

    def loop(self) -> int:
        """Until a signal ends it, or the one domain is off."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, self.events.wake)
        if self.only is None:
            with suppress(OSError):
                os.nice(-_NICE)
        while self._result is None:
            if self._connection is None:
                self._connect()
            self._reap()
            self._start_boots()
            event = self.events.wait(self._patience()) if self._result is None else None
            while event is not None and self._result is None:
                self._handle_safely(event)
                event = self.events.wait(0)
            self._sweep()
        sd_notify.notify(STOPPING="1")
        self.boots.end(self._guests.values())
        if self.only is not None and self.only in self.marks and self._connection is not None:
            with suppress(PxeBootError):  # it is off
                start.let_reboot(self._connection.target(self.only))
        self._sweep(now=True)
        return self._result

    def _patience(self) -> Optional[float]:
        """Return how many seconds there is nothing to do without an event; None: for ever."""
        times = [guest.due for guest in self._guests.values() if guest.due is not None]
        times += [] if self._sweep_at is None else [self._sweep_at]
        seconds = [max(at - time.monotonic(), 0.0) for at in times]
        return min([*seconds, *([_RECONNECT] if self._connection is None else [])], default=None)

    def _sweep(self, *, now: bool = False) -> None:
        """Remove the files that nothing needs any more, if a domain has ended."""
        connection = self._connection
        if (
            connection is not None
            and self._sweep_at is not None
            and (now or time.monotonic() >= self._sweep_at)
        ):
            self._sweep_at = None
            boot_files.sweep(lambda: start.needed(connection))

    def _stop(self, number: int, _frame: object) -> None:
        log.log(NOTICE, "ended by %s; domains that run go on", signal.Signals(number).name)
        self._result = Aborted.code if self.only else 0
        self.events.wake()

    def _connect(self) -> None:
        try:
            connection = Connection(self.uri)
            connection.watch(self.events.tell, self._holds, self._kills)
        except HandoverError as why:
            if not self._told:
                log.warning("%s: waiting for it", why.message)
                self._told = True
            return
        self._connection, self._told = connection, False
        self._number += 1
        self.marks.connected(True)
        self._look_round(connection)
        sd_notify.notify(READY="1")
        log.info("connected to %s", connection.uri)

    def _look_round(self, connection: Connection) -> None:
        """Catch up with what has changed while nobody looked."""
        self._await_former_boots()
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
                self._opted_in.read(target)
                self._look_at(target)
                self._heard.update([target.uuid] if target.is_active() else [])
            except PxeBootError as why:  # it may be gone by now
                log.warning("%s", why.message)
        self._sweep_at = time.monotonic()

    def _await_former_boots(self) -> None:
        """Wait for the boots of a watch that was killed to end: they have been told to (fork_server.py)."""
        own = {uuid for uuid, guest in self._guests.items() if guest.is_booting}
        end = time.monotonic() + _FORMER
        while self.only is None and ongoing.of("watch") - own and time.monotonic() < end:
            time.sleep(_LOOK)

    def _look_at(self, target: DomainHandle) -> None:
        if self._is_booting(target.uuid):
            return
        if not self._wants(target):
            self._leave(target)
            return
        word = self.marks.word(target.uuid)
        if target.is_active():
            age = target.age()
            begins = age is not None and age < _YOUNG and not target.goes_on()
            young = begins or marks.is_held(target.uuid)
            paused = word == PAUSED or (young and word != HELD and target.is_paused())
            self._runs(target, fresh=young or word in (HELD, PAUSED), paused=paused)
        elif target.uuid in self.marks:
            # What QEMU said last counts: where libvirtd was killed just then, it calls the guest crashed.
            guest, why = self._guest(target), target.why_stopped()
            ended = guest.ended
            rebooted = ended in _RESETS or (ended is None and why in ("shutdown", "unknown"))
            if rebooted or (word in (RETRIED, HELD, PAUSED) and guest.due is None):
                what = "is to be booted" if word else "ended while nobody looked"
                log.log(NOTICE, "domain %s %s", printable(target.name), what)
                self.boot(target, paused=word == PAUSED, rebooted=True)
            elif guest.due is None:
                self._off(guest, why)

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
            self.marks.connected(False)
            return
        if self._connection is None:
            return
        if isinstance(event, Stopped):
            self._heard.discard(event.uuid)
            if event.why == "saved":
                start.hold_files(self._connection, event.uuid)  # before anybody starts it anew
        guest = self._guests.get(event.uuid)
        if isinstance(event, Ended):
            if guest is not None:
                # The first counts: then libvirt ends QEMU by a signal, which is told, too.
                guest.ended = guest.ended or event.reason
        elif isinstance(event, Started):
            self._handle_start(self._connection, event)
        elif isinstance(event, Defined):
            self._handle_definition(self._connection, event.uuid)
        elif guest is not None and guest.child is not None:
            guest.stopped = event if guest.ran else None  # else it made room for the boot
        elif guest is not None and guest.waits and guest.replaces and event.why == "destroyed":
            self._off(guest, event.why)  # while it was held for its boot
        elif guest is not None and event.uuid in self.marks and not guest.waits and guest.due is None:
            self._handle_stop(self._connection, guest, event)

    def _holds(self, uuid: str) -> bool:
        """Whether a domain that begins to run is to be suspended at once: its boot is still to come."""
        if self.only is not None or self._is_booting(uuid):
            return False
        return self._opted_in.waits_for_boot(uuid) or self._opted_in.error(uuid) != ""

    def _kills(self, uuid: str) -> None:
        """Leave the boot of a domain that is about to be killed to the next watch, if this one ends, too."""
        if self._opted_in.waits_for_boot(uuid):
            marks.leave(uuid)

    def _handle_definition(self, connection: Connection, uuid: str) -> None:
        try:
            target = connection.target(uuid)
            self._opted_in.read(target)
            if self._is_known(uuid) and uuid not in self.marks and target.is_active():
                age = target.age()
                opts_in_now = uuid in self._heard and not marks.is_held(uuid)
                if opts_in_now or is_served(target) or (age is not None and age >= _YOUNG):
                    self._runs(target, fresh=False)  # it opts in now, or arrived
            elif not self._is_known(uuid):
                self._look_at(target)
        except UsageError:  # it is gone
            self._opted_in.forget(uuid)
        guest = self._guests.get(uuid)
        if guest is not None and guest.due is not None and not self._is_known(uuid):
            self._off(guest, "it does not opt in any more")

    def _handle_start(self, connection: Connection, event: Started) -> None:
        guest = self._guests.get(event.uuid)
        if guest is not None:
            guest.ended, guest.ran = None, guest.child is not None
        held = event.held is not None and is_done(event.held)
        try:
            target = connection.target(event.uuid)
        except UsageError:  # a transient one, gone again
            return
        if not self._is_known(event.uuid) and not target.is_persistent():
            self._opted_in.read(target)  # it tells
        error = self._opted_in.error(event.uuid)
        if error and (event.fresh or held) and self.only is None:
            log.error("domain %s is ended: %s", printable(target.name), error)
            target.destroy()
        elif self._wants(target) and event.held is not None and not is_served(target):
            self._boot_started(target)  # whether it is suspended or was destroyed
        elif self._wants(target):
            self._runs(target, fresh=event.fresh, paused=event.paused, held=held)
        elif self.only is None:
            self._let_go(target, held=held)
        self._heard.add(event.uuid)

    def _leave(self, target: DomainHandle) -> None:
        """Have a guest that does not opt in any more reboot by itself."""
        uuid = target.uuid
        if uuid in self.marks and target.is_active() and not self._opted_in.error(uuid):
            log.log(NOTICE, "domain %s does not opt in any more: it is left alone", printable(target.name))
            self.marks.remove(uuid)
            self._guests.pop(uuid, None)
            start.let_reboot(target)

    @staticmethod
    def _let_go(target: DomainHandle, *, held: bool) -> None:
        """Have a domain go on that the hook may have bounded, and we have suspended where it is ``held``."""
        holder.release(target.uuid, target.name)
        if held:
            target.resume()

    def _handle_stop(self, connection: Connection, guest: WatchedDomain, event: Stopped) -> None:
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
            self.boot(target, rebooted=True)
        else:
            self._off(guest, event.why)

    def _wants(self, target: DomainHandle) -> bool:
        """Whether this domain is one to look after."""
        return self._is_known(target.uuid)

    def _is_known(self, uuid: str) -> bool:
        return uuid == self.only if self.only is not None else uuid in self._opted_in

    def _runs(self, target: DomainHandle, *, fresh: bool, paused: bool = False, held: bool = False) -> None:
        """Note that a domain runs: by our boot, or by somebody else, which boots nothing from the network.

        ``paused``: it began so; ``held``: it is suspended until that is known.
        """
        if not is_served(target):
            if self._is_booting(target.uuid):
                return  # its boot will say that it runs
            if not target.is_active():  # it has ended meanwhile, which is still to be heard
                if self.marks.was_left(target.uuid):  # by the hook, for its boot
                    self._boot_started(target)
                return
            guest = self._guests.get(target.uuid)
            if fresh or (guest is not None and guest.replaces and not guest.ran):
                if not (held or marks.is_held(target.uuid)):
                    with suppress(HandoverError):  # it may just have ended
                        target.suspend()  # it has not come far, and shall not until its boot ends it
                self._boot_started(target, paused=paused)
                return
            log.log(NOTICE, "domain %s runs: its next boot is from the network", printable(target.name))
        guest = self._guest(target)
        guest.due, guest.failed = None, 0
        self.marks.add(target.uuid)
        if domain_xml.parse(target.live_xml()).findtext("on_reboot") != "destroy":
            target.set_on_reboot(restart=False)
        self._let_go(target, held=held)

    def _guest(self, target: DomainHandle) -> WatchedDomain:
        return self._guests.setdefault(target.uuid, WatchedDomain(target.uuid, target.name))

    def _is_booting(self, uuid: str) -> bool:
        guest = self._guests.get(uuid)
        return guest is not None and guest.is_booting

    def boot(
        self, target: DomainHandle, *, replaces: bool = False, paused: bool = False, rebooted: bool = False
    ) -> None:
        """Have a domain booted; ``replaces``: it runs, by other means; ``paused``: it is to begin so."""
        guest = self._guest(target)
        self.marks.add(guest.uuid, (PAUSED if paused else HELD) if replaces else RETRIED if rebooted else "")
        guest.name, guest.waits, guest.replaces, guest.ended = target.name, True, replaces, None
        guest.paused, guest.rebooted, guest.failed, guest.due = paused, rebooted, 0, None

    def _boot_started(self, target: DomainHandle, *, paused: bool = False) -> None:
        self.boot(target, replaces=True, paused=paused)
        log.log(NOTICE, "domain %s was started", printable(target.name))

    def _start_boots(self) -> None:
        guests = list(self._guests.values())
        for guest in guests:
            if guest.due is not None and guest.due <= time.monotonic():
                guest.due, guest.waits = None, True
            if guest.waits and self.marks.is_cancelled(guest.uuid):
                self._off(guest, "its boot was cancelled")
                if guest.replaces and self._connection is not None:
                    with suppress(PxeBootError):  # it may be gone
                        self._connection.target(guest.uuid).destroy()  # it was held for that
        self.boots.start(self._guests.values(), self._number)
        booting = sum(guest.is_booting for guest in self._guests.values())
        status = f"{len(self.marks.all())} domains, of which {booting} boot"
        progress = self.boots.progress(self._guests.values())
        if progress and time.monotonic() >= self._told_progress + _PROGRESS_SECONDS:
            self._told_progress = time.monotonic()
            log.log(NOTICE, "%s", progress)
        status += f": {progress}" if progress else ""
        if status != self._status:
            sd_notify.notify(STATUS=status)
            self._status = status

    def _reap(self) -> None:
        for guest, status in self.boots.ended(self._guests.values()):
            try:
                self._handle_boot_end(guest, status)
            except UsageError:
                self._off(guest, "undefined", status)
            except PxeBootError as why:
                log.warning("%s", why.message)

    def _handle_boot_end(self, guest: WatchedDomain, status: int) -> None:
        """Go on after the boot of a domain has ended."""
        connection = self._connection
        if connection is not None and not connection.is_alive():
            self.events.tell(Lost())
            connection = None
        if connection is None or (status == HandoverError.code and guest.connection != self._number):
            # Whatever came of it: libvirt will say so. If it was the connection's fault, once more.
            if not guest.ran:
                guest.ended = None  # that was of the run that made room
            if connection is not None:
                self._look_at(connection.target(guest.uuid))
            return
        target = connection.target(guest.uuid)
        if status and guest.replaces and not guest.ran and not is_served(target):
            with suppress(HandoverError):  # it may just have ended
                target.destroy()  # its boot ended before that: nobody else would let it go
        if target.is_active():
            self._look_at(target)
        elif status:
            self._handle_failure(guest, target, status)
        elif guest.stopped is not None:  # it was quick; if not, that is still to be heard
            self.events.tell(guest.stopped)

    def _handle_failure(self, guest: WatchedDomain, target: DomainHandle, status: int) -> None:
        """Have the boot of a domain tried again, if that is the policy; else it stays off."""
        now, wait = time.monotonic(), None
        guest.failing = now if not guest.failed else guest.failing
        guest.failed += 1
        if status in WORTHWHILE or status == -signal.SIGKILL:  # which comes of too little memory
            about = domain_xml.domain(domain_xml.parse(target.stored_xml()))
            policy = boot.retry_policy(self.settings, about, rebooted=guest.rebooted)
            wait = policy.wait(guest.failed, now - guest.failing)
        shown = printable(guest.name)
        if wait is None:
            log.error("domain %s is not started", shown)
            self._off(guest, "failed", status)
            return
        at = time.strftime("%H:%M:%S", time.localtime(time.time() + wait))
        text = "domain %s is not started: the next try is in %g s, at %s (pypxeboot-virt cancel %s ends that)"
        log.error(text, shown, wait, at, shown)
        self.marks.add(guest.uuid, RETRIED)
        guest.due, guest.replaces = now + wait, False

    def _off(self, guest: WatchedDomain, why: str, status: int = 0) -> None:
        """Forget a domain that is off, and stays so."""
        log.log(NOTICE, "domain %s is off (%s)", printable(guest.name), why)
        self.marks.remove(guest.uuid)
        self._guests.pop(guest.uuid, None)
        self._sweep_at = self._sweep_at or time.monotonic() + _SWEPT_AFTER
        if self.only is not None:
            self._result = status
