"""What xenstore knows of a domain, by a stand-in for ``xenstore-read``: the real one needs a Xen host."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pypxeboot.xen import xenstore
from pypxeboot.xen.xenstore import XenDomain
from tests.support.ground import UUID
from tests.support.samples.xenstore import stand_in, store


def ask(monkeypatch: pytest.MonkeyPatch, directory: Path, number: int = 7) -> XenDomain:
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return xenstore.domain(number)


@pytest.mark.parametrize("kind", ["pv", "pvh"])
def test_type_and_uuid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin", kind)) == XenDomain(kind, UUID)


def test_another_domain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin"), 77) == XenDomain(None, None)


@pytest.mark.parametrize("kind", ["hvm", "", "PV", "pv pvh"])
def test_other_types_are_not_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    assert ask(monkeypatch, store(tmp_path / "bin", kind)) == XenDomain(None, UUID)


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert xenstore.domain(7) == XenDomain(None, None)


USELESS = {
    "fails": "exit 1",
    "fails-late": "echo pv; exit 1",
    "silent": "exit 0",
    "killed": "kill -9 $$",
    "not-text": r"printf '\377\376\n'",
}


@pytest.mark.parametrize("case", USELESS)
def test_useless_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str) -> None:
    known = ask(monkeypatch, stand_in(tmp_path / "bin", USELESS[case]))
    assert known.type is None and (known.uuid is None or case == "not-text")


def test_not_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    directory = stand_in(tmp_path / "bin", "")
    (directory / "xenstore-read").write_bytes(b"\x7fELF no program at all")
    assert ask(monkeypatch, directory) == XenDomain(None, None)


@pytest.mark.slow
def test_one_that_hangs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All questions together take no longer than one may."""
    assert xenstore._SECONDS <= 5
    monkeypatch.setattr(xenstore, "_SECONDS", 3)
    directory = stand_in(tmp_path / "bin", "exec sleep 30")
    began = time.monotonic()
    assert ask(monkeypatch, directory) == XenDomain(None, None)
    assert time.monotonic() - began < 5.8
