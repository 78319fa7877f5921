"""The DHCP client under floods of offers: bounded memory, a short log, and the good offer still taken."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from pypxeboot.dhcp.client import BETTER_OFFER_WAITS, MAX_OFFERS, DhcpClient, Send, State, Step
from pypxeboot.dhcp.message import Type, decode
from tests.support.peers.dhcp import NAK, OFFER, SERVER, ip, message, standard
from tests.support.samples.dhcp import BOOTABLE, client, give, of, sent


def many(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def flood(machine: DhcpClient, numbers: range, **options: bytes) -> list[Step]:
    steps: list[Step] = []
    for number in numbers:
        server = many(number)
        found = decode(message(standard(OFFER, server, **options), siaddr=server, yiaddr="10.77.0.77"))
        steps += machine.receive(found, 1.0)
    return steps


@pytest.mark.slow
def test_12_flood_of_offers_keeps_memory_and_log_small() -> None:
    machine = client()
    machine.start(0.0)
    flood(machine, range(256, 2000))
    tracemalloc.start()
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        steps = flood(machine, range(2000, 12000))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000 and len(steps) < 50
    assert machine.deadline == 1.0 + BETTER_OFFER_WAITS[0], "the wait is not stretched"
    machine.tick(machine.deadline)
    assert sent(machine.tick(machine.deadline)) == [Type.REQUEST]


def test_12_flood_does_not_keep_a_bootable_offer_out() -> None:
    machine = client()
    machine.start(0.0)
    flood(machine, range(256, 256 + 4 * MAX_OFFERS))
    (step,) = of(give(machine, 1.5, **BOOTABLE), Send)
    assert dict(step.options)[54] == ip(SERVER)


def test_12_flood_of_refused_offers_and_naks_is_told_in_a_few_lines() -> None:
    machine = client()
    machine.start(0.0)
    steps = flood(machine, range(256, 5000), o1=b"\xff\0\xff\0")
    assert len(steps) <= 8
    for number in range(256, 5000):
        assert give(machine, 1.0, NAK, many(number)) == []
    assert machine.state is State.SELECTING
