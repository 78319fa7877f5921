"""A stand-in for xenstore-read."""

from __future__ import annotations

from pathlib import Path

from tests.support.ground import UUID

TYPE, VM = "/libxl/7/type", "/local/domain/7/vm"


def stand_in(directory: Path, script: str) -> Path:
    """A directory with a program called xenstore-read."""
    directory.mkdir()
    program = directory / "xenstore-read"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return directory


def store(directory: Path, kind: str = "pv", uuid: str = UUID) -> Path:
    """The real one prints a value with a line feed, and ends with 1 for a key that is not there."""
    known = {TYPE: kind, VM: f"/vm/{uuid}"}
    cases = "".join(f"{key}) echo '{value}' ;;\n" for key, value in known.items() if value)
    return stand_in(directory, f'case "$1" in\n{cases}*) echo "couldn\'t read path $1" >&2; exit 1 ;;\nesac')
