"""Script files: what scripts download, unpack and boot, with nothing left and within limits."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
import zlib
from pathlib import Path
from typing import Optional

import pytest

from pypxeboot.client.entry_files import Downloads
from pypxeboot.client.script_files import MAX_FILES, SAMPLE, ScriptFiles
from pypxeboot.client.workers import Workers
from pypxeboot.effects import (
    Assemble,
    ComputeDigest,
    Download,
    DropFile,
    Identified,
    Identify,
    ReadFile,
    ScriptFile,
    Unpack,
)
from pypxeboot.entry import Action, Entry, Module
from pypxeboot.errors import FetchError, NotFound
from pypxeboot.limits import Deadline, Limits
from tests.support.samples.files import KERNEL, Files, at, fetcher, sink_of

ENTRY = Entry(None, Action.BOOT, at("k"), modules=(Module(at("m"), "m x=1"),))


class HostFiles:
    """The host side's part: files in ``directory``, which become outputs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.dropped: list[int] = []
        self.used: dict[str, int] = {}
        self.open: set[int] = set()
        self.parts: list[int] = []

    def open_image(self, number: int) -> int:
        self.open.add(number)
        return os.open(self.directory / str(number), os.O_RDWR | os.O_CREAT | os.O_EXCL)

    def drop_image(self, number: int) -> None:
        self.open.remove(number)
        self.dropped.append(number)

    def use_image(self, number: int, kind: str, offset: int = 0) -> None:
        if kind == "initrd":
            self.parts.append(number)
            return
        self.open.remove(number)
        self.used[kind] = number

    def content(self, kind: str) -> bytes:
        """An output."""
        return (self.directory / str(self.used[kind])).read_bytes()


SITE = {"k": KERNEL, "i1": b"INITRD-ONE\n", "i2": b"INITRD-TWO\n", "m": b"module", "text": b"text\n" * 99}


class Kit:
    """Script files of a site, and the host side's part."""

    def __init__(
        self,
        directory: Path,
        more: Optional[dict[str, bytes]] = None,
        limits: Optional[Limits] = None,
        **how: bool,
    ) -> None:
        self.host, self.server = HostFiles(directory), Files({**SITE, **(more or {})}, 65536)
        self.deadline = Deadline(time.monotonic() + 600)
        fetching = fetcher({}, schemes={"tftp": self.server}, deadline=self.deadline)
        nothing: dict[str, int] = {}
        self.downloads = Downloads(
            fetching, Workers(3), limits or Limits(), nothing.__getitem__, lambda: None
        )
        self.files = ScriptFiles(self.downloads, self.host, **how)

    def get(self, name: str) -> ScriptFile:
        """Download, whatever comes of it."""
        return self.files.download(Download(at(name)))

    def handle(self, name: str) -> int:
        """Download, which must succeed."""
        kept = self.get(name)
        assert kept.handle is not None, kept.error
        return kept.handle

    def unpack(self, data: bytes) -> ScriptFile:
        """Download a packed file and unpack it."""
        self.server.files["packed"] = data
        return self.files.unpack(Unpack(self.handle("packed")))

    def read(self, kept: ScriptFile) -> bytes:
        """All of a small file."""
        assert kept.handle is not None, kept.error
        return self.files.read(ReadFile(kept.handle, 0, 1 << 20))


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def test_a_file_is_kept_read_and_dropped(kit: Kit) -> None:
    kept = kit.get("text")
    assert (kept.size, kept.head, kept.location) == (495, SITE["text"], at("text"))
    handle = kit.handle("i1")
    assert kit.files.read(ReadFile(handle, 7, 3)) == b"ONE" and kit.files.read(ReadFile(handle, 99, 3)) == b""
    assert (
        kit.files.digest(ComputeDigest(handle, "md5"))
        == hashlib.md5(SITE["i1"], usedforsecurity=False).hexdigest()
    )
    assert kit.files.digest(ComputeDigest(handle, "sha256")) == hashlib.sha256(SITE["i1"]).hexdigest()
    assert kit.files.digest(ComputeDigest(handle, "md-what")) == ""
    assert kit.files.identify(Identify(kit.handle("k"))) == Identified("bzImage") and not kit.files.identify(
        Identify(handle)
    )
    kit.files.drop(DropFile(handle))
    assert kit.host.dropped == [handle]


def test_what_cannot_be_had_is_said_and_leaves_no_file(kit: Kit) -> None:
    kit.server.files["slow"] = FetchError("tftp://10.77.0.1/slow: no answer")
    assert kit.get("gone").error == "not-found"
    assert kit.get("slow").error == "no answer"
    assert not kit.host.open
    kit.deadline.at = time.monotonic() - 1
    with pytest.raises(FetchError):
        kit.get("slow")


def test_no_more_than_a_boot_can_hand_over_is_kept(tmp_path: Path) -> None:
    kit = Kit(tmp_path, {"big": bytes(3 << 20)}, Limits(kernel=1 << 20, ramdisk=4 << 20))
    first = kit.handle("big")
    assert "too large" in kit.get("big").error
    kit.files.drop(DropFile(first))
    kit.handle("big")
    assert len(kit.host.open) == 1


def test_the_number_of_files_is_bounded(kit: Kit) -> None:
    handles = [kit.handle("i1") for _ in range(MAX_FILES)]
    assert "files are kept" in kit.get("i1").error
    kit.files.drop(DropFile(handles[0]))
    handles[0] = kit.handle("i1")
    for handle in handles:
        kit.files.drop(DropFile(handle))


CONTENT = b"packed content\n" * 5000
ARCHIVES = {
    "gzip": gzip.compress(CONTENT),
    "zlib": zlib.compress(CONTENT),
    "two members": gzip.compress(CONTENT[:9000]) + gzip.compress(CONTENT[9000:]),
    "padded": gzip.compress(CONTENT) + bytes(512),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives(kit: Kit, name: str) -> None:
    assert kit.read(kit.unpack(ARCHIVES[name])) == CONTENT


@pytest.mark.parametrize(
    "data", [CONTENT, b"", ARCHIVES["gzip"][:-9], ARCHIVES["zlib"][:50], b"\x1f\x8b\x08junk"]
)
def test_what_is_no_archive(kit: Kit, data: bytes) -> None:
    kept = kit.unpack(data)
    assert kept.handle is None and kept.error.isprintable() and len(kit.host.open) == 1


@pytest.mark.slow
def test_a_bomb_ends_at_the_limit(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(512)) + packer.flush()
    kit = Kit(tmp_path, limits=Limits(kernel=2 << 20, ramdisk=2 << 20))
    kept = kit.unpack(bomb)
    assert kept.handle is None and "more than" in kept.error
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8 << 20


def test_one_initrd_becomes_the_ramdisk_itself(kit: Kit) -> None:
    kernel, initrd = kit.handle("k"), kit.handle("i1")
    assert kit.files.assemble(Assemble(ENTRY, kernel, (initrd,))).ok
    files = kit.downloads.files
    assert kit.host.used == {"kernel": kernel, "ramdisk": initrd}
    assert files.kernel and files.ramdisk and files.kernel.format == "bzImage"
    assert (files.ramdisk.size, files.ramdisk.sha256) == (11, hashlib.sha256(SITE["i1"]).hexdigest())
    kit.files.drop(DropFile(kernel))
    assert kit.host.dropped == []


def test_parts_are_joined_in_order(kit: Kit) -> None:
    kernel, first, second, module = (kit.handle(name) for name in ("k", "i1", "i2", "m"))
    joined = b"header" + SITE["i1"] + bytes(5) + SITE["i2"]
    parts = (b"header", first, bytes(5), second)
    assert kit.files.assemble(Assemble(ENTRY, kernel, parts, (module,))).ok
    files = kit.downloads.files
    assert (kit.host.content("ramdisk"), kit.host.content("module")) == (joined, SITE["m"])
    assert files.ramdisk and files.ramdisk.sha256 == hashlib.sha256(joined).hexdigest()
    assert [(initrd.url, initrd.size) for initrd in files.initrds] == [
        (f"tftp://10.77.0.1/{name}", 11) for name in ("i1", "i2")
    ]
    assert [(one.cmdline, one.size) for one in files.modules] == [("m x=1", 6)]


def test_an_attempt_that_fails_leaves_everything_for_the_next(tmp_path: Path) -> None:
    kit = Kit(tmp_path, {"big": bytes(2900)}, Limits(kernel=4 << 10, ramdisk=3000))
    text, kernel, big, one = (kit.handle(name) for name in ("text", "k", "big", "i1"))
    refused = kit.files.assemble(Assemble(ENTRY, text, (one,)))
    assert not refused.ok and "not a kernel" in refused.error
    large = kit.files.assemble(Assemble(ENTRY, kernel, (big, bytes(200), one)))
    assert not large.ok and "more than a ramdisk may have" in large.error
    assert not kit.host.used
    assert (
        kit.files.assemble(Assemble(ENTRY, kernel, (one,))).ok and kit.host.content("ramdisk") == SITE["i1"]
    )


def test_a_boot_file_is_asked_for_once(kit: Kit) -> None:
    assert kit.files.sample(at("text"), SAMPLE) == SITE["text"]
    assert kit.get("text").head == SITE["text"] and len(kit.server.asked) == 1
    kit.handle("text")
    assert len(kit.server.asked) == 2
    with pytest.raises(NotFound):
        kit.files.sample(at("gone"), SAMPLE)


def test_a_large_boot_file_is_sampled_only(tmp_path: Path) -> None:
    kit = Kit(tmp_path, {"big": KERNEL + bytes(8 << 20)})
    assert kit.files.sample(at("big"), SAMPLE) == KERNEL[:1024]
    assert not kit.host.open and (tmp_path / "0").stat().st_size < 2 * SAMPLE


def test_not_really_takes_heads_until_something_wants_all(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    kit = Kit(tmp_path, {"big": KERNEL + content}, download_all=False)
    handle = kit.handle("big")
    assert (tmp_path / str(handle)).stat().st_size < 2 * SAMPLE
    assert kit.files.identify(Identify(handle)) == Identified("bzImage")
    assert kit.files.assemble(Assemble(ENTRY, handle, ())).ok and not kit.host.used
    assert kit.files.digest(ComputeDigest(handle, "sha256")) == hashlib.sha256(KERNEL + content).hexdigest()


def test_copies_between_file_systems(tmp_path: Path) -> None:
    """copy_file_range(2) does not go there; sendfile(2) does."""
    shared = Path("/dev/shm") / f"pypxeboot-test-{os.getpid()}"
    content = os.urandom(3 << 20)
    shared.write_bytes(content)
    source = os.open(shared, os.O_RDONLY)
    shared.unlink()
    target = os.open(tmp_path / "target", os.O_RDWR | os.O_CREAT)
    try:
        with sink_of(target) as sink:
            sink.write(b"before")
            sink.copy(source, len(content))
            sink.write(b"after")
            assert sink.digest() == hashlib.sha256(b"before" + content + b"after").hexdigest()
        assert (tmp_path / "target").read_bytes() == b"before" + content + b"after"
        with sink_of(target) as sink, pytest.raises(FetchError):
            sink.copy(source, len(content) + 1)
    finally:
        os.close(source)
        os.close(target)
