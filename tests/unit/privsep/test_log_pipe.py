"""What a locked-up process writes to standard error, on its way to the log."""

from __future__ import annotations

import logging
import os

import pytest

from pypxeboot.privsep import log_pipe, logs
from pypxeboot.privsep.log_pipe import LogPipe


def opened() -> tuple[LogPipe, int]:
    """A pipe, and the descriptor to write to."""
    logs.configure(logging.WARNING)
    reader, writer = os.pipe()
    return LogPipe(reader), writer


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = opened()
    os.write(writer, b"one\ntwo\x1b[2J\r\xff\nth")
    reader.drain()
    os.write(writer, b"ree\nhalf")
    reader.drain()
    told = capsys.readouterr().err
    assert told.splitlines()[:1] == ["pypxeboot: one"], told
    os.close(writer)
    reader.drain()
    told = capsys.readouterr().err
    assert told == "pypxeboot: half\n" and reader.fileno() == -1


def test_what_cannot_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = opened()
    os.write(writer, "a\x1b[2J\x07\u202e\x9b\r b\n".encode() + b"\xff\n" + b"x" * 60_000)
    os.close(writer)
    reader.drain(to_end=True)
    lines = capsys.readouterr().err.split("\n")
    assert all(line.isprintable() and len(line) < 10_100 for line in lines)
    assert lines[0].startswith("pypxeboot: a") and len(lines) > 2


def test_progress_takes_the_place_of_progress(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "shows_progress", lambda: True)
    reader, writer = opened()
    os.write(writer, b"\r[##] 20\x1b[2J\n\r[#]\nline\n\r\n")
    os.close(writer)
    reader.drain(to_end=True)
    told = capsys.readouterr().err
    assert told.startswith("\r[##] 20") and "\x1b" not in told
    assert told.endswith("\rpypxeboot: line\n"), "wiped before the line"


def test_a_process_that_writes_without_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_pipe, "_LINES", 10)
    reader, writer = opened()
    os.write(writer, b"line\n" * 100)
    os.close(writer)
    reader.drain(to_end=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["pypxeboot: line"] * 9 + ["pypxeboot: more lines of the client process are not shown"]
