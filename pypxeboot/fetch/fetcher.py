"""Fetching by URL, with limits, one deadline, hashes, progress, and a record of it all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Optional, Protocol

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Form
from pypxeboot.errors import FetchError, InternalError, NotFound, PxeBootError, Refused
from pypxeboot.fetch.hints import hint_for
from pypxeboot.fetch.progress import Progress
from pypxeboot.fetch.request import Data, FetchRequest, Scheme
from pypxeboot.limits import Deadline
from pypxeboot.result import Request
from pypxeboot.text import printable, size_text
from pypxeboot.url import Location

log = logging.getLogger(__name__)


# A boot asks for at most this many files: 14 names of the walk, 64 of menus and includes, and those of the
# entry.
MAX_REQUESTS = 256

_URL_LIMIT = 16384  # characters of one URL: web servers take 8 KiB
_HEAD_LIMIT = 1 << 40  # the size of a file does not matter where its head is enough


class _Enough(Exception):
    """The head of a file is there."""


class Output(Protocol):
    """A file that downloads are appended to, one behind the other."""

    size: int

    def begin(self) -> None:
        """Start the digest of the next download."""

    def write(self, data: Data) -> None:
        """Append ``data`` to the file."""

    def digest(self) -> str:
        """Return the SHA-256 of the download that began last."""


@dataclass
class _CountedSink:
    """A sink of one request: it counts bytes, and shows them where there is a progress."""

    url: str
    hand_on: Callable[[Data], object]
    progress: Optional[Progress]
    count: int = 0

    def expect(self, size: int) -> None:
        if self.progress is not None:
            self.progress.expect(self.url, size)

    def write(self, data: Data) -> None:
        self.hand_on(data)
        self.count += len(data)
        if self.progress is not None:
            self.progress.advance(self.url, len(data))


class Fetcher:
    """Everything that one boot downloads goes through here.

    ``agent`` is what web servers are told: each loader has its own. ``failures`` are what went wrong last, by
    URL; a file that is not there is no failure of its server. ``told`` is the last line of the log about one.
    """

    def __init__(self, schemes: Mapping[str, Scheme], *, deadline: Deadline, progress: Progress) -> None:
        self._schemes, self.deadline, self._progress = schemes, deadline, progress
        self._lock = threading.Lock()
        self.agent = ""
        self.requests: list[Request] = []
        self.told = ""
        self.failures: dict[str, PxeBootError] = {}

    def small(self, location: Location, limit: int, *, head: bool = False) -> bytes:
        """Return a file; with ``head`` its first ``limit`` bytes, and no more are asked for."""
        pieces = bytearray()

        def keep(data: Data) -> None:
            pieces.extend(data)
            if head and len(pieces) >= limit:
                raise _Enough

        with suppress(_Enough):
            self._get(location, keep, _HEAD_LIMIT if head else limit)
        return bytes(pieces[:limit])

    def into(self, location: Location, output: Output, limit: int) -> tuple[int, str]:
        """Append a file to ``output``; return its own size and SHA-256."""
        output.begin()
        start = output.size
        self._get(location, output.write, limit, shown=True)
        return output.size - start, output.digest()

    def whole(
        self,
        location: Location,
        output: Output,
        limit: int,
        *,
        form: Optional[Form] = None,
        seconds: Optional[float] = None,
        head: Optional[int] = None,
    ) -> Location:
        """Append a file to ``output``, and return where it came from after redirects.

        With ``head`` no more than that many bytes are asked for, give or take a piece.
        """

        def keep(data: Data) -> None:
            output.write(data)
            if head is not None and output.size >= head:
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
        url, began = str(location), time.monotonic()
        deadline = self.deadline.at if seconds is None else min(self.deadline.at, began + seconds)
        sink = _CountedSink(url, write, self._progress if shown else None)
        if shown:
            self._progress.begin(url)
        result = "ok"
        try:
            scheme = self._schemes.get(location.scheme)
            if scheme is None:
                raise self._unsupported_scheme_error(location)
            if len(url) > _URL_LIMIT:
                raise Refused(f"{printable(url)}: a URL of {size_text(len(url))}, which no server takes")
            with self._lock:
                if len(self.requests) >= MAX_REQUESTS:
                    raise Refused(
                        f"more than {MAX_REQUESTS} files in one boot", hint="a configuration that loops?"
                    )
            return scheme(FetchRequest(location, limit, deadline, form, self.agent), sink)
        except NotFound as why:
            result = "not-found"
            why.hint = hint_for(why, location)
            raise
        except PxeBootError as why:
            if isinstance(why, FetchError):
                why.hint = hint_for(why, location)
            self.failures[url] = why
            result = why.message.replace(f"{url}: ", "", 1)
            raise
        except _Enough:
            raise
        except Exception as why:  # an answer that nobody foresaw is the failure of this file alone
            log.debug("where it failed", exc_info=True)
            error = InternalError.of(why)
            result = error.message
            raise FetchError(f"{printable(url)}: {result}", hint=error.hint) from None
        finally:
            if shown:
                self._progress.end(url)
            seconds_taken = round(time.monotonic() - began, 6)
            self._record(Request(url[:_URL_LIMIT], result, sink.count, seconds_taken), shown)

    def _unsupported_scheme_error(self, location: Location) -> Refused:
        shown, scheme = printable(str(location)), location.scheme
        if scheme == "nfs":  # as iPXE may have been built with it
            return Refused(f"{shown}: NFS is not supported", hint="serve the files over HTTP or TFTP")
        return Refused(
            f"{shown}: the scheme {printable(scheme)} is not one of {', '.join(sorted(self._schemes))}"
        )

    def _record(self, request: Request, shown: bool) -> None:
        with self._lock:
            self.requests.append(request)
        if request.result != "ok":
            self.told = f"{printable(request.url, 400)}: {request.result}"
            log.info("%s", self.told)
            return
        rate = f", {size_text(request.bytes / max(request.seconds, 0.001))}/s" if shown else ""
        got = f"{size_text(request.bytes)} in {request.seconds:.3f} s{rate}"
        log.info("%s: %s", printable(request.url, 400), got)
