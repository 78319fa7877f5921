"""The files of an entry, downloaded side by side into output files, counted, hashed and looked at."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Optional

from pypxeboot import bootsource
from pypxeboot.client.sink import FileSink
from pypxeboot.client.workers import Workers
from pypxeboot.dataclass import dataclass, field
from pypxeboot.entry import Entry
from pypxeboot.errors import FetchError, NotFound, Refused, TooLarge
from pypxeboot.fetch.fetcher import Fetcher
from pypxeboot.guest import MONITORS, Target
from pypxeboot.kernel import cpio, extract, identify, uki
from pypxeboot.kernel.uki import UnifiedImage
from pypxeboot.limits import NOTICE, Limits
from pypxeboot.result import DeviceTree, InitrdFile, KernelFile, ModuleFile, Ramdisk
from pypxeboot.text import encode, printable, size_text
from pypxeboot.url import Location
from pypxeboot.wire import ReadAt

log = logging.getLogger(__name__)

_INITRD_ALIGN = cpio.ALIGN  # PXELINUX pads every initrd but the last to this (initramfs_archive.c)

# A file that is wrapped into the ramdisk is held in memory, since its size stands in front of it. They are
# configurations and keys.
_PACKED_LIMIT = 64 << 20
_DTB_LIMIT = 2 << 20  # U-Boot leaves about as much room; real ones have less than 200 KiB
_DTB_MAGIC = b"\xd0\x0d\xfe\xed"

_LOOKED_AT = 512  # bytes: where a page says that it is one

# Threads that a download needs: one fetches initrds beside the kernel, and each file has one that hashes it:
# of kernel, ramdisk, and the kernel unpacked, a module or a device tree, one at a time.
THREADS = 4


class ScriptInstead(Refused):
    """What should be a kernel is an iPXE script."""


@dataclass(frozen=True)
class Files:
    """What has been downloaded for an entry; ``cmdline`` is set where it is not the entry's."""

    kernel: Optional[KernelFile] = None
    initrds: tuple[InitrdFile, ...] = ()
    ramdisk: Optional[Ramdisk] = None
    modules: tuple[ModuleFile, ...] = ()
    dtb: Optional[DeviceTree] = None
    sources: tuple[Location, ...] = ()
    """Where kernel, initrds, modules and device tree are on their servers, in this order."""
    cmdline: Optional[str] = None


@dataclass(frozen=True)
class LookedInto:
    """A kernel after a look at it: the file that boots, its command line, and the image that it was in."""

    file: KernelFile
    cmdline: str
    image: Optional[UnifiedImage] = None


@dataclass(frozen=True)
class OwnInitrd:
    """An initrd that is in the file of the kernel itself: ``url`` is that file's with the section's name."""

    url: str
    size: int
    read_at: ReadAt


@dataclass
class Downloads:
    """Download the files of entries.

    ``open_output`` gives a descriptor for a kind (kernel, unpacked-kernel, ramdisk, module, dtb,
    signature) of output file; ``mark_initrd`` is called where an initrd begins or ends in the ramdisk.
    ``warn`` takes what the result should say, too.
    ``look_inside``, ``must_boot``, ``target`` and ``append`` are those of the plan, ``processor`` is the
    guest's, empty where any kernel will do.
    """

    fetcher: Fetcher
    workers: Workers
    limits: Limits
    open_output: Callable[[str], int]
    mark_initrd: Callable[[], None]
    look_inside: bool = False
    must_boot: tuple[str, ...] = ()
    target: Optional[Target] = None
    processor: str = ""
    append: str = ""
    warn: Callable[[str], None] = log.warning
    files: Files = field(default_factory=Files)

    def load(self, entry: Entry) -> None:
        """Download kernel, initrds and modules of ``entry`` into :attr:`files`.

        Raises NotFound, ServerError or Refused when the entry cannot boot, FetchError when the network fails.
        """
        assert entry.kernel is not None
        self.files = Files()
        self.files = self._load_side_by_side(entry, entry.kernel)

    def _load_side_by_side(self, entry: Entry, location: Location) -> Files:
        given_up = threading.Event()
        with ExitStack() as sinks:
            kernel_sink = sinks.enter_context(FileSink(self.open_output("kernel"), self.workers.start))
            beside: Optional[Callable[[], Optional[BaseException]]] = None
            initrds: list[InitrdFile] = []
            if entry.initrds or entry.packed:
                descriptor = self.open_output("ramdisk")
                ramdisk_sink = sinks.enter_context(FileSink(descriptor, self.workers.start, given_up))
                beside = self.workers.start(lambda: initrds.extend(self._joined(entry, ramdisk_sink)))
            try:
                loaded = self._kernel(location, entry.cmdline, kernel_sink)
                own = own_initrds(loaded, str(location), kernel_sink.descriptor)
                if own:  # they come first: what there is of others begins anew, behind them
                    given_up.set()
                    if beside is not None:
                        beside()
                    ramdisk_sink = FileSink(self.open_output("ramdisk"), self.workers.start)
                    sinks.enter_context(ramdisk_sink)
                    initrds = self._joined(entry, ramdisk_sink, own)
                    beside = _done
                modules = self._modules(entry)
                dtb = None if entry.dtb is None else self._dtb(entry.dtb)
            except BaseException:
                given_up.set()
                if beside is not None:
                    beside()
                raise
            ramdisk = None
            if beside is not None:
                failure = beside()
                if failure is not None:
                    raise failure
                ramdisk = Ramdisk(None, ramdisk_sink.size, ramdisk_sink.digest_of_all())
            sources = _sources(entry, location, len(own))
            files = Files(loaded.file, tuple(initrds), ramdisk, modules, dtb, sources, loaded.cmdline)
            check_together(files, self.limits)
            return files

    def _kernel(self, location: Location, cmdline: str, sink: FileSink) -> LookedInto:
        with named_limit("--max-kernel SIZE allows more"):
            size, digest = self.fetcher.into(location, sink, self.limits.kernel)
        _not_empty(location, size)
        if (
            bootsource.kind_of_content(os.pread(sink.descriptor, bootsource.HEAD_BYTES, 0))
            is bootsource.Kind.IPXE
        ):
            raise ScriptInstead(f"{printable(str(location))} is an iPXE script, not a kernel")
        served = KernelFile(str(location), None, size, digest)
        return self.look_into(served, sink.descriptor, cmdline, lambda: self.open_output("unpacked-kernel"))

    def look_into(
        self, served: KernelFile, descriptor: int, cmdline: str, open_unpacked: Callable[[], int]
    ) -> LookedInto:
        """Look at the kernel in ``descriptor``. Raises Refused if the guest cannot boot it.

        Where it has to be taken out or unpacked for the guest, ``open_unpacked`` gives a file for it.
        """

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(descriptor, count, offset)

        size, digest, name = served.size or 0, served.sha256, printable(served.url)
        try:
            whole = identify.identify(read_at(0, identify.HEAD), size, read_at)
            found = extract.bootable(whole, read_at, self.target, name)
        except Refused as why:
            message = why.message if name in why.message else f"{name}: {why.message}"
            raise Refused(message, hint=why.hint) from None
        info, image = found.info, whole.image
        if image is not None:
            log.log(NOTICE, "%s is a unified kernel image (UKI): %s are in it", name, image.content)
            cmdline = self._command_line(name, cmdline, image.cmdline)
        if found.pieces is not None:
            size, digest = self._unpack(found.pieces, open_unpacked())
            for_whom = "" if self.target is None else f" for {MONITORS[self.target.vmm]}"
            log.info("kernel %s: unpacked%s, %s", name, for_whom, size_text(size))
        if self.look_inside:
            info = identify.identify_payload(info, found.read_at)
            if info.unread:
                log.info("kernel %s: whether Xen boots it is not known: %s", name, info.unread)
        identify.check_xen(info, name, self.must_boot)
        identify.check_processor(info, name, self.processor)
        if info.cmdline_size and len(encode(cmdline)) > info.cmdline_size:
            taken = f"takes {info.cmdline_size} of the {len(encode(cmdline))} bytes of its command line"
            log.warning("kernel %s %s", name, taken)
        missing = identify.missing_bytes(whole, served.size or 0)
        if missing:
            lost = size_text(missing)
            self.warn(f"kernel {name} is cut short, {lost} are missing: is the file on the server whole?")
        log.info("kernel %s: %s, sha256 %s", name, info.format, digest)
        return LookedInto(KernelFile(served.url, None, size, digest, info.format, info.boots), cmdline, image)

    def _command_line(self, name: str, configured: str, own: str) -> str:
        """Return the command line of a unified kernel image, and say which of two it is."""
        cmdline = uki.command_line(configured, own, self.append)
        if own and cmdline == configured:
            log.log(NOTICE, "%s: the command line of the configuration counts, not the image's own", name)
        elif own:
            log.info("%s: the command line is the image's own, since the configuration has none", name)
        return cmdline

    def _unpack(self, pieces: Iterator[bytes], descriptor: int) -> tuple[int, str]:
        """Write the ``pieces`` of what is in a kernel to ``descriptor``; return size and hash."""
        with FileSink(descriptor, self.workers.start) as sink:
            for piece in pieces:
                if time.monotonic() >= self.fetcher.deadline.at:
                    raise FetchError("the kernel was not unpacked in time")
                if sink.size + len(piece) > self.limits.kernel:
                    most = size_text(self.limits.kernel)
                    raise Refused(
                        f"the kernel unpacks to more than {most}", hint="--max-kernel SIZE allows more"
                    )
                sink.write(piece)
            return sink.size, sink.digest()

    def _joined(self, entry: Entry, sink: FileSink, own: Sequence[OwnInitrd] = ()) -> list[InitrdFile]:
        """Fill a ramdisk: with those of an image itself, then with what is to be downloaded."""
        files: list[InitrdFile] = []
        for inside in own:
            sink.pad(_INITRD_ALIGN)
            self.mark_initrd()
            if sink.size + inside.size > self.limits.ramdisk:
                raise Refused(
                    f"{inside.url}: {size_text(inside.size)}, more than a ramdisk may have",
                    hint=self.limits.more_ramdisk,
                )
            for piece in extract.section_pieces(inside.read_at):
                sink.write(piece)
            self.mark_initrd()
            files.append(InitrdFile(inside.url, inside.size))
        for location in entry.initrds:
            sink.pad(_INITRD_ALIGN)
            self.mark_initrd()
            with named_limit(self.limits.more_ramdisk):
                size, digest = self.fetcher.into(location, sink, self.limits.ramdisk - sink.size)
            self.mark_initrd()
            _not_empty(location, size)
            self.check_initrd(str(location), os.pread(sink.descriptor, _LOOKED_AT, sink.size - size))
            log.info("initrd %s: sha256 %s", printable(str(location)), digest)
            files.append(InitrdFile(str(location), size, digest))
        number = 1
        for packed in entry.packed:
            sink.pad(_INITRD_ALIGN)
            data = packed.data
            if packed.location is not None:
                limit = min(_PACKED_LIMIT, self.limits.ramdisk - sink.size)
                data = self.fetcher.small(packed.location, limit)
                _not_empty(packed.location, len(data))
                digest = hashlib.sha256(data).hexdigest()
                files.append(InitrdFile(str(packed.location), len(data), digest))
            before, number = cpio.wrap(encode(packed.path), len(data), number)
            sink.write(before)
            if packed.location is not None:
                self.mark_initrd()
            sink.write(data)
            if packed.location is not None:
                self.mark_initrd()
        if len(files) > 1:
            log.info("ramdisk: %d initrds joined, %s", len(files), size_text(sink.size))
        return files

    def check_initrd(self, url: str, head: bytes) -> None:
        """Warn where an initrd is what a web server says in place of a file: a kernel would only panic."""
        if bootsource.describe_content(head) == bootsource.PAGE:
            self.warn(f"initrd {printable(url)} looks like an HTML page: {bootsource.PAGE_HINT}")

    def load_signatures(self) -> None:
        """Download the detached signature of each of :attr:`files`, one behind the other in their order.

        Each has an output file, which is empty where none can be had: the host side judges what that means.
        """
        known: dict[Location, bytes] = {}  # a file, or what is in it, may be there twice
        for location in self.files.sources:
            with FileSink(self.open_output("signature"), self.workers.start) as sink:
                if location not in known:
                    try:
                        known[location] = self.fetcher.small(location.signature, self.limits.signature)
                    except (FetchError, Refused) as why:
                        known[location] = b""
                        log.info("no signature: %s", printable(why.message, 400))
                sink.write(known[location])

    def _modules(self, entry: Entry) -> tuple[ModuleFile, ...]:
        modules: list[ModuleFile] = []
        for module in entry.modules:
            opened = FileSink(self.open_output("module"), self.workers.start)
            with named_limit(self.limits.more_ramdisk), opened as sink:
                size, digest = self.fetcher.into(module.location, sink, self.limits.ramdisk)
            _not_empty(module.location, size)
            modules.append(ModuleFile(str(module.location), None, size, module.cmdline, digest))
        return tuple(modules)

    def _dtb(self, location: Location) -> DeviceTree:
        with FileSink(self.open_output("dtb"), self.workers.start) as sink:
            size, digest = self.fetcher.into(location, sink, _DTB_LIMIT)
            if os.pread(sink.descriptor, len(_DTB_MAGIC), 0) != _DTB_MAGIC:
                raise Refused(f"{printable(str(location))} is not a device tree")
        return DeviceTree(str(location), None, size, digest)

    @staticmethod
    def kernel_plan(entry: Entry) -> Optional[KernelFile]:
        """Return the kernel of an entry that is not downloaded."""
        return None if entry.kernel is None else KernelFile(str(entry.kernel))

    @staticmethod
    def module_plans(entry: Entry) -> tuple[ModuleFile, ...]:
        """Return the modules of an entry that is not downloaded."""
        return tuple(ModuleFile(str(item.location), None, None, item.cmdline) for item in entry.modules)

    @staticmethod
    def dtb_plan(entry: Entry) -> Optional[DeviceTree]:
        """Return the device tree of an entry that is not downloaded."""
        return None if entry.dtb is None else DeviceTree(str(entry.dtb))


@contextmanager
def named_limit(hint: str) -> Iterator[None]:
    """Let an error of a file that is too large say by ``hint`` what allows more."""
    try:
        yield
    except TooLarge as why:
        why.hint = hint
        raise


def check_together(files: Files, limits: Limits) -> None:
    """Raise Refused where what goes with the kernel has more bytes than ``--max-ramdisk`` allows."""
    beside = (files.ramdisk, *files.modules, files.dtb)
    size = sum(file.size or 0 for file in beside if file is not None)
    if size > limits.ramdisk:
        raise Refused(
            f"ramdisk, modules and device tree have {size_text(size)} together, more than a ramdisk may have",
            hint=limits.more_ramdisk,
        )


def own_initrds(kernel: LookedInto, url: str, descriptor: int) -> tuple[OwnInitrd, ...]:
    """Return the initrds that are in the file of a kernel itself, whose URL and descriptor these are."""
    image = kernel.image
    if image is None:
        return ()

    def read_at(offset: int, count: int) -> bytes:
        return os.pread(descriptor, count, offset)

    return tuple(
        OwnInitrd(f"{url}#{name}", image.sections[name][1], uki.section(image, name, read_at))
        for name in image.initrds
    )


def _done() -> None:
    """Stand for a job that has come to its end."""


def _sources(entry: Entry, kernel: Location, inside: int) -> tuple[Location, ...]:
    """List where all files are; ``inside`` initrds are in the file of the kernel."""
    packed = (item.location for item in entry.packed if item.location is not None)
    modules = (module.location for module in entry.modules)
    dtbs = () if entry.dtb is None else (entry.dtb,)
    return (*[kernel] * (1 + inside), *entry.initrds, *packed, *modules, *dtbs)


def _not_empty(location: Location, size: int) -> None:
    # PXELINUX takes a file of no bytes for one that is not there (core/fs/pxe/pxe.c).
    if not size:
        hint = "the file has no byte on the server: was there room when it was copied there?"
        raise NotFound(f"{printable(str(location))} is empty", hint=hint)
