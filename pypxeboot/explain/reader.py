"""Reads a capture file in a process without privileges, as whatever sent the packets may have made it."""

from __future__ import annotations

import logging
import os
import socket
import stat
import time

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import InternalError, PxeBootError, UsageError
from pypxeboot.explain import capture_file, configuration, packets
from pypxeboot.explain.page import ConfigurationFile
from pypxeboot.explain.timeline import Timeline
from pypxeboot.explain.waterfall import Bar
from pypxeboot.privsep import locked_up, sandbox
from pypxeboot.privsep.channel import Channel, Closed
from pypxeboot.privsep.fork import Child
from pypxeboot.privsep.log_pipe import LogPipe
from pypxeboot.schema import SchemaError, unpack

log = logging.getLogger(__name__)

_SECONDS = 60.0  # for the whole file
_MOST_FRAMES = 5_000_000  # some 7 GB of a download


@dataclass(frozen=True)
class TimelineReport:
    """The message of the reader to the host side: the timeline, line by line.

    ``damage`` says what is wrong with the file, if something is; ``well``: nothing went wrong in the boot.
    ``bars`` are the same in time, ``files`` the configurations that were read.
    """

    lines: tuple[str, ...]
    damage: str
    well: bool = False
    bars: tuple[Bar, ...] = ()
    files: tuple[ConfigurationFile, ...] = ()


def read_timeline(name: str, label: str = "") -> TimelineReport:
    """Have the file ``name`` (``-``: standard input) read, and return its timeline. Raises PxeBootError.

    ``label`` is the entry that booted, if that is known: its lines are those that counted.
    """
    try:
        descriptor = os.dup(0) if name == "-" else os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as why:
        raise UsageError(f"cannot read {name}: {why.strerror}") from None
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise UsageError(f"{name} is a directory")
        reader = _start(descriptor, label)
    finally:
        os.close(descriptor)
    channel, pipe = Channel(reader.end), LogPipe(reader.log)
    channel.settimeout(_SECONDS + 5)
    try:
        kind, value, _descriptor = channel.receive()
        if kind != "TimelineReport":
            raise SchemaError(kind)
        return report_of(value)
    except (Closed, SchemaError, socket.timeout) as why:
        log.debug("the reader: %r", why)
        raise PxeBootError(f"{name}: the process that reads it ended without a result") from None
    finally:
        reader.stop()
        pipe.drain(to_end=True)


def report_of(value: object) -> TimelineReport:
    """Return the report that the reader has sent, whatever it may have become. Raises SchemaError."""
    report = unpack(TimelineReport, value)
    if not all(bar.spans for bar in report.bars):
        raise SchemaError("a bar without a phase")
    return report


def _start(descriptor: int, label: str) -> Child:
    """Fork the process that reads the file behind ``descriptor``."""
    ids = sandbox.user_ids(None) if os.geteuid() == 0 else (os.geteuid(), os.getegid())

    def send_timeline(end: socket.socket, _prepared: None) -> None:
        Channel(end).send(_read(descriptor, label))

    return locked_up.start(lambda _end: None, send_timeline, name="the reader", ids=ids, keep=(descriptor,))


def _read(descriptor: int, label: str) -> TimelineReport:
    timeline, damage = Timeline(), ""
    end = time.monotonic() + _SECONDS
    with open(descriptor, "rb", buffering=1 << 16) as file:
        try:
            for frame in capture_file.frames(file.read):
                timeline.add(packets.decode(frame), frame.when)
                if timeline.frames >= _MOST_FRAMES or (
                    not timeline.frames & 1023 and time.monotonic() >= end
                ):
                    damage = f"it is long: the timeline ends after {timeline.frames} frames"
                    break
        except capture_file.BadCapture as why:
            damage = str(why)
        except Exception as why:  # of a frame that was made to cause it; those before it count
            log.debug("where it failed", exc_info=True)
            damage = f"{InternalError.of(why).message} at frame {timeline.frames + 1}; please report it"
    if not timeline.frames and damage:
        return TimelineReport((), damage)
    lines = tuple(timeline.lines())
    files = configuration.files_read(timeline.files(), label)
    return TimelineReport(lines, damage, timeline.well, tuple(timeline.bars()), files)
