"""Records of boots that are not what was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypxeboot.virt.records import record

BROKEN = ["", "{", "null", "[]", "[" * 100_000, '{"uuid": 1}']


@pytest.mark.parametrize("text", BROKEN, ids=[text[:8] for text in BROKEN])
def test_a_broken_record_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    monkeypatch.setattr(record, "DIRECTORY", tmp_path)
    (tmp_path / "u.json").write_text(text)
    assert record.find("u") is None and record.all_of_them() == []
