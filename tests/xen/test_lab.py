"""The real Xen: scripts/xenlab boots it with a dom0 in emulation; each test of its suite counts here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.ground import tools

LAB = Path(__file__).parent / "lab"
NAMES = [
    name
    for module in ("suite", "life", "policy", "grub", "typed")
    for name in re.findall(r"^def (test_\w+)\(\)", (LAB / f"{module}.py").read_text(), re.MULTILINE)
]


@pytest.fixture(scope="module")
def lines() -> dict[str, str]:
    """What the lab said of each test, all having run in one boot of it."""
    if os.geteuid() != 0:
        pytest.skip("the lab unpacks Debian packages as root")
    if shutil.which("apt-get") is None:
        pytest.skip("the lab is made of Debian packages")
    done = subprocess.run(
        [str(tools.ROOT / "scripts" / "xenlab")],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    print(done.stdout, done.stderr)
    return {match[2]: match[1] for match in re.finditer(r"^@ (ok|FAIL) (\w+)", done.stdout, re.MULTILINE)}


@pytest.mark.parametrize("name", NAMES)
def test_in_dom0(lines: dict[str, str], name: str) -> None:
    assert lines.get(name) == "ok", "what dom0 said stands above"
