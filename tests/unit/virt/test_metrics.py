"""The file for node_exporter: what is in it does not depend on the locale of whoever boots."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.ground import tools

PROGRAM = """
import pathlib, sys
from pypxeboot.virt.records import metrics
from pypxeboot.virt.records.record import DomainRecord, LastBoot
last = LastBoot("2026-01-02T03:04:05+00:00", "hook", "ok", seconds=1.5)
name = 'g\\u00e4st "1"\\n'
metrics.write(pathlib.Path(sys.argv[1]), [DomainRecord("u", name, "52:54:00:00:00:01", last, boots=2)])
"""


def test_it_is_utf8_in_every_locale(tmp_path: Path) -> None:
    """libvirt takes any name; services have no locale, which is ASCII."""
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    environment["PYTHONPATH"] = str(tools.ROOT)
    file = tmp_path / "pypxeboot.prom"
    subprocess.run([sys.executable, "-c", PROGRAM, str(file)], env=environment, check=True, timeout=60)
    lines = file.read_text("utf-8").splitlines()
    assert 'pypxeboot_boots_total{domain="gäst \\"1\\"\\n",uuid="u"} 2' in lines
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
