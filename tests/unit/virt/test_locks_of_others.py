"""Nobody but root can take the locks by which pypxeboot-virt knows who watches and who boots."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pypxeboot.virt.records import marks, ongoing

UUID = "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b"
LOCK = """
import fcntl, os, sys
try:
    fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    print("refused")
else:
    print("locked")
"""


@pytest.fixture
def run_directory(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that everybody can reach, in place of /run/pypxeboot."""
    if os.geteuid() != 0:
        pytest.skip("another user is needed")
    found = Path("/run") / f"pypxeboot-test.{os.getpid()}"
    monkeypatch.setattr(marks, "DIRECTORY", found / "watch")
    monkeypatch.setattr(ongoing, "DIRECTORY", found / "boots")
    return found


def somebody_locks(path: Path) -> str:
    """What comes of a lock that another user tries to take."""
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    argv += ["/usr/bin/env", "python3", "-c", LOCK, str(path)]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def test_whoever_is_not_root_locks_nothing(run_directory: Path) -> None:
    try:
        run_directory.mkdir()
        marks.DIRECTORY.mkdir(0o755)  # as they were once
        ongoing.DIRECTORY.mkdir(0o755)
        (ongoing.DIRECTORY / UUID).touch(0o644)
        watch, note = marks.KeptMarks(), ongoing.Ongoing(UUID, "guest", "start")
        assert note._note is not None and watch._lock is not None
        os.close(watch._lock)
        os.close(note._note)  # as by SIGKILL: the files stay
        assert somebody_locks(marks.DIRECTORY) == "refused"
        assert somebody_locks(ongoing.DIRECTORY / UUID) == "refused"
        assert not marks.somebody_watches() and ongoing.find(UUID) is None
    finally:
        subprocess.run(["rm", "-rf", str(run_directory)], check=True)
