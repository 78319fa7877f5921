"""What a command imports: by name and number, for time differs from machine to machine."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.ground import tools


def imported(*argv: str) -> set[str]:
    """The modules that ``python -X importtime -m pypxeboot`` with these arguments tells of."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "pypxeboot", *argv],
        capture_output=True,
        text=True,
        timeout=120,
        env=tools.ENVIRONMENT,
    )
    assert done.returncode == 0, done
    return set(re.findall(r"^import time: .*\| *(\S+)$", done.stderr, re.M))


@pytest.mark.parametrize("word", ["--version", "--help", "-h"])
def test_what_asks_for_nothing_imports_no_boot(word: str) -> None:
    names = imported(word)
    ours = {name for name in names if name.startswith("pypxeboot.")}
    assert not ours & {"pypxeboot.privsep.channel", "pypxeboot.host.session", "pypxeboot.result"}
    assert len(ours) < 20 and not names & {"ssl", "hashlib", "logging", "json", "ctypes"}
    assert not names & {"socket", "threading", "selectors"}
