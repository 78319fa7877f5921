"""The process that judges files: what it says of them, and that it can say nothing else."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional

import pytest

from pypxeboot.errors import Refused
from pypxeboot.guest import Target
from pypxeboot.privsep import sandbox
from pypxeboot.signing import judge as judging
from pypxeboot.signing.judge import Exhibit, Judgement, Rules, Voucher, judge
from tests.support.ground.kernels import xen_elf
from tests.support.samples.packed_kernels import image
from tests.support.samples.signatures import DATA, Authority
from tests.support.samples.uki import unified

IDS = sandbox.user_ids(None) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
SHA256 = hashlib.sha256(DATA).hexdigest()
Opened = Callable[[bytes], int]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    """Makes a file of some bytes, open for reading and writing; its descriptor."""
    made: list[int] = []

    def make(data: bytes) -> int:
        path = tmp_path / f"{len(made)}"
        path.write_bytes(data)
        path.chmod(0o600)
        made.append(os.open(path, os.O_RDWR))
        return made[-1]

    yield make
    for descriptor in made:
        os.close(descriptor)


def exhibit(opened: Opened, data: bytes = DATA, signed: Optional[bytes] = None) -> Exhibit:
    """A file with its signature."""
    return Exhibit(opened(data), 0, len(data), None if signed is None else opened(signed))


def only(exhibit: Exhibit, rules: Rules) -> Judgement:
    (found,) = judge([exhibit], rules, IDS)
    return found


def test_each_file_has_a_judgement_of_its_own(opened: Opened, authority: Authority) -> None:
    rules = Rules(authority.pem("root"), {hashlib.sha256(b"pinned").hexdigest()})
    good, bad = authority.sign("good"), authority.sign("web")
    found = judge(
        [
            exhibit(opened, signed=good),
            exhibit(opened, b"pinned"),
            exhibit(opened, b"other", good),
            exhibit(opened, signed=bad),
            exhibit(opened, signed=b""),
            exhibit(opened),
            exhibit(opened, signed=bytes(1 << 20)),
        ],
        rules,
        IDS,
    )
    said = [(one.voucher, one.why) for one in found]
    assert said[:3] == [
        (Voucher.SIGNATURE, ""),
        (Voucher.DIGEST, ""),
        (Voucher.NOTHING, "the signature is not that of this file"),
    ]
    assert "not for code signing" in said[3][1] and "more than 64.0 KiB" in said[6][1]
    assert said[4] == said[5] == (Voucher.NOTHING, "there is no signature")
    assert [one.number for one in found] == list(range(7)) and found[4].sha256 == SHA256


def test_a_stretch_of_a_file(opened: Opened, authority: Authority) -> None:
    rules = Rules(authority.pem("root"), ())
    whole = exhibit(opened, b"before" + DATA + b"behind", authority.sign("good"))
    part = replace(whole, begin=6, end=6 + len(DATA))
    assert only(part, rules).voucher is Voucher.SIGNATURE
    for wrong in (replace(part, begin=5), replace(part, end=part.end + 1), whole, replace(part, end=6)):
        assert only(wrong, rules).voucher is Voucher.NOTHING
    with pytest.raises(Refused):  # there are not as many bytes
        judge([replace(part, end=1 << 30)], rules, IDS)


def test_without_authorities_only_digests_count(opened: Opened, authority: Authority) -> None:
    signed = exhibit(opened, signed=authority.sign("good"))
    assert only(signed, Rules(None, {SHA256})).voucher is Voucher.DIGEST
    refused = only(signed, Rules(None, {"0" * 64}))
    assert (refused.voucher, refused.sha256) == (Voucher.NOTHING, SHA256)


def test_a_kernel_is_unpacked_once_more(opened: Opened) -> None:
    packed, target = image(gzip.compress(xen_elf())), Target("firecracker", "x86_64")
    rules = Rules(None, {hashlib.sha256(packed).hexdigest()}, target)
    kernel = exhibit(opened, packed)

    def voucher(unpacked: bytes, rules: Rules = rules, kernel: Exhibit = kernel) -> Voucher:
        return only(replace(kernel, unpacked=opened(unpacked)), rules).voucher

    assert voucher(xen_elf()) is Voucher.DIGEST
    for wrong in (b"", xen_elf()[:-1], xen_elf() + b"\0", b"?" + xen_elf()[1:]):
        assert voucher(wrong) is Voucher.NOTHING
    assert voucher(xen_elf(), replace(rules, target=None)) is Voucher.NOTHING
    assert voucher(xen_elf(), replace(rules, target=Target("qemu", "x86_64"))) is Voucher.NOTHING
    plain = Rules(None, {hashlib.sha256(xen_elf()).hexdigest()}, target)
    assert voucher(xen_elf(), plain, exhibit(opened, xen_elf())) is Voucher.NOTHING, "it boots as it is"


def test_it_is_locked_up(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what it was given; it writes nothing, and has neither files nor sockets."""

    def attempt(number: int, exhibit: Exhibit, _rules: Rules, _now: object) -> Judgement:
        found = []
        for action in (
            lambda: os.write(exhibit.descriptor, b"changed"),
            lambda: os.open("/etc/passwd", os.O_RDONLY),
            lambda: os.open(f"/proc/self/fd/{exhibit.descriptor}", os.O_RDWR),
            lambda: socket.create_connection(("127.0.0.1", 1), 1),
            lambda: os.setuid(0),
            os.fork,
        ):
            try:
                found.append(f"done: {action()}")
            except OSError as why:
                found.append(why.strerror or type(why).__name__)
        return Judgement(number, Voucher.NOTHING, "; ".join(found), "")

    monkeypatch.setattr(judging, "judgement_on", attempt)
    file = exhibit(opened)
    said = only(file, Rules(None, ())).why
    assert "done" not in said or os.geteuid() != 0, said
    assert os.pread(file.descriptor, len(DATA) + 1, 0) == DATA


@pytest.mark.parametrize(
    "judgement",
    [
        lambda *_: os._exit(0),
        lambda *_: Judgement(1, Voucher.SIGNATURE, "", ""),
        lambda *_: Rules(None, ()),
        lambda *_: Judgement(0, Voucher.SIGNATURE, "x" * 70_000, ""),
        lambda *_: 1 // 0,
    ],
    ids=["ends", "of another file", "of another kind", "too long", "fails"],
)
def test_whatever_else_it_says_is_a_refusal(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, judgement: Callable[..., object]
) -> None:
    monkeypatch.setattr(judging, "judgement_on", judgement)
    with pytest.raises(Refused, match="ended without a verdict"):
        judge([exhibit(opened)], Rules(None, ()), IDS)


def test_it_has_its_time(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SECONDS", 0.3)
    monkeypatch.setattr(judging, "judgement_on", lambda *_: time.sleep(60))
    began = time.monotonic()
    with pytest.raises(Refused, match="was not done after"):
        judge([exhibit(opened)], Rules(None, ()), IDS)
    assert time.monotonic() - began < 10


def test_what_was_taken_out_of_an_image_is_compared_with_it(opened: Opened) -> None:
    """A lost client may say that anything is a section; only what the vouched image has in it is."""
    kernel, initrd = xen_elf(), b"070701initrd"
    data = unified([(".linux", kernel), (".initrd", initrd), (".cmdline", b"quiet")])
    pinned = Rules(None, {hashlib.sha256(data).hexdigest()})
    whole = replace(exhibit(opened, data), unpacked=opened(kernel))

    def voucher(taken: bytes, section: str = ".initrd", rules: Rules = pinned) -> Voucher:
        return judge([whole, replace(exhibit(opened, taken), section=section)], rules, IDS)[1].voucher

    assert voucher(initrd) is Voucher.DIGEST
    for wrong in (initrd[:-1], initrd + b"\0", initrd.upper(), b""):
        assert voucher(wrong) is Voucher.NOTHING
    for section in (".linux", ".cmdline", ".ucode", ".nosuch"):
        assert voucher(initrd, section) is Voucher.NOTHING
    assert voucher(initrd, rules=Rules(None, {"0" * 64})) is Voucher.NOTHING
    changed = replace(whole, unpacked=opened(kernel + b"\0"))
    assert only(changed, pinned).voucher is Voucher.NOTHING
