"""pypxeboot.conf of a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

from tests.support.ground import tools

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the configuration, and drop-ins where there are some; gives the argument that names it."""

    def written(text: str, **drop_ins: str) -> str:
        main = tmp_path / "site.conf"
        main.write_text(text)
        for name, more in drop_ins.items():
            main.with_name("site.conf.d").mkdir(exist_ok=True)
            (main.with_name("site.conf.d") / f"{name}.conf").write_text(more)
        return f"--config-file={main}"

    return written


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    environment = tools.ENVIRONMENT
    words = [sys.executable, "-m", "pypxeboot", *argv]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)
