"""Fetching by URL.

A table from scheme to client, with limits, one deadline, hashes, progress, and a record of it all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Optional, Protocol, Union

from pypxeboot.effects import Form
from pypxeboot.errors import NotFound, PxeBootError, Refused
from pypxeboot.fetch.progress import Progress
from pypxeboot.limits import Deadline
from pypxeboot.result import Request
from pypxeboot.text import printable, size_text
from pypxeboot.url import Location

log = logging.getLogger(__name__)


# A boot asks for at most this many files: 14 names of the walk, 64 of menus and includes, and those of the
# entry.
MAX_REQUESTS = 256

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
