"""Fetching by URL: the table of clients, limits, hashes, the record of it all; and the files of an entry."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional, Union

import pytest

from pypxeboot import url
from pypxeboot.client.entry_files import Downloads
from pypxeboot.client.sink import FileSink
from pypxeboot.client.workers import Workers
from pypxeboot.entry import Action, Entry, Module, Packed
from pypxeboot.errors import Aborted, FetchError, NotFound, PxeBootError, Refused
from pypxeboot.fetch import fetcher as fetch
from pypxeboot.fetch.fetcher import MAX_REQUESTS, Fetcher
from pypxeboot.fetch.progress import Progress
from pypxeboot.fetch.request import FetchRequest, Sink
from pypxeboot.fetch.schemes import table
from pypxeboot.kernel import cpio
from pypxeboot.limits import Deadline, Limits
from pypxeboot.url import Location, parse

Content = Union[bytes, PxeBootError, Callable[[Callable[[bytes], object]], None]]
KERNEL = bytes(0x202) + b"HdrS" + bytes(2048)


class Files:
    """A client that serves a dict; a value may be an error to raise, or a function that writes."""

    def __init__(self, files: Mapping[str, Content], piece: int = 1000) -> None:
        self.files, self.piece = files, piece
        self.asked: list[tuple[str, int, float]] = []

    def __call__(self, request: FetchRequest, sink: Sink) -> None:
        location = request.location
        self.asked.append((location.path, request.limit, request.deadline))
        content = self.files.get(location.path)
        if content is None:
            raise NotFound(f"{location}: no such file")
        if isinstance(content, PxeBootError):
            raise content
        if callable(content):
            content(sink.write)
            return
        sink.expect(len(content))
        if len(content) > request.limit:
            raise Refused(f"{location}: too large")
        for at in range(0, len(content), self.piece):
            sink.write(memoryview(content)[at : at + self.piece])


def at(path: str, scheme: str = "tftp") -> Location:
    return parse(f"{scheme}://10.77.0.1/{path}", None)


def fetcher(files: Mapping[str, Content], **changed: Any) -> Fetcher:
    schemes = {"tftp": Files(files)}
    quiet = Progress(io.StringIO(), bar=False)
    return Fetcher(**{"schemes": schemes, "deadline": Deadline(77.0), "progress": quiet, **changed})


def sink_of(descriptor: int, given_up: Optional[threading.Event] = None) -> FileSink:
    return FileSink(descriptor, Workers(1).start, given_up)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FileSink]:
    descriptor = os.open(tmp_path / "sink", os.O_RDWR | os.O_CREAT)
    with sink_of(descriptor) as made:
        yield made
    os.close(descriptor)


def test_small_file_and_its_record() -> None:
    files = Files({"a": b"x" * 2500})
    one = fetcher({}, schemes={"tftp": files})
    assert one.small(at("a"), 4096) == b"x" * 2500
    assert files.asked == [("a", 4096, 77.0)]
    (request,) = one.requests
    assert (request.url, request.result, request.bytes) == ("tftp://10.77.0.1/a", "ok", 2500)
    assert request.seconds >= 0


def test_head_of_a_large_file() -> None:
    """No more is asked for than is needed, and the size does not matter."""
    written: list[int] = []

    def endless(write: Callable[[bytes], object]) -> None:
        while True:
            written.append(1)
            write(b"y" * 1000)

    one = fetcher({"big": endless})
    assert one.small(at("big"), 1024, head=True) == b"y" * 1024
    assert len(written) == 2 and one.requests[0].result == "ok"
    assert fetcher({"short": b"abc"}).small(at("short"), 1024, head=True) == b"abc"


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (NotFound("tftp://10.77.0.1/a: no such file"), "not-found"),
        (FetchError("tftp://10.77.0.1/a: no answer for 30 s"), "no answer for 30 s"),
        (Refused("too large"), "too large"),
    ],
)
def test_failures_are_recorded_and_passed_on(error: PxeBootError, result: str) -> None:
    one = fetcher({"a": error})
    with pytest.raises(type(error)):
        one.small(at("a"), 100)
    assert [(request.result, request.bytes) for request in one.requests] == [(result, 0)]


def test_bytes_that_came_before_a_failure_are_counted() -> None:
    def half(write: Callable[[bytes], object]) -> None:
        write(b"12345")
        raise FetchError("hung up")

    one = fetcher({"a": half})
    with pytest.raises(FetchError):
        one.small(at("a"), 100)
    assert one.requests[0].bytes == 5


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "data", "FILE"])
def test_36_schemes_that_nobody_serves(scheme: str) -> None:
    one = fetcher({"etc/passwd": b"no"})
    with pytest.raises(Refused) as caught:
        one.small(at("etc/passwd", scheme), 100)
    assert "tftp" in caught.value.message and len(one.requests) == 1


def test_every_scheme_that_a_name_may_have_is_served() -> None:
    assert set(table(None)) == set(url.SCHEMES)


def test_33_number_of_requests_is_bounded() -> None:
    one = fetcher({"a": b"x"})
    for _ in range(MAX_REQUESTS):
        one.small(at("a"), 10)
    with pytest.raises(Refused):
        one.small(at("a"), 10)


def test_into_a_file_with_hash(sink: FileSink) -> None:
    content = os.urandom(5555)
    one = fetcher({"a": content})
    assert one.into(at("a"), sink, 10_000) == (5555, hashlib.sha256(content).hexdigest())
    assert os.pread(sink.descriptor, 9999, 0) == content and sink.size == 5555


def test_several_into_one_file(sink: FileSink) -> None:
    one = fetcher({"a": b"A" * 5, "b": b"B" * 7})
    one.into(at("a"), sink, 100)
    sink.pad(4)
    size, digest = one.into(at("b"), sink, 100)
    assert (size, digest) == (7, hashlib.sha256(b"B" * 7).hexdigest())
    whole = b"A" * 5 + bytes(3) + b"B" * 7
    assert os.pread(sink.descriptor, 99, 0) == whole
    assert sink.digest_of_all() == hashlib.sha256(whole).hexdigest()
    sink.pad(1)
    assert sink.size == 15


def test_23_disk_full() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(FetchError) as caught:
            fetcher({"a": b"x" * 5000}).into(at("a"), sink_of(descriptor), 10_000)
    finally:
        os.close(descriptor)
    assert "No space left" in caught.value.message and caught.value.code == 6
    assert caught.value.hint and "--output-directory" in caught.value.hint


def test_23_limit_of_the_sandbox(tmp_path: Path) -> None:
    """RLIMIT_FSIZE: the last bound of what a client writes."""
    pid = os.fork()
    if pid == 0:
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
            with (tmp_path / "out").open("w+b") as file:
                fetcher({"a": b"x" * 5000}).into(at("a"), sink_of(file.fileno()), 10_000)
        except FetchError as why:
            os._exit(7 if "too large" in why.message.lower() and "2.9 KiB" in why.message else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_given_up(tmp_path: Path) -> None:
    given_up = threading.Event()
    with (tmp_path / "out").open("w+b") as file, sink_of(file.fileno(), given_up) as sink:
        sink.write(b"x")
        given_up.set()
        with pytest.raises(Aborted):
            sink.write(b"x")


def test_large_files_are_hashed_whole(sink: FileSink) -> None:
    """Hashed beside the download, in blocks: sizes around theirs."""
    block = os.urandom(1 << 20)
    whole = hashlib.sha256()
    for size in ((1 << 18) - 1, 1 << 18, 1 << 20, (1 << 20) + 1, 3_000_001, 1):
        content = (block * 3)[:size]
        got = fetcher({"a": content}, schemes={"tftp": Files({"a": content}, 65536)}).into(
            at("a"), sink, 1 << 30
        )
        assert got == (size, hashlib.sha256(content).hexdigest())
        whole.update(content)
    assert sink.digest_of_all() == whole.hexdigest()


def test_file_that_shrinks_under_the_hash_is_an_error(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as file, sink_of(file.fileno()) as sink:
        sink.write(b"x" * 1000)
        os.ftruncate(file.fileno(), 10)
        with pytest.raises(FetchError):
            sink.digest_of_all()


def test_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(fetch.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    bar = Progress(stream, bar=True)
    bar.begin("kernel")
    bar.expect("kernel", 1000)
    for _ in range(10):
        now[0] += 0.2
        bar.advance("kernel", 100)
    bar.end("kernel")
    shown = stream.getvalue()
    assert "[###############...............]" in shown and "1000 B of 1000 B" in shown
    assert shown.endswith("\r") and shown.rstrip("\r").endswith(" "), "wiped in the end"
    assert "\n" not in shown


def test_lines_in_a_log_are_few(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    monkeypatch.setattr(fetch.time, "monotonic", lambda: now[0])
    stream = io.StringIO()
    progress = Progress(stream, bar=False)
    monkeypatch.setattr(fetch.log, "propagate", True)
    monkeypatch.setattr(fetch.logging.getLogger("pypxeboot"), "propagate", True)
    with caplog.at_level("INFO", logger="pypxeboot"):
        progress.begin("a")
        for _ in range(1200):
            now[0] += 0.01
            progress.advance("a", 1000)
        progress.end("a")
    assert stream.getvalue() == "" and len(caplog.records) == 2, caplog.text


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
    return Downloads(fetcher(files), Workers(3), limits or Limits(), outputs)


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
    assert loading.seconds > 0


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
