"""The files of an entry, downloaded side by side into output files, counted, hashed and looked at."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import field
from typing import Optional

from pypxeboot import bootsource
from pypxeboot.client.sink import FileSink
from pypxeboot.client.workers import Workers
from pypxeboot.dataclass import dataclass
from pypxeboot.entry import Entry
from pypxeboot.errors import FetchError, NotFound, Refused, TooLarge
from pypxeboot.fetch.fetcher import Fetcher
from pypxeboot.guest import MONITORS, Target
from pypxeboot.kernel import cpio, extract, identify
from pypxeboot.limits import Limits
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

# Threads that a download needs: one fetches initrds beside the kernel, and each file has one that hashes it:
# of kernel, ramdisk, and the kernel unpacked, a module or a device tree, one at a time.
THREADS = 4


class ScriptInstead(Refused):
    """What should be a kernel is an iPXE script."""


@dataclass(frozen=True)
class Files:
    """What has been downloaded for an entry."""

    kernel: Optional[KernelFile] = None
    initrds: tuple[InitrdFile, ...] = ()
    ramdisk: Optional[Ramdisk] = None
    modules: tuple[ModuleFile, ...] = ()
    dtb: Optional[DeviceTree] = None
    sources: tuple[Location, ...] = ()
    """Where kernel, initrds, modules and device tree are on their servers, in this order."""


@dataclass
class Downloads:
    """Download the files of entries.

    ``open_output`` gives a descriptor for a kind (kernel, unpacked-kernel, ramdisk, module, dtb,
    signature) of output file; ``mark_initrd`` is called where an initrd begins or ends in the ramdisk.
    ``look_inside``, ``must_boot`` and ``target`` are those of the plan, ``processor`` is the guest's, empty
    where any kernel will do.
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
            files = Files(loaded, tuple(initrds), ramdisk, modules, dtb, _sources(entry, location))
            check_together(files, self.limits)
            return files

    def _kernel(self, location: Location, cmdline: str, sink: FileSink) -> KernelFile:
        with named_limit("--max-kernel"):
            size, digest = self.fetcher.into(location, sink, self.limits.kernel)
        _not_empty(location, size)
        if (
            bootsource.kind_of_content(os.pread(sink.descriptor, bootsource.HEAD_BYTES, 0))
            is bootsource.Kind.IPXE
        ):
            raise ScriptInstead(f"{printable(str(location))} is an iPXE script, not a kernel")
        served = KernelFile(str(location), None, size, digest)
        return self.kernel_file(served, sink.descriptor, cmdline, lambda: self.open_output("unpacked-kernel"))

    def kernel_file(
        self, served: KernelFile, descriptor: int, cmdline: str, open_unpacked: Callable[[], int]
    ) -> KernelFile:
        """Get the kernel in ``descriptor``, after a look at it. Raises Refused if the guest cannot boot it.

        Where it has to be unpacked for the guest, ``open_unpacked`` gives a file to do that into.
        """

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(descriptor, count, offset)

        size, digest, name = served.size or 0, served.sha256, printable(served.url)
        try:
            info = identify.identify(read_at(0, identify.HEAD), size, read_at)
        except Refused as why:
            raise Refused(f"{name}: {why.message}", hint=why.hint) from None
        if self.target is not None and not self.target.takes(info):
            packed, info = info, extract.identify_for(info, read_at, self.target, name)
            size, digest = self._unpack(packed, read_at, open_unpacked())
            log.info("kernel %s: unpacked for %s, %s", name, MONITORS[self.target.vmm], size_text(size))
        if self.look_inside:
            info = identify.identify_payload(info, read_at)
            if info.unread:
                log.info("kernel %s: whether Xen boots it is not known: %s", name, info.unread)
        identify.check_xen(info, name, self.must_boot)
        identify.check_processor(info, name, self.processor)
        if info.cmdline_size and len(encode(cmdline)) > info.cmdline_size:
            taken = f"takes {info.cmdline_size} of the {len(encode(cmdline))} bytes of its command line"
            log.warning("kernel %s %s", name, taken)
        log.info("kernel %s: %s, sha256 %s", name, info.format, digest)
        return KernelFile(served.url, None, size, digest, info.format, info.boots)

    def _unpack(self, packed: identify.KernelInfo, read_at: ReadAt, descriptor: int) -> tuple[int, str]:
        """Size and hash of what is in a kernel, written to ``descriptor``."""
        with FileSink(descriptor, self.workers.start) as sink:
            for piece in extract.pieces(packed, read_at):
                if time.monotonic() >= self.fetcher.deadline.at:
                    raise FetchError("the kernel was not unpacked in time")
                if sink.size + len(piece) > self.limits.kernel:
                    most = size_text(self.limits.kernel)
                    raise Refused(
                        f"the kernel unpacks to more than {most}", hint="--max-kernel SIZE allows more"
                    )
                sink.write(piece)
            return sink.size, sink.digest()

    def _joined(self, entry: Entry, sink: FileSink) -> list[InitrdFile]:
        files: list[InitrdFile] = []
        for location in entry.initrds:
            sink.pad(_INITRD_ALIGN)
            self.mark_initrd()
            with named_limit("--max-ramdisk"):
                size, digest = self.fetcher.into(location, sink, self.limits.ramdisk - sink.size)
            self.mark_initrd()
            _not_empty(location, size)
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

    def load_signatures(self) -> None:
        """Download the detached signature of each of :attr:`files`, one behind the other in their order.

        Each has an output file, which is empty where none can be had: the host side judges what that means.
        """
        for location in self.files.sources:
            with FileSink(self.open_output("signature"), self.workers.start) as sink:
                try:
                    sink.write(self.fetcher.small(location.signature, self.limits.signature))
                except (FetchError, Refused) as why:
                    log.info("no signature: %s", printable(why.message, 400))

    def _modules(self, entry: Entry) -> tuple[ModuleFile, ...]:
        modules: list[ModuleFile] = []
        for module in entry.modules:
            opened = FileSink(self.open_output("module"), self.workers.start)
            with named_limit("--max-ramdisk"), opened as sink:
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
def named_limit(option: str) -> Iterator[None]:
    """Let an error of a file that is too large say which ``option`` allows more."""
    try:
        yield
    except TooLarge as why:
        why.hint = f"{option} SIZE allows more"
        raise


def check_together(files: Files, limits: Limits) -> None:
    """Raise Refused where what goes with the kernel has more bytes than ``--max-ramdisk`` allows."""
    beside = (files.ramdisk, *files.modules, files.dtb)
    size = sum(file.size or 0 for file in beside if file is not None)
    if size > limits.ramdisk:
        raise Refused(
            f"ramdisk, modules and device tree have {size_text(size)} together, more than a ramdisk may have",
            hint="--max-ramdisk SIZE allows more",
        )


def _sources(entry: Entry, kernel: Location) -> tuple[Location, ...]:
    packed = (item.location for item in entry.packed if item.location is not None)
    modules = (module.location for module in entry.modules)
    return (kernel, *entry.initrds, *packed, *modules, *(() if entry.dtb is None else (entry.dtb,)))


def _not_empty(location: Location, size: int) -> None:
    # PXELINUX takes a file of no bytes for one that is not there (core/fs/pxe/pxe.c).
    if not size:
        raise NotFound(f"{printable(str(location))} is empty")
