"""What was found by fuzzing, and where it begins from: each input ends as its entry point documents it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.support.fuzz import scripted
from tests.support.fuzz.targets import SEEDS, TARGETS

MOST_FILES, MOST_BYTES = 20, 400 << 10
NEEDED = {"signature": "cryptography"}
"""Packages that a target is of no use without."""


def seeds() -> list[Path]:
    """Every input, with its target's name as its folder."""
    return [path for name in TARGETS for path in sorted((SEEDS / name).iterdir())]


@pytest.mark.parametrize("path", seeds(), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_an_input_ends_as_documented(path: Path) -> None:
    name = path.parent.name
    if name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None:
        pytest.skip(f"{NEEDED[name]} is not there")
    TARGETS[name](path.read_bytes())


def test_seeds_are_few_and_small() -> None:
    assert {path.name for path in SEEDS.iterdir() if path.is_dir()} == set(TARGETS)
    files = seeds()
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    for name in TARGETS:
        assert 0 < len([path for path in files if path.parent.name == name]) <= MOST_FILES, name


@pytest.mark.parametrize("data", [b"", b"\0", bytes(3), b"\xff" * 40, bytes(range(256))])
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_will_do(name: str, data: bytes) -> None:
    TARGETS[name](data)


def test_pieces_come_back() -> None:
    assert scripted.split(scripted.join(b"a", b"", b"bcd")) == [b"a", b"", b"bcd"]
    assert scripted.split(b"\0\3ab") == [b"ab"]
