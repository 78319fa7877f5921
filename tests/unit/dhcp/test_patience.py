"""What users of other network boot tools complain about, where no other test shows that it is handled."""

from __future__ import annotations

import pytest

from pypxeboot.dhcp.client import Failed
from pypxeboot.dhcp.message import Type
from tests.support.samples.dhcp import client, of, sent


@pytest.mark.parametrize(
    ("patience", "count", "end"), [(0, 4, 60), (60, 4, 60), (150, 7, 156), (300, 12, 316)]
)
def test_dhcp_waits_for_as_long_as_asked(patience: float, count: int, end: float) -> None:
    """``--timeout 300`` waits half of that; four tries, as firmware's, are the least."""
    machine = client(patience=patience)
    steps, now, tries = machine.start(0.0), 0.0, 0
    while not of(steps, Failed):
        assert sent(steps) == [Type.DISCOVER]
        tries, now = tries + 1, machine.deadline
        steps = machine.tick(now)
    assert (tries, now) == (count, end)
