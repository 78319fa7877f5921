"""Output files as downloads fill them: sizes, digests, a full disk, and threads that are free again."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypxeboot.client.sink import FileSink
from pypxeboot.client.workers import Workers
from pypxeboot.errors import Aborted, FetchError
from pypxeboot.text import size_text

MIB = 1 << 20
SIZES = (0, 1, 3, 4095, 4096, 4097, MIB - 1, MIB, MIB + 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9 * MIB + 5)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    yield opened
    os.close(opened)


def content(size: int, seed: int = 1) -> bytes:
    """Bytes that repeat at no power of two."""
    block = bytes((number * number * seed + number + seed) % 251 for number in range(65521))
    return (block * (size // len(block) + 1))[:size]


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def whole(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def thread_is_free(workers: Workers) -> bool:
    """Whether the one thread takes a job within a second."""
    taken = threading.Event()
    workers.start(taken.set)
    return taken.wait(1)


@pytest.mark.parametrize("size", SIZES)
def test_one_file(descriptor: int, workers: Workers, size: int) -> None:
    data = content(size)
    with FileSink(descriptor, workers.start) as sink:
        sink.begin()
        sink.write(data)
        assert (sink.size, sink.digest(), sink.digest_of_all()) == (size, sha(data), sha(data))
    assert whole(descriptor) == data


@pytest.mark.parametrize("piece", [1, 511, 65536, MIB - 1, MIB + 1])
def test_in_pieces(descriptor: int, workers: Workers, piece: int) -> None:
    data = content(2 * MIB + 7 if piece > 1 else 5000)
    with FileSink(descriptor, workers.start) as sink:
        sink.begin()
        for at in range(0, len(data), piece):
            sink.write(memoryview(data)[at : at + piece])
        assert (sink.size, sink.digest()) == (len(data), sha(data))
    assert whole(descriptor) == data


@pytest.mark.parametrize(
    "sizes", [(1, 2, 3), (4, 8), (MIB + 1, 3, 4 * MIB + 2, 1), (5 * MIB - 1, 5 * MIB + 1), (0, 0, 5), (7, 0)]
)
def test_several_files_joined(descriptor: int, workers: Workers, sizes: tuple[int, ...]) -> None:
    expected = b""
    with FileSink(descriptor, workers.start) as sink:
        for seed, size in enumerate(sizes, 1):
            sink.pad(4)
            expected += bytes(-len(expected) % 4)
            assert sink.size == len(expected)
            data = content(size, seed)
            sink.begin()
            sink.write(data)
            expected += data
            assert sink.digest() == sha(data), f"file {seed}"
        assert (sink.size, sink.digest_of_all()) == (len(expected), sha(expected))
    assert whole(descriptor) == expected


def test_digests_may_be_asked_again(descriptor: int, workers: Workers) -> None:
    with FileSink(descriptor, workers.start) as sink:
        assert sink.digest() == sink.digest_of_all() == sha(b"")
        sink.begin()
        sink.write(b"abc")
        assert sink.digest() == sink.digest() == sha(b"abc")
        sink.write(b"def")
        assert (sink.digest(), sink.digest_of_all()) == (sha(b"abcdef"), sha(b"abcdef"))
        sink.begin()
        assert (sink.digest(), sink.digest_of_all()) == (sha(b""), sha(b"abcdef"))


def test_what_is_hashed_is_what_is_in_the_file(descriptor: int, workers: Workers) -> None:
    """The buffer may be used again as soon as ``write`` has returned."""
    buffer = bytearray(64 * 1024)
    expected = b""
    with FileSink(descriptor, workers.start) as sink:
        sink.begin()
        for number in range(48):
            buffer[:] = bytes([number]) * len(buffer)
            sink.write(memoryview(buffer))
            expected += bytes(buffer)
        buffer[:] = bytes(len(buffer))
        assert sink.digest() == sha(expected)


def test_no_room() -> None:
    workers = Workers(1)
    full = os.open("/dev/full", os.O_RDWR)
    with FileSink(full, workers.start) as sink, pytest.raises(FetchError) as caught:
        sink.write(b"x")
    os.close(full)
    assert os.strerror(errno.ENOSPC) in caught.value.message and "after 0 B" in caught.value.message
    assert caught.value.hint is not None and "--output-directory" in caught.value.hint
    assert sink.size == 0 and thread_is_free(workers)


@contextlib.contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process gets larger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [4096, MIB + 100, 3 * MIB])
def test_a_disk_that_fills_up(descriptor: int, workers: Workers, limit: int) -> None:
    """The number of bytes in the message is how many fitted."""
    data = content(limit + 10_000)
    with FileSink(descriptor, workers.start) as sink:
        sink.begin()
        with files_end_at(limit), pytest.raises(FetchError) as caught:
            for at in range(0, len(data), 65536):
                sink.write(data[at : at + 65536])
        assert f"(after {size_text(limit)})" in caught.value.message
        assert sink.size == limit == os.fstat(descriptor).st_size
    assert thread_is_free(workers)


def test_given_up(descriptor: int, workers: Workers) -> None:
    given_up = threading.Event()
    with FileSink(descriptor, workers.start, given_up) as sink:
        sink.begin()
        sink.write(b"before")
        given_up.set()
        with pytest.raises(Aborted):
            sink.write(b"after")
        assert sink.size == 6
    assert whole(descriptor) == b"before" and thread_is_free(workers)


@pytest.mark.parametrize("asked", [True, False])
def test_the_thread_is_free_after_the_end(descriptor: int, asked: bool) -> None:
    workers = Workers(1)
    with FileSink(descriptor, workers.start) as sink:
        sink.begin()
        sink.write(content(3 * MIB))
        if asked:
            sink.digest()
        assert not asked or not thread_is_free_now(workers), "the sink needs it until its end"
    assert thread_is_free(workers)


def thread_is_free_now(workers: Workers) -> bool:
    taken = threading.Event()
    workers.start(taken.set)
    return taken.wait(0.05)


def test_the_thread_is_free_after_an_exception(descriptor: int) -> None:
    workers = Workers(1)
    with pytest.raises(KeyError), FileSink(descriptor, workers.start) as sink:
        sink.write(content(2 * MIB))
        raise KeyError
    assert thread_is_free(workers)


@pytest.mark.slow
def test_many_sinks_in_turn(tmp_path: Path) -> None:
    workers = Workers(1)
    for number in range(200):
        data = content(number * 37, number + 1)
        with (
            (tmp_path / "file").open("w+b", buffering=0) as file,
            FileSink(file.fileno(), workers.start) as sink,
        ):
            sink.begin()
            sink.write(data)
            assert sink.digest() == sha(data)


def test_a_file_that_cannot_be_read_again(tmp_path: Path, workers: Workers) -> None:
    """An error of the other thread ends the download: nobody waits for a digest that never comes."""
    write_only = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT, 0o600)
    with FileSink(write_only, workers.start) as sink, pytest.raises(FetchError) as caught:
        sink.begin()
        sink.write(b"data")
        sink.digest()
    os.close(write_only)
    assert "cannot read" in caught.value.message and isinstance(caught.value.__cause__, OSError)
    assert thread_is_free(workers)
