"""Output files as downloads fill them: counted, and hashed by another thread.

The hash is taken of what is in the file (it is still in memory) and not of what passes by: so the network
is read while another processor hashes, and what is hashed is what was written.
"""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import threading
from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.errors import Aborted, FetchError
from pypxeboot.text import size_text

Data = Union[bytes, memoryview]
Start = Callable[[Callable[[], None]], Callable[[], Optional[BaseException]]]
"""Starts a job in another thread; the result waits for its end and returns what it raised."""

_MAPPED = 1 << 22  # hashed in one go
_TELL = 1 << 20  # written before the other thread is told
_COPIED = 1 << 26  # from another file in one go


class FileSink:
    """Files written one behind the other to a descriptor.

    A context manager; ``start`` gives it a thread, which is free again at the end. A download into it ends
    once ``given_up`` is set.
    """

    def __init__(self, descriptor: int, start: Start, given_up: Optional[threading.Event] = None) -> None:
        self.descriptor, self.size = descriptor, 0
        self._given_up = given_up
        self._whole, self._own = hashlib.sha256(), hashlib.sha256()
        self._start = self._told = self._hashed = 0
        self._closed = False
        self._changed = threading.Condition()
        self._wait = start(self._hash)

    def __enter__(self) -> FileSink:
        return self

    def __exit__(self, *_exception: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def begin(self) -> None:
        """Begin the next file here."""
        self._catch_up()
        self._start, self._own = self.size, hashlib.sha256()

    def write(self, data: Data) -> None:
        """Append ``data``. Raises FetchError when the disk is full."""
        if self._given_up is not None and self._given_up.is_set():
            raise Aborted("given up: another file of the entry failed")
        view = memoryview(data)
        while view:
            try:
                written = os.write(self.descriptor, view)
            except OSError as why:
                raise _write_error(why, self.size) from None
            self.size += written
            view = view[written:]
        if self.size - self._told >= _TELL:
            self._tell()

    def copy(self, descriptor: int, size: int) -> None:
        """Append the first ``size`` bytes of another file; the bytes do not pass through this process."""
        done = 0
        while done < size:
            try:
                count = _copy(descriptor, self.descriptor, done, size - done)
            except OSError as why:
                raise _write_error(why, self.size) from None
            if not count:
                raise FetchError("cannot read the download again")
            done += count
            self.size += count
            self._tell()

    def pad(self, multiple: int) -> None:
        """Append zeros up to a multiple."""
        if self.size % multiple:
            self.write(bytes(multiple - self.size % multiple))

    def digest(self) -> str:
        """SHA-256 of the file that began last."""
        self._catch_up()
        return (self._own if self._start else self._whole).hexdigest()

    def digest_of_all(self) -> str:
        """Return the SHA-256 of everything written, in hexadecimal digits."""
        self._catch_up()
        return self._whole.hexdigest()

    def _tell(self) -> None:
        with self._changed:
            self._told = self.size
            self._changed.notify_all()

    def _catch_up(self) -> None:
        self._tell()
        with self._changed:
            self._changed.wait_for(lambda: self._hashed == self._told or self._closed)
        if self._hashed != self._told:
            raise FetchError("cannot read the download again") from self._wait()

    def _hash(self) -> None:
        """Hash what is written, in the other thread, until the sink is closed."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._hashed < self._told or self._closed)
                    end = self._told
                if self._hashed >= end:
                    return
                while self._hashed < end:
                    self._take(min(end, self._hashed + _MAPPED))
                with self._changed:
                    self._changed.notify_all()
        finally:
            self.__exit__()

    def _take(self, end: int) -> None:
        """Hash up to ``end``, through a mapping: a copy would cost a third of the time of the hash itself."""
        offset = self._hashed - self._hashed % mmap.ALLOCATIONGRANULARITY
        with mmap.mmap(
            self.descriptor, end - offset, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset
        ) as mapped:
            with memoryview(mapped) as view, view[self._hashed - offset :] as new:
                self._whole.update(new)
                if self._start:
                    self._own.update(new)
        self._hashed = end


def _copy(source: int, target: int, offset: int, count: int) -> int:
    """Copy bytes to the end of ``target``; return how many it were."""
    count = min(count, _COPIED)
    try:
        return os.copy_file_range(source, target, count, offset_src=offset)
    except OSError as why:
        if why.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return os.sendfile(target, source, offset, count)


def _write_error(why: OSError, size: int) -> FetchError:
    return FetchError(
        f"cannot write the download: {why.strerror} (after {size_text(size)})",
        hint="make room there; pypxeboot itself takes another directory, --output-directory DIR",
    )
