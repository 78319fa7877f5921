"""The files that the client process fills: opened, measured, hashed and named on this side.

The client writes to descriptors, and says nothing of paths, sizes and digests: whatever it may have become,
what is handed over is what this side has found in its own files, within the limits of the boot.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Sequence
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import FetchError, PxeBootError
from pypxeboot.host.output_files import OutputFile, Store
from pypxeboot.limits import Limits
from pypxeboot.privsep.messages import ClientResult, KernelReport, ModuleReport
from pypxeboot.result import DeviceTree, InitrdFile, KernelFile, ModuleFile, Ramdisk
from pypxeboot.text import printable, size_text

KINDS = ("kernel", "unpacked-kernel", "ramdisk", "module", "dtb", "signature")
Stretch = tuple[int, int, int]
"""Bytes of a file: its descriptor, where they begin and where they end."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class HandedOver:
    """The files of a boot, with the names that they have now."""

    kernel: Optional[KernelFile] = None
    initrds: tuple[InitrdFile, ...] = ()
    ramdisk: Optional[Ramdisk] = None
    modules: tuple[ModuleFile, ...] = ()
    dtb: Optional[DeviceTree] = None
    begun: float = 0.0  # when the first of them was opened, of time.monotonic


@dataclass(frozen=True)
class Stretches:
    """Where the bytes of all that boots are: ``initrds`` lie in the ``ramdisk``.

    ``kernel`` is what was served, ``unpacked`` the descriptor of what it was unpacked to, if it was;
    ``signatures`` are descriptors.
    """

    kernel: Stretch
    unpacked: Optional[int]
    ramdisk: Optional[Stretch]
    initrds: tuple[Stretch, ...]
    modules: tuple[Stretch, ...]
    dtbs: tuple[Stretch, ...]
    signatures: tuple[int, ...]


class ReceivedFiles:
    """All files of one boot, in ``store``; ``limits`` hold for each kind of them.

    ``digests``: compute the SHA-256 of what is handed over. ``signatures``: there may be files of these.
    """

    ALIGN = 4096
    """What a script joins to a ramdisk begins at multiples of so many bytes (INITRD_ALIGN of iPXE)."""

    def __init__(self, store: Store, limits: Limits, *, digests: bool, signatures: bool = False) -> None:
        self._store, self._limits, self._digests, self._signatures = store, limits, digests, signatures
        self._outputs: dict[str, list[OutputFile]] = {kind: [] for kind in KINDS}
        self._images: dict[int, OutputFile] = {}
        self._marks: list[int] = []  # where initrds begin and end in the ramdisk
        self._parts: list[tuple[int, int, float]] = []  # initrds that were images: offset, size, when opened
        self._end = float("inf")
        self._known: dict[tuple[int, int, int], str] = {}  # digests, by descriptor, begin and end

    def open(self, kind: str) -> int:
        """Open an output file; return its descriptor. Raises ValueError for a kind that there is none of."""
        self._begin(kind)
        file = self._store.open(kind)
        self._outputs[kind].append(file)
        return file.descriptor

    def open_image(self, number: int) -> int:
        """Open a file that is called ``number`` from now on; return its descriptor. Raises ValueError."""
        if number in self._images:
            raise ValueError(f"a second file {number}")
        file = self._images[number] = self._store.open("image")
        return file.descriptor

    def drop_image(self, number: int) -> None:
        """Remove the file ``number``. Raises KeyError."""
        self._store.drop(self._images.pop(number))

    def use_image(self, number: int, kind: str, offset: int = 0) -> None:
        """Make the file ``number`` an output of ``kind``, or note where the ramdisk has it (initrd).

        Raises KeyError and ValueError.
        """
        if kind == "initrd":
            if len(self._parts) >= self._store.MAX_FILES:
                raise ValueError("an initrd too many")
            self._parts.append((offset, self._images[number].size, self._images[number].opened))
            return
        self._begin(kind)
        file = self._images.pop(number)
        file.kind = kind
        self._outputs[kind].append(file)

    def mark_initrd(self) -> None:
        """Note that an initrd begins or ends where the ramdisk ends now. Raises ValueError without one."""
        ramdisks = self._outputs["ramdisk"]
        if len(ramdisks) != 1 or len(self._marks) >= 2 * self._store.MAX_FILES:
            raise ValueError("an initrd of no ramdisk, or one too many")
        self._marks.append(ramdisks[0].size)

    def check_limits(self) -> None:
        """Raise PxeBootError when the files have more bytes than a boot may have, whatever they are for."""
        # Images are kept until it is known what they are for, and a ramdisk may be joined of several.
        most = 2 * (self._limits.kernel + self._limits.ramdisk)
        total = self._store.size()
        if total > most:
            raise broken_contract(f"its files have {size_text(total)}")

    def reclaim(self) -> None:
        """Take the files back from a client that has ended, with the flags that it may have given them.

        Nothing that it has asked for is written to them from here on.
        """
        for files in (*self._outputs.values(), self._images.values()):
            for file in files:
                fcntl.fcntl(file.descriptor, fcntl.F_SETFL, os.O_RDWR)
                # A process ends before its direct writes by io_uring do. Whoever makes a file smaller waits
                # for them (inode_dio_wait() in the kernel).
                size = file.size
                os.ftruncate(file.descriptor, size + 1)
                os.ftruncate(file.descriptor, size)

    def stretches(self, result: ClientResult) -> Stretches:
        """Return where the bytes are of which the files consist that would be handed over.

        Raises PxeBootError if the client opened more or less than one boot has.
        """
        kernels, unpacked, ramdisks, modules, dtbs, signatures = (self._outputs[kind] for kind in KINDS)
        if len(kernels) != 1 or any(len(files) > 1 for files in (unpacked, ramdisks, dtbs)):
            raise broken_contract("it opened no kernel, or files of more than one boot")
        ramdisk = _whole(ramdisks[0]) if ramdisks else None
        return Stretches(
            _whole(kernels[0]),
            unpacked[0].descriptor if unpacked else None,
            ramdisk,
            () if ramdisk is None else tuple(self._initrd_stretches(ramdisk)),
            tuple(_whole(file) for file in modules),
            tuple(_whole(file) for file in dtbs),
            tuple(file.descriptor for file in signatures),
        )

    def _initrd_stretches(self, ramdisk: Stretch) -> list[Stretch]:
        """Return where the initrds are in the ramdisk. Raises PxeBootError if they are one in the other."""
        descriptor, at, size = ramdisk
        found = [(descriptor, offset, offset + length) for offset, length, _opened in self._parts]
        found = found or [(descriptor, *pair) for pair in zip(self._marks[::2], self._marks[1::2])]
        for _descriptor, begin, end in found:
            if not at <= begin <= end <= size:
                raise broken_contract("its initrds lie one in the other, or beyond the ramdisk")
            at = end
        return found

    def hand_over(self, result: ClientResult, end: float) -> HandedOver:
        """Give the files of ``result`` their names, once the client has ended, until ``end``.

        That is of ``time.monotonic``. Raises PxeBootError.
        """
        self._end = end
        if result.kernel is None:
            raise broken_contract("a boot without a kernel")
        kernels = self._outputs["unpacked-kernel"] or self._outputs["kernel"]
        ramdisks, modules, dtbs = (self._outputs[kind] for kind in ("ramdisk", "module", "dtb"))
        if not kernels or len(modules) != len(result.modules) or (result.dtb is not None) is not bool(dtbs):
            raise broken_contract("it tells of files that it did not open")
        self._check_size("the kernel", kernels[0].space, self._limits.kernel, "--max-kernel")
        together = sum(file.space for file in (*ramdisks, *modules, *dtbs))
        self._check_size("what goes with the kernel", together, self._limits.ramdisk, "--max-ramdisk")
        initrds = self._initrds(result.initrds, _whole(ramdisks[0]) if ramdisks else None)
        opened = [file.opened for file in (*kernels, *ramdisks, *modules, *dtbs)]
        return HandedOver(
            KernelFile(
                result.kernel.url, *self._publish(kernels[0]), result.kernel.format, result.kernel.boots
            ),
            initrds,
            Ramdisk(*self._publish(ramdisks[0])) if ramdisks else None,
            tuple(self._module(report, file) for report, file in zip(result.modules, modules)),
            None if result.dtb is None else DeviceTree(result.dtb, *self._publish(dtbs[0])),
            min([*opened, *(when for _offset, _length, when in self._parts)]),
        )

    def _begin(self, kind: str) -> None:
        """Get ready for a file of ``kind``: with a kernel another entry begins. Raises ValueError."""
        if kind not in KINDS or (kind == "signature" and not self._signatures):
            raise ValueError(f"an output file {printable(kind, 40)}")
        if kind == "kernel":  # what the last entry left is of no use
            for files in self._outputs.values():
                for file in files:
                    self._store.drop(file)
                files.clear()
            self._marks.clear()
            self._parts.clear()
        if kind == "ramdisk":  # one that begins anew, with what was found in the kernel's own file
            for file in self._outputs[kind]:
                self._store.drop(file)
            self._outputs[kind].clear()
            self._marks.clear()

    @staticmethod
    def _check_size(what: str, size: int, most: int, option: str) -> None:
        if size > most:
            raise broken_contract(f"{what} has {size_text(size)}, more than {option} allows")

    def _initrds(self, urls: Sequence[str], ramdisk: Optional[Stretch]) -> tuple[InitrdFile, ...]:
        """Measure the initrds in the ramdisk."""
        found = [] if ramdisk is None else self._initrd_stretches(ramdisk)
        if len(found) != len(urls):
            raise broken_contract("it tells of initrds that it did not write")
        return tuple(
            InitrdFile(url, end - begin, self._digest(descriptor, begin, end))
            for url, (descriptor, begin, end) in zip(urls, found)
        )

    def _module(self, report: ModuleReport, file: OutputFile) -> ModuleFile:
        path, size, sha256 = self._publish(file)
        return ModuleFile(report.url, path, size, report.cmdline, sha256)

    def _publish(self, file: OutputFile) -> tuple[str, int, Optional[str]]:
        """Give a file its name; return that, its size, and its digest where digests are wanted."""
        size = file.size
        return str(file.publish()), size, self._digest(file.descriptor, 0, size)

    def _digest(self, descriptor: int, begin: int, end: int) -> Optional[str]:
        if not self._digests:
            return None
        stretch = (descriptor, begin, end)
        if stretch not in self._known:
            import hashlib  # OpenSSL, which most boots do without on this side

            state = hashlib.sha256()
            for at in range(begin, end, _PIECE):
                piece = os.pread(descriptor, min(_PIECE, end - at), at)
                if len(piece) != min(_PIECE, end - at):
                    raise broken_contract("a file is shorter than it was")
                state.update(piece)
                if time.monotonic() > self._end:
                    raise FetchError("not done in time: files are still hashed", hint=self._limits.longer)
            self._known[stretch] = state.hexdigest()
        return self._known[stretch]


def plan_files(result: ClientResult, kernel: KernelReport) -> HandedOver:
    """Return the files of a boot of which nothing is downloaded: they are known by their URLs."""
    return HandedOver(
        KernelFile(kernel.url, format=kernel.format, boots=kernel.boots),
        tuple(InitrdFile(url) for url in result.initrds),
        Ramdisk() if result.initrds else None,
        tuple(ModuleFile(module.url, None, None, module.cmdline) for module in result.modules),
        None if result.dtb is None else DeviceTree(result.dtb),
    )


def broken_contract(why: str) -> PxeBootError:
    """Return the error of a client process that does what the real one does not."""
    return PxeBootError(f"the client process broke its contract: {why}")


def _whole(file: OutputFile) -> Stretch:
    return file.descriptor, 0, file.size
