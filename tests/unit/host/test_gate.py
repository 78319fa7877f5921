"""The gate that so many pass at a time: order, places that come free, and folders that are not safe."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pypxeboot.host.gate import Folder, Gate, try_lock
from tests.support.ground import wait_until

SECONDS = 60


def gate(folder: Path, limit: int) -> Gate:
    return Gate(Folder(folder), lambda: limit)


def waiting(folder: Path) -> int:
    """How many wait for their turn, by the kernel's list of locks."""
    inode = f":{(folder / 'turn').stat().st_ino}"
    return sum("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def is_somebodys_turn(folder: Path) -> bool:
    turn = Folder(folder).open("turn")
    try:
        return not try_lock(turn)
    finally:
        os.close(turn)


def test_so_many_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "gate"
    gates = [gate(folder, 2) for _ in range(3)]
    assert [one.try_enter() for one in gates] == [True, True, False]
    assert gates[0].count() == 2
    gates[1].leave()
    assert gates[2].try_enter()


def test_who_came_first_enters_first(tmp_path: Path) -> None:
    folder, entered = tmp_path / "gate", []
    first = gate(folder, 1)
    assert first.try_enter()

    def pass_through(number: int) -> None:
        own = gate(folder, 1)
        own.enter(lambda: None)
        entered.append(number)
        own.leave()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=pass_through, args=(number,)))
        threads[-1].start()
        # The first has the turn, and looks for a place; the others wait for it.
        wait_until(lambda: waiting(folder) == len(threads) - 1, SECONDS, f"{number} waits")
        if not number:
            wait_until(lambda: is_somebodys_turn(folder), SECONDS, "it is the turn of the first")
    first.leave()
    for thread in threads:
        thread.join(SECONDS)
    assert entered == sorted(entered)
    assert len(entered) == 5


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o777])
def test_a_folder_that_others_get_into(tmp_path: Path, mode: int) -> None:
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate").chmod(mode)
    with pytest.raises(OSError, match="is not a folder of root's alone"):
        Folder(tmp_path / "gate")


def test_a_link_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "gate").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="is not a folder of root's alone"):
        Folder(tmp_path / "gate")
