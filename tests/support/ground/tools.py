"""What a test needs from the machine, and what happens when it is not there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Optional

import pytest

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""

DATA = ROOT / "tests" / "data"
"""What tests read: recorded boots, schemas, sources of the probe kernel."""

CACHE = Path(os.environ.get("PYPXEBOOT_CACHE", ROOT / ".cache"))
"""Packages that are unpacked instead of installed (scripts/install-test-tools fills it)."""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
"""That of programs: as it was at the start, for pytest changes its own between tests, and threads read it."""

# sbin is not in the PATH of every user, and atftpd cannot be installed beside tftpd-hpa.
_PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", "/sbin", str(CACHE / "atftpd/usr/sbin")],
)


def find(name: str) -> Optional[str]:
    """Where the program ``name`` is, or None."""
    return shutil.which(name, path=_PATH)


def missing(what: str) -> None:
    """End the test: skipped on somebody's machine, failed where everything has to be there (CI=true)."""
    reason = f"{what} is not there (scripts/install-test-tools)"
    if os.environ.get("CI", "").lower() in ("true", "1", "yes"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def need(name: str) -> str:
    """The path of the program ``name``; ends the test if there is none."""
    path = find(name)
    if path is None:
        missing(name)
    assert path is not None
    return path
