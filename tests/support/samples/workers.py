"""Threads of downloads."""

from __future__ import annotations

import pytest

from pypxeboot.client.workers import Workers


@pytest.fixture(scope="module")
def workers() -> Workers:
    """One thread, so that a sink which keeps it would stop every test that follows."""
    return Workers(1)
