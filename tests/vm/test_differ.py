"""The differential fuzzer: a few of its boots of the real PXELINUX, and what it says of a difference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.differ import __main__ as differ
from tests.support.differ.case import Outcome
from tests.support.differ.lab import RealLab
from tests.support.differ.pxelinux import Pxelinux
from tests.support.ground import tools


@pytest.mark.parametrize("name", ["pxelinux", "grub"])
def test_a_few_cases_are_the_same(name: str) -> None:
    tools.need("qemu-system-x86_64")
    differ.LOADERS[name]().program()
    argv = [sys.executable, "-m", "tests.support.differ", name, "--count", "3", "--seed", "1"]
    done = subprocess.run(argv, cwd=tools.ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "3 the same"


def test_a_difference_is_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader that takes k2 for k1 differs by the lines that name k2, and by no others."""
    loader = Pxelinux()
    ours = loader.ours

    def wrong(raw: dict[str, Any], files: dict[str, bytes]) -> Outcome:
        return Outcome("k1") if "k2" in raw["files"]["pxelinux.cfg/default"] else ours(raw, files)

    monkeypatch.setattr(loader, "ours", wrong)
    lines = "SAY hello\nDEFAULT b\nTIMEOUT 1\nLABEL a\nKERNEL k1\nLABEL b\nKERNEL k2\nAPPEND x\n"
    with RealLab(tmp_path, loader.boot_file) as lab:
        found = differ.Differ(loader, lab)
        shorter = found.reduce({"pxelinux.cfg/default": lines})["pxelinux.cfg/default"]
    assert "k2" in shorter and len(shorter.splitlines()) <= 3, shorter
