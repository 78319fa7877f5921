"""Fetching by URL.

A table from scheme to client, with limits, one deadline, hashes, progress, and a record of it all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Optional, Protocol, TextIO, Union

from pypxeboot.artifacts import Request
from pypxeboot.deadline import Deadline
from pypxeboot.effects import Form
from pypxeboot.errors import NotFound, PxeBootError, Refused
from pypxeboot.text import printable, size_text
from pypxeboot.url import Location

# A boot asks for at most this many files: 14 names of the walk, 64 of menus and includes, and those of the
# entry.
MAX_REQUESTS = 256
LOG_LINE_SECONDS = 5.0  # between lines about one download, in a log

log = logging.getLogger(__name__)

Data = Union[bytes, memoryview]


_HEAD_LIMIT = 1 << 40  # the size of a file does not matter where its head is enough


class _Enough(Exception):
    """The head of a file is there."""


class Sink(Protocol):
    """Where files go, one behind the other."""

    size: int

    def begin(self) -> None:
        """The next file starts here."""

    def write(self, data: Data) -> None:
        """Append ``data``."""

    def digest(self) -> str:
        """SHA-256 of the file that began last."""


class Getter(Protocol):
    """A client of one scheme. Raises NotFound, FetchError, Refused.

    ``form`` is what HTTP sends along, ``agent`` what the client calls itself there; the reply is where the
    file came from in the end, None where that is ``location``.
    """

    def __call__(
        self,
        location: Location,
        write: Callable[[Data], object],
        *,
        limit: int,
        deadline: float,
        expect: Callable[[int], None],
        form: Optional[Form],
        agent: str,
    ) -> Optional[Location]:
        """Pass the file to ``write`` in order; tell ``expect`` its size once it is known."""


class Progress:
    """How far the downloads are: one line that moves on a terminal, a line now and then in a log."""

    def __init__(self, stream: TextIO, *, bar: bool) -> None:
        self._stream, self._bar = stream, bar
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}
        self._expected: dict[str, int] = {}
        self._started = self._told = time.monotonic()
        self._width = 0

    def begin(self, name: str) -> None:
        """A download starts."""
        with self._lock:
            if not self._done:
                self._started = self._told = time.monotonic()
            self._done[name] = 0

    def expect(self, name: str, size: int) -> None:
        """Its size is known."""
        with self._lock:
            self._expected[name] = size

    def advance(self, name: str, count: int) -> None:
        """``count`` bytes more have come."""
        with self._lock:
            self._done[name] += count
            now = time.monotonic()
            if now - self._told >= (0.1 if self._bar else LOG_LINE_SECONDS):
                self._told = now
                self._tell(now)

    def end(self, name: str) -> None:
        """It is over, one way or the other."""
        with self._lock:
            self._expected.setdefault(name, self._done.get(name, 0))
            if self._bar and self._width:
                self._stream.write("\r" + " " * self._width + "\r")
                self._stream.flush()
                self._width = 0

    def _tell(self, now: float) -> None:
        done = sum(self._done.values())
        rate = done / max(now - self._started, 0.001)
        known = all(name in self._expected for name in self._done)
        total = sum(self._expected.values()) if known else 0
        share = f" of {size_text(total)}" if total else ""
        line = f"{size_text(done)}{share}, {size_text(rate)}/s"
        if not self._bar:
            log.info("downloading: %s", line)
            return
        if total:
            filled = min(30, 30 * done // total)
            line = f"[{'#' * filled}{'.' * (30 - filled)}] {line}"
        self._stream.write("\r" + line.ljust(self._width))
        self._stream.flush()
        self._width = len(line)


class Fetcher:
    """Everything that one boot downloads goes through here.

    ``agent`` is what web servers are told: each loader has its own.
    """

    def __init__(self, getters: Mapping[str, Getter], *, deadline: Deadline, progress: Progress) -> None:
        self._getters, self.deadline, self._progress = getters, deadline, progress
        self._lock = threading.Lock()
        self.agent = ""
        self.requests: list[Request] = []

    def small(self, location: Location, limit: int, *, head: bool = False) -> bytes:
        """A file in memory; with ``head`` its first ``limit`` bytes, and no more are asked for."""
        pieces = bytearray()

        def keep(data: Data) -> None:
            pieces.extend(data)
            if head and len(pieces) >= limit:
                raise _Enough

        with suppress(_Enough):
            self._get(location, keep, _HEAD_LIMIT if head else limit)
        return bytes(pieces[:limit])

    def into(self, location: Location, sink: Sink, limit: int) -> tuple[int, str]:
        """Append a file to ``sink``; its own size and sha256."""
        sink.begin()
        start = sink.size
        self._get(location, sink.write, limit, shown=True)
        return sink.size - start, sink.digest()

    def whole(
        self,
        location: Location,
        sink: Sink,
        limit: int,
        *,
        form: Optional[Form] = None,
        seconds: Optional[float] = None,
        head: Optional[int] = None,
    ) -> Location:
        """Write a file to ``sink``, and say where it came from after redirects.

        With ``head`` no more than that many bytes are asked for, give or take a piece.
        """

        def keep(data: Data) -> None:
            sink.write(data)
            if head is not None and sink.size >= head:
                raise _Enough

        with suppress(_Enough):
            place = self._get(location, keep, limit, shown=True, form=form, seconds=seconds)
            return place or location
        return location

    def _get(
        self,
        location: Location,
        write: Callable[[Data], object],
        limit: int,
        *,
        shown: bool = False,
        form: Optional[Form] = None,
        seconds: Optional[float] = None,
    ) -> Optional[Location]:
        url, count, began = str(location), 0, time.monotonic()
        getter = self._getters.get(location.scheme)
        deadline = self.deadline.at if seconds is None else min(self.deadline.at, began + seconds)

        def counted(data: Data) -> None:
            nonlocal count
            write(data)
            count += len(data)
            if shown:
                self._progress.advance(url, len(data))

        def expect(size: int) -> None:
            if shown:
                self._progress.expect(url, size)

        if shown:
            self._progress.begin(url)
        result = "ok"
        try:
            if getter is None:
                raise self._unknown(location)
            with self._lock:
                if len(self.requests) >= MAX_REQUESTS:
                    raise Refused(
                        f"more than {MAX_REQUESTS} files in one boot", hint="a configuration that loops?"
                    )
            return getter(
                location,
                counted,
                limit=limit,
                deadline=deadline,
                expect=expect,
                form=form,
                agent=self.agent,
            )
        except NotFound:
            result = "not-found"
            raise
        except PxeBootError as why:
            result = why.message.replace(f"{url}: ", "", 1)
            raise
        finally:
            if shown:
                self._progress.end(url)
            self._record(Request(url, result, count, round(time.monotonic() - began, 6)), shown)

    def _unknown(self, location: Location) -> Refused:
        """There is no client for it."""
        shown, scheme = printable(str(location)), location.scheme
        if scheme == "nfs":  # as iPXE may have been built with it
            return Refused(
                f"{shown}: NFS is not spoken here", hint="let the same files be had by http or tftp"
            )
        return Refused(
            f"{shown}: the scheme {printable(scheme)} is not one of {', '.join(sorted(self._getters))}"
        )

    def _record(self, request: Request, shown: bool) -> None:
        with self._lock:
            self.requests.append(request)
        if request.result != "ok":
            log.info("%s: %s", printable(request.url, 400), request.result)
            return
        rate = f", {size_text(request.bytes / max(request.seconds, 0.001))}/s" if shown else ""
        got = f"{size_text(request.bytes)} in {request.seconds:.3f} s{rate}"
        log.info("%s: %s", printable(request.url, 400), got)
