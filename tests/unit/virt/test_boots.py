"""The processes in which watch has domains booted, where the host has no room for one."""

from __future__ import annotations

import time

import pytest

from pypxeboot.virt.watch.boots import Boots, WatchedDomain


def test_a_boot_that_cannot_begin_is_begun_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where there are too many processes: no program is found here."""
    monkeypatch.setenv("PATH", "/nowhere")
    guests = [WatchedDomain(str(number), f"guest{number}", waits=True) for number in range(2)]
    Boots([], by="watch", limit=2).start(guests, 1)
    for guest in guests:
        assert guest.child is None and not guest.waits
        assert guest.due is not None and guest.due > time.monotonic() - 60
