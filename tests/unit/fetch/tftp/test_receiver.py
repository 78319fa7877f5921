"""The TFTP client: what it asks for, what it gets, when it falls back and when it gives up."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import pytest

from pypxeboot.fetch.tftp.receiver import Haste, Patience, Receiver, Verdict, Violation, option_values
from tests.support.peers.tftp import (
    ack,
    data,
)


class Sender:
    """Blocks one after the other, and what acknowledges them; ``failures`` says which calls of send fail."""

    def __init__(self, count: int) -> None:
        self.left = list(range(1, count + 1))
        self.failures: list[bool] = []
        self.acknowledged: list[bytes] = []

    def receive(self, into: memoryview) -> int:
        if not self.left:
            return 0
        number = self.left.pop(0)
        packet = data(number, bytes([number]) * (len(into) - 5))
        into[: len(packet)] = packet
        return len(packet)

    def send(self, packet: bytes) -> None:
        if self.failures and self.failures.pop(0):
            raise ConnectionRefusedError
        self.acknowledged.append(packet)


# -- acknowledgements


def test_a_gap_is_reported_once_for_every_flight() -> None:
    receiver = Receiver(8, 8)
    said = []
    for number in (1, 3, 4, 5, 3, 4, 2, 4, 1, 9, 200):
        packet = data(number, b"x" * 8)
        receiver.packet[: len(packet)] = packet
        said.append(receiver.judge(len(packet)))
    taken, gap, ignored, stale = Verdict.TAKEN, Verdict.GAP, Verdict.IGNORED, Verdict.STALE
    assert said == [taken, gap, ignored, ignored, gap, ignored, taken, gap, stale, ignored, ignored]
    assert receiver.acknowledgement() == ack(2) and receiver.take() == b"x" * 16


def test_progress_ends_a_gap() -> None:
    receiver = Receiver(8, 8)
    packets = [data(number, b"x" * 8) for number in (2, 3, 1, 2, 4)]

    def receive(into: memoryview) -> int:
        packet = packets.pop(0)
        into[: len(packet)] = packet
        return len(packet)

    def odd() -> Verdict:
        count = receiver.pump(receive, len, float, 1.0)
        return receiver.judge(count)

    assert [odd() for _ in range(3)] == [Verdict.GAP, Verdict.IGNORED, Verdict.GAP]
    assert receiver.block == 2


@pytest.mark.parametrize("windowsize, numbers", [(1, [1, 2, 3, 4, 5]), (2, [2, 4])])
def test_every_window_is_acknowledged_once(windowsize: int, numbers: list[int]) -> None:
    receiver, sent = Receiver(8, windowsize), Sender(5)
    receiver.pump(sent.receive, sent.send, float, 1.0)
    assert sent.acknowledged == [ack(number) for number in numbers]
    assert receiver.take() == b"".join(bytes([number]) * 8 for number in range(1, 6))


def test_a_block_whose_acknowledgement_fails_comes_again() -> None:
    receiver, sent = Receiver(8, 1), Sender(3)
    sent.failures = [False, True]
    with pytest.raises(ConnectionRefusedError):
        receiver.pump(sent.receive, sent.send, float, 1.0)
    assert receiver.block == 1 and receiver.pending == 8
    sent.left.insert(0, 2)
    receiver.pump(sent.receive, sent.send, float, 1.0)
    assert receiver.take() == b"".join(bytes([number]) * 8 for number in range(1, 4))
    assert sent.acknowledged == [ack(1), ack(2), ack(3)]


def test_an_acknowledgement_waits_for_nothing() -> None:
    """The sender waits for it: what has to be done besides is done while the next block is on its way."""
    sent = Sender(50)
    steps: list[int] = []
    count = 0

    def receive(into: memoryview) -> int:
        nonlocal count
        length, count = sent.receive(into), 0
        return length

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += event == "line" and frame.f_code is Receiver.pump.__code__
        return trace

    def send(packet: bytes) -> None:
        steps.append(count)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        Receiver(1400, 1).pump(receive, send, float, 1.0)
    finally:
        sys.settrace(before)
    assert len(steps) > 40 and max(steps) <= 3


# -- its timers


def test_patience_backs_off_and_recovers() -> None:
    patience = Patience(first=0.5, least=0.25, most=2, total=5, now=0)
    assert patience.due == 0.5
    due = []
    while not patience.is_over(patience.due):
        patience.silence(patience.due)
        due.append(patience.due)
    assert due == [1.5, 3.5, 5]
    patience.reset(10)
    assert patience.due == 10.5 and patience.silences == 0
    patience.learn(0.001)
    patience.reset(20)
    assert patience.due == 20.25
    for _ in range(50):
        patience.learn(0.3)
    patience.reset(30)
    assert 31.1 < patience.due < 31.2


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("asleep, awake, usual", [(5.0, 2.0, True), (1.0, 3.0, False), (1.0, 0.95, False)])
def test_haste_finds_what_is_faster(first: bool, asleep: float, awake: float, usual: bool) -> None:
    haste = Haste(batches=3, awake=first)
    modes = []
    for _ in range(1000):
        modes.append(haste.awake)
        haste.learn(awake if haste.awake else asleep)
    assert modes.count(usual) > 900 and modes.count(not usual) > 3


def test_haste_notices_a_change_but_not_a_hiccup() -> None:
    haste = Haste(batches=1, awake=False)
    for _ in range(400):
        haste.learn(3.0 if haste.awake else 1.0)
    haste.learn(50.0)
    assert not haste.awake
    for _ in range(5):
        haste.learn(3.0 if haste.awake else 6.0)
    assert haste.awake


@pytest.mark.parametrize("text", ["\xb2", "1\xb2", "\u0661", "+8", "0_8", " 8", "8\x1f", "", "9" * 5000])
def test_19_numbers_of_options_are_ascii_digits(text: str) -> None:
    with pytest.raises(Violation):
        option_values({"tsize": 0}, {"tsize": text})
