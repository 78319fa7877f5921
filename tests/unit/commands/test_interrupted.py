"""Ctrl-C while a program still imports what it needs: it ends as by any other signal, without a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground.net import wait_until
from tests.support.ground.tools import ROOT


@pytest.mark.parametrize("program", ["pypxeboot", "pypxeboot.commands.virt"])
def test_in_the_middle_of_an_import(program: str, tmp_path: Path) -> None:
    began = tmp_path / "began"
    slow = f"import pathlib, time\npathlib.Path({str(began)!r}).touch()\ntime.sleep(600)\n"
    (tmp_path / "argparse.py").write_text(slow)
    code = "from pypxeboot.__main__ import run" if program == "pypxeboot" else f"from {program} import run"
    with subprocess.Popen(
        [sys.executable, "-c", f"{code}; run()", "list", "--mac", "x"],
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"},
    ) as process:
        wait_until(began.exists, 60, "an import")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert (process.returncode, said) == (-signal.SIGINT, b"")
