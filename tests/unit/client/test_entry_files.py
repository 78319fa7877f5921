"""Fetching by URL: the table of clients, limits, hashes, the record of it all; and the files of an entry."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

import pytest

from pypxeboot.client.entry_files import Downloads
from pypxeboot.client.workers import Workers
from pypxeboot.entry import Action, Entry, Module, Packed
from pypxeboot.errors import FetchError, NotFound, PxeBootError, Refused
from pypxeboot.kernel import cpio
from pypxeboot.limits import Limits
from tests.support.ground.kernels import multiboot_elf
from tests.support.samples.files import KERNEL, Content, at, fetcher


class Outputs:
    """Output files in a directory, by kind."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.opened = directory, list[tuple[str, int]]()

    def __call__(self, kind: str) -> int:
        path = self.directory / f"{kind}.{len(self.opened)}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
        self.opened.append((kind, descriptor))
        return descriptor

    def content(self, kind: str) -> bytes:
        descriptor = [number for name, number in self.opened if name == kind][-1]
        return os.pread(descriptor, 1 << 20, 0)


@pytest.fixture
def outputs(tmp_path: Path) -> Iterator[Outputs]:
    made = Outputs(tmp_path)
    yield made
    for _, descriptor in made.opened:
        os.close(descriptor)


def entry(kernel: str = "k", *initrds: str, modules: tuple[str, ...] = ()) -> Entry:
    return Entry(
        "a",
        Action.BOOT,
        at(kernel),
        tuple(at(name) for name in initrds),
        modules=tuple(Module(at(name), f"{name} x=1") for name in modules),
    )


def downloads(files: Mapping[str, Content], outputs: Outputs, limits: Optional[Limits] = None) -> Downloads:
    return Downloads(fetcher(files), Workers(3), limits or Limits(), outputs, lambda: None)


SITE: dict[str, Content] = {"k": KERNEL, "i1": b"INITRD-ONE\n", "i2": b"INITRD-TWO-22\n", "m": b"module"}


def test_entry_with_all_its_files(outputs: Outputs) -> None:
    loading = downloads(SITE, outputs)
    loading.load(entry("k", "i1", "i2", modules=("m",)))
    files = loading.files
    assert outputs.content("kernel") == KERNEL and outputs.content("module") == b"module"
    joined = b"INITRD-ONE\n\0INITRD-TWO-22\n"
    assert outputs.content("ramdisk") == joined
    assert files.kernel is not None and files.kernel.sha256 == hashlib.sha256(KERNEL).hexdigest()
    assert files.ramdisk is not None and files.ramdisk.size == len(joined)
    assert files.ramdisk.sha256 == hashlib.sha256(joined).hexdigest()
    assert [(initrd.size, initrd.sha256) for initrd in files.initrds] == [
        (len(content), hashlib.sha256(content).hexdigest())
        for content in (b"INITRD-ONE\n", b"INITRD-TWO-22\n")
    ]
    assert [(module.size, module.cmdline) for module in files.modules] == [(6, "m x=1")]


def test_what_goes_with_the_kernel_is_limited_as_a_whole(outputs: Outputs) -> None:
    """The host side hands no more over; each file alone would have room."""
    loading = downloads({**SITE, "m": bytes(60), "i1": bytes(60)}, outputs, Limits(ramdisk=100))
    with pytest.raises(Refused, match="120 B together") as caught:
        loading.load(entry("k", "i1", modules=("m",)))
    assert "--max-ramdisk" in (caught.value.hint or "")


def test_a_multiboot_kernel_in_gzip_is_unpacked(outputs: Outputs) -> None:
    """mboot.c32 and GRUB unpack it; nothing that boots one here does."""
    xen = multiboot_elf()
    loading = downloads({**SITE, "xen.gz": gzip.compress(xen)}, outputs)
    loading.fetcher.deadline.at = time.monotonic() + 60
    loading.load(entry("xen.gz", modules=("m",)))
    assert outputs.content("unpacked-kernel") == xen
    kernel = loading.files.kernel
    assert kernel is not None and (kernel.format, kernel.size) == ("ELF", len(xen))
    loading.load(entry("k"))
    assert [kind for kind, _ in outputs.opened].count("unpacked-kernel") == 1


DTB = b"\xd0\x0d\xfe\xed and the rest"


def test_files_are_wrapped_behind_the_initrds(outputs: Outputs, tmp_path: Path) -> None:
    loading = downloads({**SITE, "c": b"configuration"}, outputs)
    packed = (Packed(at("c"), "/etc/my//site.cfg"), Packed(at("m"), "m"))
    loading.load(replace(entry("k", "i1"), packed=packed))
    ramdisk = outputs.content("ramdisk")
    assert ramdisk.startswith(b"INITRD-ONE\n\0" + b"070701" + b"00000001" + b"000041ed")
    assert b"070701" + b"00000004" + b"000081ed" in ramdisk  # counted through all of them
    (tmp_path / "in").mkdir()
    done = subprocess.run(
        ["busybox", "cpio", "-idv"],
        input=ramdisk[12:] + bytes(-len(ramdisk) % 4) + cpio.header(b"TRAILER!!!", 0, 0, 0),
        cwd=tmp_path / "in",
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == ["etc", "etc/my", "etc/my//site.cfg", "m"]
    assert (tmp_path / "in/etc/my/site.cfg").read_bytes() == b"configuration"
    assert (tmp_path / "in/m").read_bytes() == b"module"
    assert [item.url.rpartition("/")[2] for item in loading.files.initrds] == ["i1", "c", "m"]
    assert loading.files.ramdisk is not None and loading.files.ramdisk.size == len(ramdisk)


def test_a_device_tree_is_one(outputs: Outputs) -> None:
    loading = downloads({**SITE, "t": DTB}, outputs)
    loading.load(replace(entry("k", "i1", "i2"), dtb=at("t")))
    assert outputs.content("dtb") == DTB and loading.files.dtb is not None
    assert loading.files.dtb.sha256 == hashlib.sha256(DTB).hexdigest()
    with pytest.raises(Refused, match="not a device tree"):
        loading.load(replace(entry("k"), dtb=at("m")))


def test_entry_without_initrd_has_no_ramdisk(outputs: Outputs) -> None:
    loading = downloads(SITE, outputs)
    loading.load(entry("k"))
    assert loading.files.ramdisk is None and [kind for kind, _ in outputs.opened] == ["kernel"]


BROKEN: dict[str, tuple[dict[str, Content], type[PxeBootError]]] = {
    "no-kernel": ({"i1": b"x"}, NotFound),
    "empty-kernel": ({"k": b"", "i1": b"x"}, NotFound),
    "no-initrd": ({"k": KERNEL}, NotFound),
    "empty-initrd": ({"k": KERNEL, "i1": b""}, NotFound),
    "large-kernel": ({"k": KERNEL + bytes(9999), "i1": b"x"}, Refused),
    "large-initrd": ({"k": KERNEL, "i1": bytes(9999)}, Refused),
    "web-page": ({"k": b"<html><body>no such page", "i1": b"x"}, Refused),
    "network": ({"k": KERNEL, "i1": FetchError("hung up")}, FetchError),
}


@pytest.mark.parametrize("case", BROKEN)
def test_entries_that_cannot_be_loaded(outputs: Outputs, case: str) -> None:
    files, error = BROKEN[case]
    loading = downloads(files, outputs, Limits(kernel=5000, ramdisk=5000))
    with pytest.raises(error):
        loading.load(entry("k", "i1"))
    assert loading.files.kernel is None


def test_ramdisk_limit_is_for_all_initrds_together(outputs: Outputs) -> None:
    loading = downloads({"k": KERNEL, "i1": bytes(3000), "i2": bytes(3000)}, outputs, Limits(ramdisk=5000))
    with pytest.raises(Refused):
        loading.load(entry("k", "i1", "i2"))


def test_a_kernel_that_fails_stops_the_initrd(outputs: Outputs) -> None:
    """Nobody waits for a gigabyte that will not be used."""

    def endless(write: Callable[[bytes], object]) -> None:
        while True:
            write(b"x" * 1000)
            time.sleep(0.01)

    def late(write: Callable[[bytes], object]) -> None:
        time.sleep(0.1)
        raise NotFound("no such file")

    loading = downloads({"k": late, "i1": endless}, outputs)
    with pytest.raises(NotFound):
        loading.load(entry("k", "i1"))
    loading.fetcher = fetcher(SITE)
    loading.load(entry("k", "i1"))
    assert outputs.content("ramdisk") == b"INITRD-ONE\n", "the worker goes on with the next entry"


def test_kernel_and_initrd_come_side_by_side(outputs: Outputs) -> None:
    both = threading.Barrier(2, timeout=5)

    def meeting(content: bytes) -> Callable[[Callable[[bytes], object]], None]:
        def serve(write: Callable[[bytes], object]) -> None:
            both.wait()
            write(content)

        return serve

    loading = downloads({"k": meeting(KERNEL), "i1": meeting(b"initrd")}, outputs)
    loading.load(entry("k", "i1"))
    assert outputs.content("ramdisk") == b"initrd"


def test_the_signature_of_each_file(outputs: Outputs) -> None:
    """One behind the other in the order of the files; an empty one where there is none."""
    more = {
        "k.sig": b"of k",
        "i2.sig": b"of i2",
        "m.sig": bytes((64 << 10) + 1),
        "d": b"\xd0\x0d\xfe\xed",
        "d.sig": b"d",
    }
    loading = downloads({**SITE, **more}, outputs)
    loading.load(replace(entry("k", "i1", "i2", modules=("m",)), dtb=at("d")))
    assert not [kind for kind, _ in outputs.opened if kind == "signature"]
    loading.load_signatures()
    found = [os.pread(descriptor, 99, 0) for kind, descriptor in outputs.opened if kind == "signature"]
    assert found == [b"of k", b"", b"of i2", b"", b"d"]
