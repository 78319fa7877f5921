"""What is noted of files that a state file needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypxeboot.virt import boot_files
from pypxeboot.virt.boot_files import Needed

UUID = "9c826174-1833-434a-9025-8d9a39a59501"


def test_a_full_disk_costs_no_older_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What an older state file needs stays noted, and with it the file."""
    monkeypatch.setattr(boot_files, "DIRECTORY", tmp_path)
    place = tmp_path / UUID
    place.mkdir()
    (place / "kernel.1").touch()
    boot_files.hold(UUID)
    (place / "kernel.2").touch()
    (place / f"{boot_files.NOTE}.new").symlink_to("/dev/full")
    boot_files.hold(UUID)
    needed = Needed(frozenset(), frozenset())
    boot_files.sweep(lambda: needed)
    assert sorted(path.name for path in place.iterdir()) == ["kernel.1", boot_files.NOTE]
    boot_files.give_up(UUID, needed)
    assert not place.exists()


def test_what_is_no_directory_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody has put it there: it ends no watch."""
    monkeypatch.setattr(boot_files, "DIRECTORY", tmp_path)
    (tmp_path / "stray").touch()
    (tmp_path / "link").symlink_to("/")
    boot_files.sweep(lambda: Needed(frozenset(), frozenset()))
    assert boot_files.domains() == [] and (tmp_path / "stray").exists()
