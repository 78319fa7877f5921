"""Files that an iPXE script downloads, before anybody knows what will become of them.

Their bytes go straight to files without a name, which the host side opens. One that is booted becomes the
output file itself; where several make one ramdisk, the kernel copies them.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Optional, Protocol, Union

from pypxeboot.client.entry_files import Downloads, Files, LookedInto, named_limit, own_initrds
from pypxeboot.client.sink import FileSink
from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import (
    Assemble,
    ComputeDigest,
    Download,
    DropFile,
    Form,
    Identified,
    Identify,
    KeepData,
    Loaded,
    ReadFile,
    ScriptFile,
    Unpack,
)
from pypxeboot.errors import FetchError, NotFound, Refused
from pypxeboot.kernel import cpio, extract, identify
from pypxeboot.result import InitrdFile, KernelFile, ModuleFile, Ramdisk
from pypxeboot.text import printable, size_text
from pypxeboot.url import Location

log = logging.getLogger(__name__)

MAX_FILES = 48  # at a time: a script of many menus keeps a dozen, and the sandbox allows 128 open files
HEAD = 1024
# With --not-really: as much of a file as tells a script (scripts are smaller) from anything else.
SAMPLE = 256 << 10
# As much of a boot program as tells it from a script with its name: all of pxelinux.0.
PROGRAM_SAMPLE = 64 << 10

_PIECE = 1 << 20
_READ_LIMIT = 4 << 20
_UNKNOWN = 1 << 62  # the size of a file of which only the head is there
_INITRD_ALIGN = cpio.ALIGN
_GZIP_OR_ZLIB, _GZIP_MAGIC = 32 + zlib.MAX_WBITS, b"\x1f\x8b"


class HostFiles(Protocol):
    """What the host side does for the files of scripts, each of which has a number."""

    def open_image(self, number: int) -> int:
        """Open a new file; its descriptor."""

    def drop_image(self, number: int) -> None:
        """Forget a file that is no longer needed."""

    def use_image(self, number: int, kind: str, offset: int = 0) -> None:
        """Make a file an output of ``kind``: kernel, ramdisk, module; initrd: the ramdisk has it there."""


@dataclass
class _StoredFile:
    """A file that the host side has opened: ``whole``, or the head of one only; ``used`` if it is booted.

    ``section``: it was taken out of that section of the file at ``location``.
    """

    descriptor: int
    location: Location
    form: Optional[Form] = None
    size: int = 0
    sha256: str = ""
    whole: bool = True
    used: bool = False
    section: str = ""


@dataclass
class ScriptFiles:
    """All files that the scripts of one boot have downloaded, by number.

    Those that are booted end up in ``downloads.files``.
    """

    downloads: Downloads
    host: HostFiles
    download_all: bool = True
    _files: dict[int, _StoredFile] = field(default_factory=dict)
    _sampled: dict[Location, ScriptFile] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def download(self, effect: Download) -> ScriptFile:
        """Download into a new file. Raises FetchError once the boot's own time is over."""
        if effect.location in self._sampled and effect.form is None:
            return self._sampled.pop(effect.location)
        try:
            head = None if self.download_all else SAMPLE
            return self._download_file(effect.location, effect.form, effect.seconds, head)
        except (FetchError, Refused) as why:
            if time.monotonic() >= self.downloads.fetcher.deadline.at:
                raise
            error = why.message.replace(f"{effect.location}: ", "", 1)
            cause = why.cause if isinstance(why, FetchError) else ""
            error = "not-found" if isinstance(why, NotFound) else error
            return ScriptFile(None, error=error, cause=cause, hint=why.hint)

    def sample(self, location: Location, size: int) -> bytes:
        """Get the first bytes of a boot file, no more than about ``size``.

        A script that is no larger is not asked for again when it is downloaded next. Raises FetchError and
        Refused.
        """
        file = self._download_file(location, None, None, size)
        assert file.handle is not None
        head = file.head
        if head.startswith(b"MZ"):  # what a program for EFI is stands anywhere in it
            head = os.pread(self._files[file.handle].descriptor, SAMPLE, 0)
        if self._files[file.handle].whole:
            self._sampled[location] = file
        else:
            self.drop(DropFile(file.handle))
        return head

    def _download_file(
        self, location: Location, form: Optional[Form], seconds: Optional[float], head: Optional[int]
    ) -> ScriptFile:
        number, file = self._open(location, form)
        try:
            place = self._fill(file, seconds, head)
        except BaseException:
            self.drop(DropFile(number))
            raise
        return self._reply(number, place)

    def read(self, effect: ReadFile) -> bytes:
        """Read some bytes of a file."""
        descriptor = self._files[effect.handle].descriptor
        return os.pread(descriptor, min(effect.count, _READ_LIMIT), effect.offset)

    def drop(self, effect: DropFile) -> None:
        """Close a file; unless it is booted, the host side forgets it, too."""
        file = self._files.pop(effect.handle)
        os.close(file.descriptor)
        if not file.used:
            self.host.drop_image(effect.handle)

    def digest(self, effect: ComputeDigest) -> str:
        """Compute the digest of a file, empty where this host lacks the algorithm."""
        file = self._complete(effect.handle)
        if effect.algorithm == "sha256":
            return file.sha256
        try:
            state = hashlib.new(effect.algorithm, usedforsecurity=False)
        except ValueError:
            return ""
        for piece in _pieces(file):
            state.update(piece)
        return state.hexdigest()

    def pieces(self, handle: int) -> Iterator[bytes]:
        """Yield all of a file, piece by piece."""
        return _pieces(self._complete(handle))

    def unpack(self, effect: Unpack) -> ScriptFile:
        """Decompress a file, gzip or zlib as its first bytes say, into a new one."""
        try:
            packed = self._complete(effect.handle)
            number, file = self._open(packed.location, None)
            try:
                self._inflate(packed, file)
            except BaseException:
                self.drop(DropFile(number))
                raise
        except (FetchError, Refused) as why:
            return ScriptFile(None, error=why.message)
        return self._reply(number, packed.location)

    def keep(self, effect: KeepData) -> ScriptFile:
        """Make a file of data that a script has in itself."""
        try:
            number, file = self._open(effect.location, None)
        except Refused as why:
            return ScriptFile(None, error=why.message, cause="full")
        with FileSink(file.descriptor, self.downloads.workers.start) as sink:
            sink.write(effect.data)
            file.size, file.sha256 = sink.size, sink.digest()
        return self._reply(number, effect.location)

    def identify(self, effect: Identify) -> Optional[Identified]:
        """Tell what a file is as a kernel, None if it is not a kernel."""
        file = self._files[effect.handle]

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(file.descriptor, count, offset)

        size = file.size if file.whole else _UNKNOWN
        try:
            info = identify.identify(read_at(0, identify.HEAD), size, read_at)
        except Refused:
            return None
        return Identified(info.format, extract.is_multiboot(info, read_at))

    def assemble(self, effect: Assemble) -> Loaded:
        """Make kernel and ramdisk of script files: :attr:`Downloads.files`."""
        if not self.download_all:
            return Loaded(True)
        try:
            self.downloads.files = self._make_files(effect)
        except (FetchError, Refused) as why:
            return Loaded(False, why.message, type(why), why.hint)
        return Loaded(True)

    def _open(self, location: Location, form: Optional[Form]) -> tuple[int, _StoredFile]:
        if len(self._files) >= MAX_FILES:
            raise Refused(f"{location}: more than {MAX_FILES} files are kept at a time")
        number = next(self._numbers)
        file = self._files[number] = _StoredFile(self.host.open_image(number), location, form)
        return number, file

    @property
    def _room(self) -> int:
        """How many more bytes may be stored: all files together are no more than one boot can hand over."""
        limits = self.downloads.limits
        return limits.kernel + limits.ramdisk - sum(file.size for file in self._files.values())

    def _fill(
        self, file: _StoredFile, seconds: Optional[float] = None, head: Optional[int] = None
    ) -> Location:
        limit = min(self._room, self.downloads.limits.ramdisk)
        opened = FileSink(file.descriptor, self.downloads.workers.start)
        with named_limit(self.downloads.limits.more_ramdisk), opened as sink:
            place = self.downloads.fetcher.whole(
                file.location, sink, limit, form=file.form, seconds=seconds, head=head
            )
            file.size, file.sha256 = sink.size, sink.digest()
        file.whole = head is None or file.size < head
        return place

    def _complete(self, handle: int) -> _StoredFile:
        """Return a file, all of it: with --not-really, too, a script may want more than the head of one."""
        file = self._files[handle]
        if not file.whole:
            os.ftruncate(file.descriptor, 0)
            os.lseek(file.descriptor, 0, os.SEEK_SET)
            file.size = 0
            self._fill(file)
        return file

    def _reply(self, number: int, place: Location) -> ScriptFile:
        file = self._files[number]
        return ScriptFile(number, file.size, os.pread(file.descriptor, HEAD, 0), place)

    def _inflate(self, packed: _StoredFile, file: _StoredFile) -> None:
        room = self._room
        with FileSink(file.descriptor, self.downloads.workers.start) as sink:
            try:
                for piece in _content(packed):
                    if sink.size + len(piece) > room:
                        raise Refused(
                            f"{packed.location} unpacks to more than {size_text(room)}",
                            hint=self.downloads.limits.more_ramdisk,
                        )
                    if time.monotonic() >= self.downloads.fetcher.deadline.at:
                        raise FetchError(f"{packed.location}: not unpacked in time")
                    sink.write(piece)
            except zlib.error as why:
                raise Refused(f"{packed.location} cannot be unpacked: {why}") from None
            file.size, file.sha256 = sink.size, sink.digest()

    def _make_files(self, effect: Assemble) -> Files:
        file, downloads = self._files[effect.kernel], self.downloads
        if file.size > downloads.limits.kernel:
            raise Refused(
                f"{file.location}: {size_text(file.size)}, more than a kernel may have",
                hint="--max-kernel SIZE allows more",
            )
        boots, loaded = self._kernel(effect.kernel, effect.entry.cmdline)
        parts = [*self._own_initrds(effect.kernel, loaded), *effect.parts]
        if parts and not effect.parts and isinstance(parts[-1], bytes):  # nothing follows that padding
            parts.pop()
        initrds = tuple(self._initrd(part) for part in parts if isinstance(part, int))
        ramdisk = self._ramdisk(parts, file.location) if parts else None
        beside = [*effect.modules, *([] if ramdisk is None else [ramdisk])]
        if sum(self._files[number].size for number in beside) > downloads.limits.ramdisk:
            raise Refused(
                "ramdisk and modules have more bytes together than a ramdisk may have",
                hint=self.downloads.limits.more_ramdisk,
            )
        # Nothing can go wrong any more: a failed attempt leaves all files as they were.
        sources = [self._files[part].location for part in parts if isinstance(part, int)]
        sources += [self._files[handle].location for handle in effect.modules]
        self._use(effect.kernel, "kernel")
        if boots != effect.kernel:
            self._use(boots, "unpacked-kernel")
        offset = 0
        for part in parts:
            if isinstance(part, int):
                self.host.use_image(part, "initrd", offset)
            offset += self._files[part].size if isinstance(part, int) else len(part)
        made = None if ramdisk is None else self._use(ramdisk, "ramdisk")
        modules = [self._use(handle, "module") for handle in effect.modules]
        return Files(
            loaded.file,
            initrds,
            None if made is None else Ramdisk(None, made.size, made.sha256),
            tuple(
                ModuleFile(str(used.location), None, used.size, module.cmdline, used.sha256)
                for used, module in zip(modules, effect.entry.modules)
            ),
            sources=(file.location, *sources),
            cmdline=loaded.cmdline,
        )

    def _own_initrds(self, number: int, kernel: LookedInto) -> Iterator[Union[int, bytes]]:
        """Make files of the initrds in the file of the kernel, each padded for what follows."""
        file = self._files[number]
        for inside in own_initrds(kernel, str(file.location), file.descriptor):
            part, taken = self._open(file.location, None)
            taken.section = inside.url.rpartition("#")[2]
            with FileSink(taken.descriptor, self.downloads.workers.start) as sink:
                for piece in extract.section_pieces(inside.read_at):
                    sink.write(piece)
                taken.size, taken.sha256 = sink.size, sink.digest()
            yield part
            if taken.size % _INITRD_ALIGN:
                yield bytes(-taken.size % _INITRD_ALIGN)

    def _kernel(self, number: int, cmdline: str) -> tuple[int, LookedInto]:
        """Check the kernel, and return the file to boot: another one where it has to be unpacked."""
        file, boots = self._files[number], number

        def open_unpacked() -> int:
            nonlocal boots
            boots, unpacked = self._open(file.location, None)
            return unpacked.descriptor

        served = KernelFile(str(file.location), None, file.size, file.sha256)
        try:
            loaded = self.downloads.look_into(served, file.descriptor, cmdline, open_unpacked)
        except BaseException:
            if boots != number:
                self.drop(DropFile(boots))
            raise
        self._files[boots].size = loaded.file.size or 0
        return boots, loaded

    def _initrd(self, part: int) -> InitrdFile:
        file = self._files[part]
        url = f"{file.location}#{file.section}" if file.section else str(file.location)
        self.downloads.check_initrd(url, os.pread(file.descriptor, HEAD, 0))
        log.info("initrd %s: sha256 %s", printable(url), file.sha256)
        return InitrdFile(url, file.size, file.sha256)

    def _ramdisk(self, parts: Sequence[Union[int, bytes]], location: Location) -> int:
        """Return the number of a file of all ``parts``: one of them, if there is only one."""
        if len(parts) == 1 and isinstance(parts[0], int):
            return parts[0]
        size = sum(self._files[part].size if isinstance(part, int) else len(part) for part in parts)
        if size > self.downloads.limits.ramdisk:
            raise Refused(
                f"the initrds have {size_text(size)} together, more than a ramdisk may have",
                hint=self.downloads.limits.more_ramdisk,
            )
        number, joined = self._open(location, None)
        try:
            self._join(parts, joined)
        except BaseException:
            self.drop(DropFile(number))
            raise
        count = sum(isinstance(part, int) for part in parts)
        log.info("ramdisk: %d initrds joined, %s", count, size_text(size))
        return number

    def _join(self, parts: Sequence[Union[int, bytes]], joined: _StoredFile) -> None:
        with FileSink(joined.descriptor, self.downloads.workers.start) as sink:
            for part in parts:
                if isinstance(part, int):
                    sink.copy(self._files[part].descriptor, self._files[part].size)
                else:
                    sink.write(part)
            joined.size, joined.sha256 = sink.size, sink.digest()

    def _use(self, number: int, kind: str) -> _StoredFile:
        file = self._files[number]
        self.host.use_image(number, kind)
        file.used = True
        return file


def _pieces(file: _StoredFile) -> Iterator[bytes]:
    for offset in range(0, file.size, _PIECE):
        yield os.pread(file.descriptor, _PIECE, offset)


def _content(file: _StoredFile) -> Iterator[bytes]:
    """Yield the content of a gzip or zlib file in pieces; FetchError if it ends too early.

    A gzip file may have several members; what follows the last one, padding as a rule, does not count.
    """
    state, begun = zlib.decompressobj(_GZIP_OR_ZLIB), False
    for piece in _pieces(file):
        while piece:
            if state.eof:
                if not piece.startswith(_GZIP_MAGIC):
                    return
                state = zlib.decompressobj(_GZIP_OR_ZLIB)
            yield state.decompress(piece, _PIECE)
            begun, piece = True, state.unused_data if state.eof else state.unconsumed_tail
    if not state.eof:
        raise FetchError(f"{file.location} is {'cut short' if begun else 'empty'}")
