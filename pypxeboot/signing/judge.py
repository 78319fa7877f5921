"""The process that judges whether files are vouched for: locked up, since what it reads is a stranger's.

It is forked anew once the client process has ended. It gets read-only descriptors of the finished files and
of their signatures, and nothing else; its answer is one small message of a closed schema for each file.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from enum import Enum
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import Refused
from pypxeboot.guest import Target
from pypxeboot.privsep import locked_up, sandbox
from pypxeboot.privsep.channel import Channel, Closed
from pypxeboot.privsep.fork import Child
from pypxeboot.privsep.log_pipe import LogPipe
from pypxeboot.schema import SchemaError, unpack
from pypxeboot.signing import signature
from pypxeboot.text import printable
from pypxeboot.wire import ReadAt

log = logging.getLogger(__name__)

# For all files of a boot: SHA-256 takes some seconds a GiB where the processor does not help.
SECONDS = 60.0
_PIECE = 1 << 20


@dataclass(frozen=True)
class Exhibit:
    """A file to be judged: the bytes from ``begin`` to ``end`` behind ``descriptor``.

    ``signature`` is the descriptor of its detached signature, None if there is none. ``unpacked`` is that of
    what it was unpacked to, if it is a kernel and was. Where there is a ``section``, it has to be that
    section of the first exhibit, a unified kernel image, and nothing else vouches for it.
    """

    descriptor: int
    begin: int
    end: int
    signature: Optional[int] = None
    unpacked: Optional[int] = None
    section: str = ""


@dataclass(frozen=True)
class Rules:
    """What vouches for a file: a signature by one of ``authorities`` (PEM), or its SHA-256 in ``digests``.

    ``target`` is for what kernels are unpacked.
    """

    authorities: Optional[bytes]
    digests: Collection[str]
    target: Optional[Target] = None


class Voucher(str, Enum):
    """What vouches for a file."""

    SIGNATURE = "signature"
    DIGEST = "digest"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Judgement:
    """The message of the judge on the exhibit ``number``: what vouches for it, or ``why`` nothing does.

    ``sha256`` is in hexadecimal, and empty where nobody needed to know it.
    """

    number: int
    voucher: Voucher
    why: str
    sha256: str


def judge(exhibits: Sequence[Exhibit], rules: Rules, ids: tuple[int, int]) -> list[Judgement]:
    """Have ``exhibits`` judged by a process of uid and gid ``ids``; return a verdict for each.

    Raises Refused if it does not come to all of them.
    """
    verdicts: list[Judgement] = []
    with ExitStack() as undo:
        copies = [_read_only(exhibit, undo) for exhibit in exhibits]
        process = _start(copies, rules, ids)
        pipe = LogPipe(process.log)
        undo.callback(pipe.drain, to_end=True)
        undo.callback(process.stop)
        channel, end = Channel(process.end), time.monotonic() + SECONDS
        try:
            for number in range(len(copies)):
                channel.settimeout(max(end - time.monotonic(), 0.01))
                kind, value, descriptor = channel.receive()
                if descriptor is not None:
                    os.close(descriptor)
                verdict = unpack(Judgement, value)
                if kind != "Judgement" or verdict.number != number:
                    raise SchemaError("another message than a verdict on the next file")
                verdicts.append(verdict)
        except (Closed, SchemaError, socket.timeout) as why:
            log.debug("the judge: %r", why)
            slow = isinstance(why, socket.timeout)
            said = f"was not done after {SECONDS:.0f} s" if slow else "ended without a verdict"
            raise Refused(f"the process that verifies the files {said}", hint="-vv says where") from None
    return verdicts


def _read_only(exhibit: Exhibit, undo: ExitStack) -> Exhibit:
    """Return ``exhibit`` with descriptors that nothing can be written to; ``undo`` closes them."""

    def reopened(descriptor: Optional[int]) -> Optional[int]:
        if descriptor is None:
            return None
        copy = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        undo.callback(os.close, copy)
        return copy

    file = reopened(exhibit.descriptor)
    assert file is not None
    signed, unpacked = reopened(exhibit.signature), reopened(exhibit.unpacked)
    return Exhibit(file, exhibit.begin, exhibit.end, signed, unpacked, exhibit.section)


def _start(exhibits: Sequence[Exhibit], rules: Rules, ids: tuple[int, int]) -> Child:
    """Fork the process that judges."""

    def send_judgements(end: socket.socket, _prepared: None) -> None:
        channel, now = Channel(end), datetime.now(timezone.utc)
        first: Optional[Judgement] = None
        for number, exhibit in enumerate(exhibits):
            if exhibit.section and first is not None:
                verdict = _judgement_on_section(number, exhibit, exhibits[0], first)
            else:
                verdict = judgement_on(number, exhibit, rules, now)
            first = first or verdict
            channel.send(verdict)

    opened = [(one.descriptor, one.signature, one.unpacked) for one in exhibits]
    keep = tuple(descriptor for three in opened for descriptor in three if descriptor is not None)
    readable = sandbox.shared_libraries()
    return locked_up.start(_prepare, send_judgements, name="the judge", ids=ids, readable=readable, keep=keep)


def _prepare(_end: socket.socket) -> None:
    """Import what is needed while files can be opened: all of it is ours, or of the distribution."""
    from pypxeboot.kernel import extract  # noqa: F401

    signature.prepare()


def judgement_on(number: int, exhibit: Exhibit, rules: Rules, now: datetime) -> Judgement:
    """Return the verdict on ``exhibit``, which is the one of that number, as of ``now``."""
    sha256 = ""
    if rules.digests:
        sha256 = _sha256(exhibit)
        if sha256 in rules.digests:
            return _with_unpacked(Judgement(number, Voucher.DIGEST, "", sha256), exhibit, rules)
    if rules.authorities is None:
        return Judgement(number, Voucher.NOTHING, "its SHA-256 is none of those that are allowed", sha256)
    signed = b"" if exhibit.signature is None else os.pread(exhibit.signature, signature.LIMIT + 1, 0)
    why = "there is no signature"
    if signed:
        why = signature.check(signed, _pieces(exhibit), rules.authorities, "", now)
    if why:
        why = printable(why, 400)
        return Judgement(number, Voucher.NOTHING, why, sha256 or _sha256(exhibit))
    return _with_unpacked(Judgement(number, Voucher.SIGNATURE, "", sha256), exhibit, rules)


def _pieces(exhibit: Exhibit) -> Iterator[bytes]:
    """Yield all of a file. Raises EOFError if it is shorter than was said."""
    at = exhibit.begin
    while at < exhibit.end:
        piece = os.pread(exhibit.descriptor, min(_PIECE, exhibit.end - at), at)
        if not piece:
            raise EOFError("a file is shorter than it was")
        yield piece
        at += len(piece)


def _sha256(exhibit: Exhibit) -> str:
    state = hashlib.sha256()
    for piece in _pieces(exhibit):
        state.update(piece)
    return state.hexdigest()


def _with_unpacked(verdict: Judgement, exhibit: Exhibit, rules: Rules) -> Judgement:
    """Return ``verdict``, or one that nothing vouches for what the kernel in ``exhibit`` was unpacked to."""
    if exhibit.unpacked is None or _is_unpacked(exhibit, exhibit.unpacked, rules.target):
        return verdict
    why = "what it was unpacked to is not what it unpacks to"
    return Judgement(verdict.number, Voucher.NOTHING, why, verdict.sha256)


def _is_unpacked(exhibit: Exhibit, unpacked: int, target: Optional[Target]) -> bool:
    """Unpack the kernel in ``exhibit`` for ``target`` once more, and compare with what is in ``unpacked``."""
    from pypxeboot.kernel import extract, identify

    at, read_at = 0, _reader(exhibit)
    try:
        info = identify.identify(read_at(0, identify.HEAD), exhibit.end - exhibit.begin, read_at)
        found = extract.bootable(info, read_at, target, "")
        if found.pieces is None:
            return False
        for piece in found.pieces:
            if os.pread(unpacked, len(piece), at) != piece:
                return False
            at += len(piece)
    except Refused:
        return False
    return at == os.fstat(unpacked).st_size


def _judgement_on_section(number: int, exhibit: Exhibit, image: Exhibit, first: Judgement) -> Judgement:
    """Return the verdict on what was taken out of ``image``: that on the image, if it is what it has."""
    if first.voucher is not Voucher.NOTHING and _is_section(exhibit, image):
        return Judgement(number, first.voucher, "", first.sha256)
    why = "what was taken out of the kernel's file is not what that has"
    if first.voucher is Voucher.NOTHING:
        why = "it was taken out of the kernel's file, which is not vouched for"
    return Judgement(number, Voucher.NOTHING, why, _sha256(exhibit))


def _is_section(exhibit: Exhibit, image: Exhibit) -> bool:
    """Whether ``exhibit`` is what ``image`` has in the section of its name."""
    from pypxeboot.kernel import extract, identify, uki

    read_image, read_at, at = _reader(image), _reader(exhibit), 0
    try:
        info = identify.identify(read_image(0, identify.HEAD), image.end - image.begin, read_image)
    except Refused:
        return False
    if info.image is None or exhibit.section not in info.image.initrds:
        return False
    for piece in extract.section_pieces(uki.section(info.image, exhibit.section, read_image)):
        if read_at(at, len(piece)) != piece:
            return False
        at += len(piece)
    return at == exhibit.end - exhibit.begin


def _reader(exhibit: Exhibit) -> ReadAt:
    """Return how the bytes of a file are read."""

    def read_at(offset: int, count: int) -> bytes:
        left = max(exhibit.end - exhibit.begin - offset, 0)
        return os.pread(exhibit.descriptor, min(count, left), exhibit.begin + offset)

    return read_at
