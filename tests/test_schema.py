"""The closed schema of what crosses from the client to the host side, and the socket that carries it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pypxeboot.entry import Action, Reason
from pypxeboot.privsep.channel import MAX_MESSAGE, Channel, Closed
from pypxeboot.privsep.messages import Configure, Done, OpenOutput, Placed, Ready, Route
from pypxeboot.result import (
    Artifacts,
    Failure,
    InitrdFile,
    KernelFile,
    LeaseReport,
    ListedEntry,
    ModuleFile,
    Ramdisk,
    Request,
    Seconds,
)
from pypxeboot.schema import MAX_ITEMS, MAX_NUMBER, MAX_TEXT, SchemaError, pack, unpack
from pypxeboot.text import decode

FULL = Artifacts(
    action=Action.BOOT,
    lease=LeaseReport("10.77.0.5", "255.255.255.0", "10.77.0.1", ("10.77.0.1",), "a", "b", "c", "d", 3600),
    loader="pxelinux",
    config="tftp://10.77.0.1/pxelinux.cfg/default",
    label=decode(b"caf\xe9"),
    reason=Reason.WAITS_FOREVER,
    kernel=KernelFile("tftp://10.77.0.1/k", None, 7, "0" * 64, "bzImage", ("xen-pv", "qemu")),
    initrds=(InitrdFile("tftp://10.77.0.1/i", 3, "1" * 64), InitrdFile("i2")),
    ramdisk=Ramdisk(None, 3, "1" * 64),
    modules=(ModuleFile("m", None, 5, "m a=b"),),
    cmdline="BOOT_IMAGE=k a=ü\u202e\n\0" + decode(b"\xff"),
    requests=(Request("tftp://10.77.0.1/k", "ok", 7, 0.25), Request("x", "not-found", 0, 0.0)),
    seconds=Seconds(1.5, 0.1, 0.2, 0.3, 0.4),
    warnings=("careful",),
    entries=(ListedEntry("a", "A", Action.LOCALBOOT, None, ("i",), "", True),),
)
FAILURE = Failure("FetchError", "gone", None, FULL.requests, ())


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(pack(value)))


@pytest.mark.parametrize(
    "value",
    [
        FULL,
        replace(
            FULL, lease=None, config=None, label=None, kernel=None, ramdisk=None, initrds=(), requests=()
        ),
        replace(FULL, seconds=Seconds(), lease=replace(FULL.lease, seconds=None)),  # type: ignore[type-var]
        FAILURE,
        Ready(),
        Placed("eth0", "veth", "br0"),
        Configure("10.77.0.5", 24, (Route("0.0.0.0/0", "10.77.0.1"), Route("10.0.0.0/8", None)), 1400),
        OpenOutput("kernel"),
        Done(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_round_trip(value: Any) -> None:
    assert unpack(type(value), through_json(value)) == value


def test_whole_number_for_a_float() -> None:
    assert unpack(Request, {"url": "u", "result": "ok", "bytes": 1, "seconds": 2}) == Request(
        "u", "ok", 1, 2.0
    )


def changed(*path: Any, to: Any) -> Any:
    """FULL as JSON with the value at ``path`` replaced, or its last key removed (``to`` is ...)."""
    whole = through_json(FULL)
    place = whole
    for key in path[:-1]:
        place = place[key]
    if to is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return whole


HUGE = 10**400
WRONG: dict[str, Any] = {
    "unknown-key": changed("extra", to=1),
    "unknown-key-inside": changed("kernel", "extra", to=None),
    "missing-key": changed("cmdline", to=...),
    "missing-optional-key": changed("label", to=...),
    "missing-key-inside": changed("lease", "dns", to=...),
    "none-for-text": changed("cmdline", to=None),
    "none-for-list": changed("requests", to=None),
    "number-for-text": changed("cmdline", to=1),
    "text-for-number": changed("kernel", "size", to="7"),
    "bool-for-number": changed("kernel", "size", to=True),
    "bool-for-float": changed("seconds", "total", to=True),
    "float-for-number": changed("kernel", "size", to=7.0),
    "number-for-bool": changed("entries", 0, "default", to=1),
    "text-for-list": changed("warnings", to="careful"),
    "dict-for-list": changed("warnings", to={}),
    "list-for-dict": changed("kernel", to=[]),
    "text-for-dict": changed("lease", to="10.0.0.1"),
    "list-of-other": changed("warnings", to=[1]),
    "unknown-action": changed("action", to="explode"),
    "list-for-action": changed("action", to=["boot"]),
    "dict-for-action": changed("action", to={}),
    "negative": changed("kernel", "size", to=-1),
    "too-large": changed("kernel", "size", to=MAX_NUMBER),
    "negative-float": changed("seconds", "total", to=-0.5),
    "nan": changed("seconds", "total", to=float("nan")),
    "infinity": changed("seconds", "total", to=float("inf")),
    "minus-infinity": changed("seconds", "total", to=float("-inf")),
    "huge-number": changed("kernel", "size", to=HUGE),
    "huge-number-for-float": changed("seconds", "total", to=HUGE),
    "long-text": changed("cmdline", to="x" * (MAX_TEXT + 1)),
    "long-text-in-bytes": changed("cmdline", to="ü" * (MAX_TEXT // 2 + 1)),
    "long-list": changed("warnings", to=[""] * (MAX_ITEMS + 1)),
    "lone-surrogate": changed("cmdline", to="\ud800"),
    "surrogate-of-no-byte": changed("cmdline", to="\udc7f"),
    "nothing": None,
    "a-list": [],
    "a-number": 1,
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_of_the_schema_is_refused(case: str) -> None:
    with pytest.raises(SchemaError) as caught:
        unpack(Artifacts, WRONG[case])
    assert len(str(caught.value)) < 500, "the place, not the value"


def test_limits_themselves_are_within() -> None:
    assert len(unpack(Artifacts, changed("cmdline", to="x" * MAX_TEXT)).cmdline) == MAX_TEXT
    assert unpack(Artifacts, changed("kernel", "size", to=MAX_NUMBER - 1)).kernel is not None
    assert len(unpack(Artifacts, changed("warnings", to=[""] * MAX_ITEMS)).warnings) == MAX_ITEMS


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(HUGE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(list(through_json(FULL))), anything)
@settings(max_examples=400)
def test_any_value_in_any_place(key: str, value: Any) -> None:
    try:
        unpack(Artifacts, changed(key, to=value))
    except SchemaError:
        pass


@contextmanager
def ends() -> Iterator[tuple[Channel, Channel, socket.socket]]:
    """Two channels, and the bare socket of the second one."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        for end in (one, other):
            end.settimeout(10)
        yield Channel(one), Channel(other), other


def exchange(message: Any, descriptor: Optional[int] = None) -> tuple[str, object, Optional[int]]:
    """``message`` sent through a real pair of sockets, by a thread: it may be longer than their buffers."""
    with ends() as (one, other, _):
        sender = threading.Thread(target=one.send, args=(message, descriptor))
        sender.start()
        try:
            return other.receive()
        finally:
            sender.join(10)


def test_messages_cross_whole() -> None:
    kind, value, descriptor = exchange(FULL)
    assert (kind, descriptor) == ("Artifacts", None)
    assert unpack(Artifacts, value) == FULL


def test_long_messages_cross_in_pieces() -> None:
    entry = ListedEntry("label", "title", Action.BOOT, "tftp://x/k", ("tftp://x/i",), "c" * 60, False)
    menu = replace(FULL, entries=(entry,) * 10_000)
    begin = time.monotonic()
    kind, value, _ = exchange(menu)
    assert unpack(Artifacts, value) == menu
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR])
def test_descriptors_cross(tmp_path: Path, flags: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    mine = os.open(path, flags)
    kind, value, theirs = exchange(Done(), mine)
    assert (kind, value) == ("Done", {"error": ""}) and theirs is not None and theirs != mine
    os.close(mine)
    assert os.pread(theirs, 100, 0) == b"content"
    os.close(theirs)


HEADS: dict[str, Callable[[socket.socket], object]] = {
    "no-number": lambda raw: raw.send(b"x"),
    "negative": lambda raw: raw.send(b"-1"),
    "none": lambda raw: raw.send(b"0"),
    "oversize": lambda raw: raw.send(str(MAX_MESSAGE // 65536 + 1).encode()),
    "astronomic": lambda raw: raw.send(b"9" * 16),
    "no-utf8": lambda raw: raw.send(b"\xff\xfe"),
    "no-json": lambda raw: (raw.send(b"1"), raw.send(b"{")),
    "binary": lambda raw: (raw.send(b"1"), raw.send(b"\xff\xfe\x00")),
    "no-message": lambda raw: (raw.send(b"1"), raw.send(b"[]")),
    "no-type": lambda raw: (raw.send(b"1"), raw.send(b'{"value": {}}')),
    "no-value": lambda raw: (raw.send(b"1"), raw.send(b'{"type": "Done"}')),
    "number": lambda raw: (raw.send(b"1"), raw.send(b"7")),
    "deep": lambda raw: (raw.send(b"1"), raw.send(b"[" * 60000)),
    "digits": lambda raw: (raw.send(b"1"), raw.send(b'{"type":"Done","value":' + b"9" * 60000 + b"}x")),
    "hung-up-inside": lambda raw: (raw.send(b"2"), raw.send(b'{"type":'), raw.shutdown(socket.SHUT_WR)),
}


@pytest.mark.parametrize("case", HEADS)
def test_broken_messages(case: str) -> None:
    with ends() as (one, _, raw):
        HEADS[case](raw)
        with pytest.raises((SchemaError, Closed)):
            one.receive()


def test_a_side_that_is_gone() -> None:
    with ends() as (one, _, raw):
        raw.close()
        with pytest.raises(Closed):
            one.receive()
        with pytest.raises(Closed):
            one.send(FULL)


def test_a_side_that_says_nothing_meets_the_timeout() -> None:
    with ends() as (one, _, raw):
        one.settimeout(0.2)
        with pytest.raises(socket.timeout):
            one.receive()
        raw.send(b"2")
        with pytest.raises(socket.timeout):
            one.receive()


def test_the_timeout_is_for_the_whole_message() -> None:
    """One piece now and then must not stretch it: the host side has one deadline."""
    over = threading.Event()
    with ends() as (one, _, raw):
        one.settimeout(0.5)

        def drip() -> None:
            raw.send(b"15")
            while not over.wait(0.2):
                raw.send(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        begin = time.monotonic()
        try:
            with pytest.raises((socket.timeout, SchemaError)):
                one.receive()
            assert time.monotonic() - begin < 2
        finally:
            over.set()
            thread.join()


def test_descriptors_nobody_asked_for_do_not_pile_up(tmp_path: Path) -> None:
    """A client that sends some with every message must not use up the host side's."""
    with ends() as (one, _, raw):
        mine = os.open(tmp_path, os.O_RDONLY)
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(20):
            socket.send_fds(raw, [b"1"], [mine, mine, mine])
            raw.send(b'{"type":"Done","value":{}}')
            _kind, _value, descriptor = one.receive()
            if descriptor is not None:
                os.close(descriptor)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        os.close(mine)


@dataclass(frozen=True)
class Mixed:
    """A schema of its own: every kind of field."""

    text: str
    maybe: Optional[int]
    many: tuple[str, ...]
    flag: bool


def test_any_dataclass_is_a_schema() -> None:
    value = Mixed("a", None, ("b",), True)
    assert pack(value) == {"text": "a", "maybe": None, "many": ["b"], "flag": True}
    assert unpack(Mixed, pack(value)) == value
