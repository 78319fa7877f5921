"""Fetching by URL: the table of clients, limits, hashes, the record of it all; and the files of an entry."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import resource
import struct
import threading
from pathlib import Path
from typing import Callable

import pytest

from pypxeboot import url
from pypxeboot.client.sink import FileSink
from pypxeboot.errors import Aborted, FetchError, InternalError, NotFound, PxeBootError, Refused
from pypxeboot.fetch import fetcher as fetch
from pypxeboot.fetch.fetcher import MAX_REQUESTS
from pypxeboot.fetch.progress import Progress
from pypxeboot.fetch.schemes import table
from tests.support.samples.files import Files, at, fetcher, sink_of


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
    bar = Progress(stream)
    bar.begin("kernel")
    bar.expect("kernel", 1000)
    for _ in range(10):
        now[0] += 0.2
        bar.advance("kernel", 100)
    bar.end("kernel")
    shown = stream.getvalue()
    assert "[###############...............]" in shown and "1000 B of 1000 B" in shown
    assert {line[:1] for line in shown.split("\n")[:-1]} == {"\r"} and shown.split("\n")[-2] == "\r"


def test_lines_in_a_log_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    monkeypatch.setattr(fetch.time, "monotonic", lambda: now[0])
    own = logging.getLogger(Progress.__module__)
    for name, value in {"handlers": [Keeper()], "disabled": False, "isEnabledFor": lambda _: True}.items():
        monkeypatch.setattr(own, name, value)  # whatever a test before this one has set up
    progress = Progress(None)
    progress.begin("a")
    for _ in range(1200):
        now[0] += 0.01
        progress.advance("a", 1000)
    progress.end("a")
    assert len(told) == 2, told


@pytest.mark.parametrize("why", [UnicodeError("x\x1b[m"), MemoryError(), struct.error("x"), OSError(5, "x")])
def test_what_nobody_foresaw_is_the_failure_of_one_file(why: Exception) -> None:
    def stumble(_write: Callable[[bytes], object]) -> None:
        raise why

    one = fetcher({"a": stumble, "b": b"good"})
    with pytest.raises(FetchError, match="internal error: ") as caught:
        one.small(at("a"), 1024)
    assert caught.value.message.isprintable() and "report" in (caught.value.hint or "")
    assert one.small(at("b"), 1024) == b"good"
    assert [request.result for request in one.requests] == [f"internal error: {told(why)}", "ok"]


def told(why: Exception) -> str:
    """How an exception is told."""
    return InternalError.of(why).message.partition(": ")[2]


def test_a_url_that_no_server_takes_is_not_asked_for() -> None:
    files = Files({})
    one = fetcher({}, schemes={"tftp": files})
    with pytest.raises(Refused, match="which no server takes") as caught:
        one.small(at("a" * 70_000), 1024)
    assert not files.asked and len(caught.value.message) < 400
    assert len(one.requests[0].url) < 20_000
