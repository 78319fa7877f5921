"""What happens to domains: libvirt's events, what they mean together, and what has to be done at once.

The numbers are those of libvirt-domain.h (virDomainEventType and its details).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Optional, Union

from pypxeboot.dataclass import dataclass
from pypxeboot.virt import qemu_process

_DEFINED, _UNDEFINED, _STARTED, _RESUMED, _STOPPED = 0, 1, 2, 4, 5
_STARTED_BOOTED, _STARTED_FROM_SNAPSHOT, _RESUMED_UNPAUSED = 0, 3, 0
_WHY = ("shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "snapshot")
_THREADS = 20
_PATIENCE = 0.1  # s; a firmware takes longer until it looks at the disk
_POLL = 0.01  # s
_HELD_AFTER = 10.0  # s; libvirt has then no time for it


@dataclass(frozen=True)
class Started:
    """A domain runs. ``fresh``: from its beginning, not restored or migrated; ``paused``: not yet let go.

    ``held`` is the suspension that whoever watches had begun by then, if any.
    """

    uuid: str
    fresh: bool
    paused: bool = False
    held: Optional[Future[Any]] = None


@dataclass(frozen=True)
class Defined:
    """A definition, or the metadata in it, is new, was changed, or is gone."""

    uuid: str


@dataclass(frozen=True)
class Ended:
    """The machine of a domain came to its end, by what QEMU calls ``guest-reset``, ``guest-shutdown``..."""

    uuid: str
    reason: str


@dataclass(frozen=True)
class Stopped:
    """A domain runs no more; ``why`` is one of ``shutdown``, ``destroyed``, ``crashed``, ``failed``..."""

    uuid: str
    why: str


@dataclass(frozen=True)
class Lost:
    """The connection to libvirt broke."""


Event = Union[Started, Defined, Ended, Stopped, Lost]


def is_done(held: Future[Any]) -> bool:
    """Wait until a domain is suspended; False where that failed: it may be gone."""
    try:
        return held.exception(_HELD_AFTER) is None
    except FutureTimeout:
        return False


class LifecycleEvents:
    """What libvirt's lifecycle events mean together.

    A machine that begins is resumed, then started; one that is restored, or begins paused, is started first.
    So a domain is suspended at the earlier of both, and by a thread: libvirt has the call wait for the end of
    the start, and twenty may begin at a time. Where libvirtd is too busy with starts for that, the domain is
    ended: its boot would begin with that, too.
    """

    def __init__(
        self, tell: Callable[[Event], None], holds: Callable[[str], bool], kills: Callable[[str], object]
    ) -> None:
        self._tell, self._holds, self._kills = tell, holds, kills
        self._runs: set[str] = set()
        self._begins: set[str] = set()
        self._held: dict[str, Future[Any]] = {}
        self._threads, self._others = ThreadPoolExecutor(_THREADS), ThreadPoolExecutor(_THREADS)

    def _hold(self, domain: Any) -> Future[Any]:
        """Have a domain suspended; the future fails where it is ended instead."""
        held = self._threads.submit(domain.suspend)
        self._others.submit(self._end, domain, held, time.monotonic() + _PATIENCE)
        return held

    def _end(self, domain: Any, held: Future[Any], end: float) -> None:
        """End a domain that is started and, at ``end``, not suspended: it is killed."""
        wait([held], max(end - time.monotonic(), 0.0))
        while not held.done() and str(domain.UUIDString()) not in self._runs:
            time.sleep(_POLL)  # until the start is done, which would fail
        with suppress(OSError, ValueError):
            if not held.done():
                name = str(domain.name())
                pid = qemu_process.process(name)
                if qemu_process.processors(pid):  # it is QEMU
                    self._kills(str(domain.UUIDString()))
                    qemu_process.kill(name, pid)

    def run(self, uuids: Iterable[str]) -> None:
        """Note domains that run already."""
        self._runs.update(map(str, uuids))

    def hear(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        """Hear an event."""
        uuid = str(domain.UUIDString())
        if event == _RESUMED and uuid not in self._runs:
            if detail == _RESUMED_UNPAUSED:
                self._begins.add(uuid)
                if self._holds(uuid):
                    qemu_process.slow_down(str(domain.name()))
                    self._held[uuid] = self._hold(domain)
        elif event == _STARTED:
            begins = uuid in self._begins
            boots = detail == _STARTED_BOOTED
            fresh = boots or (begins and detail == _STARTED_FROM_SNAPSHOT)
            self._begins.discard(uuid)
            self._runs.add(uuid)
            self._tell(Started(uuid, fresh, boots and not begins, self._held.pop(uuid, None)))
        elif event == _STOPPED:
            for known in (self._runs, self._begins):
                known.discard(uuid)
            self._tell(Stopped(uuid, _WHY[detail] if detail < len(_WHY) else "failed"))
        elif event in (_DEFINED, _UNDEFINED):
            self._tell(Defined(uuid))


class Events:
    """What happens to domains, and signals, one after the other. Made before the first connection.

    libvirt's event loop has a thread of its own: what has to be done at once is done there, whatever the
    others wait for. ``run_once`` is a round of it, and returns less than 0 where it fails.
    """

    def __init__(self, run_once: Callable[[], int]) -> None:
        self._queue: SimpleQueue[Optional[Event]] = SimpleQueue()
        threading.Thread(target=self._run, args=(run_once,), daemon=True).start()

    def _run(self, run_once: Callable[[], int]) -> None:
        while run_once() >= 0:
            pass
        self.tell(Lost())

    def tell(self, event: Event) -> None:
        """Put an event at the end."""
        self._queue.put(event)

    def wake(self, *_signal: object) -> None:
        """Have :meth:`wait` return; it may be a handler of signals."""
        self._queue.put(None)

    def wait(self, seconds: Optional[float]) -> Optional[Event]:
        """Return the next event; None after a signal, or after ``seconds``."""
        with suppress(Empty):
            return self._queue.get(timeout=seconds)
        return None
