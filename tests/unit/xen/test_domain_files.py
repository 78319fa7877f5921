"""Which files libxl will open again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pypxeboot.xen import domain_files


def test_files_that_a_domain_names_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(domain_files, "_PLACES", (tmp_path / "gone", tmp_path))
    config = {"b_info": {"kernel": "/var/lib/p/a b/kernel.1", "ramdisk": '/var/lib/p/q"/ramdisk.1'}}
    (tmp_path / "userdata-d.7.8c3a1f2e.libxl-json").write_text(json.dumps(config).replace("/", "\\/"))
    (tmp_path / "userdata-d.8.8c3a1f2e.libxl-json").write_bytes(b"\xff/var/lib/p/broken")
    (tmp_path / "userdata-d.9.8c3a1f2e.xl").write_text('"/var/lib/p/kernel.2"')
    used = [Path("/var/lib/p/a b/kernel.1"), Path('/var/lib/p/q"/ramdisk.1')]
    others = [Path("/var/lib/p/a b/kernel.11"), Path("/var/lib/p/kernel.2"), Path("b/kernel.1")]
    assert domain_files.unused([*used, *others]) == others
