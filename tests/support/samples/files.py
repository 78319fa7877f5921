"""Files as a fetcher gets them, from a dict."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional, Union

import pytest

from pypxeboot.client.sink import FileSink
from pypxeboot.client.workers import Workers
from pypxeboot.errors import NotFound, PxeBootError, Refused
from pypxeboot.fetch.fetcher import Fetcher
from pypxeboot.fetch.progress import Progress
from pypxeboot.fetch.request import FetchRequest, Sink
from pypxeboot.limits import Deadline
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
    quiet = Progress(None)
    return Fetcher(**{"schemes": schemes, "deadline": Deadline(77.0), "progress": quiet, **changed})


def sink_of(descriptor: int, given_up: Optional[threading.Event] = None) -> FileSink:
    return FileSink(descriptor, Workers(1).start, given_up)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[FileSink]:
    descriptor = os.open(tmp_path / "sink", os.O_RDWR | os.O_CREAT)
    with sink_of(descriptor) as made:
        yield made
    os.close(descriptor)
