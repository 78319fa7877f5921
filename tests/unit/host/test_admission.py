"""How many boots have come, and how many have booted, where what is kept of that cannot be written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pypxeboot.host.admission import Tally
from pypxeboot.host.gate import Folder
from tests.support.ground import wait_until

SECONDS = 60


def test_nobody_waits_for_a_boot_that_could_not_be_counted(tmp_path: Path) -> None:
    """A full /run fails the first of all boots; when there is room again, the next is counted at once."""
    folder = Folder(tmp_path / "places")
    (folder.path / "tally").mkdir()
    first, second, told = Tally(folder), Tally(folder), threading.Event()
    with pytest.raises(IsADirectoryError):
        first.arrive()
    (folder.path / "tally").rmdir()

    def arrive() -> None:
        second.arrive()
        told.set()

    threading.Thread(target=arrive, daemon=True).start()
    wait_until(told.is_set, SECONDS, "the second is counted")
    assert second.text() == "0 of 1 booted, 0 running"
