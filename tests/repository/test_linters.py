"""What the linters say. They are tests like the others: run where they are installed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground import tools

ROOT = tools.ROOT
PYTHON = ("pypxeboot", "tests")


def check(*argv: str) -> None:
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"


def module(name: str) -> list[str]:
    """The command line that runs the linter ``name`` of this Python."""
    if importlib.util.find_spec(name) is None:
        tools.missing(name)
    return [sys.executable, "-m", name]


def shell_scripts() -> list[str]:
    """Every file of the checkout whose first line names a shell."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True
    )
    names = listed.stdout.decode().split("\0") if listed.returncode == 0 else []
    return [name for name in names if name and is_shell(ROOT / name)]


def is_shell(path: Path) -> bool:
    if not path.is_file() or path.suffix in (".py", ".patch"):
        return False
    with path.open("rb") as file:
        first = file.readline(100)
    return first.startswith(b"#!") and first.split()[-1].rsplit(b"/")[-1] in (b"sh", b"bash", b"dash")


def test_ruff_check() -> None:
    check(*module("ruff"), "check", "--no-cache", *PYTHON)


def test_ruff_format() -> None:
    check(*module("ruff"), "format", "--no-cache", "--check", *PYTHON)


def test_mypy_strict() -> None:
    # The oldest Python is the target; a mypy that no longer knows it checks against the one that it runs on.
    argv = [*module("mypy"), "--strict", "-p", "pypxeboot"]
    old = subprocess.run([*argv, "--python-version", "3.9"], cwd=ROOT, capture_output=True, text=True)
    if "python_version" in old.stderr or "not supported" in old.stderr:
        check(*argv)
    else:
        assert old.returncode == 0, f"{old.stdout}{old.stderr}"


def test_shellcheck() -> None:
    scripts = shell_scripts()
    if not (ROOT / ".git").exists():
        pytest.skip("the list of shell scripts comes from git")
    assert {"scripts/test", "scripts/install-test-tools", ".ci/run"} <= set(scripts)
    check(tools.need("shellcheck"), *scripts)


def test_luac() -> None:
    luac = shutil.which("luac5.2") or tools.need("luac")
    check(luac, "-p", *(str(path) for path in (ROOT / "pypxeboot").rglob("*.lua")))


def test_files_stay_short() -> None:
    long = {}
    for path in sorted(p for folder in PYTHON for p in (ROOT / folder).rglob("*.py")):
        count = len(path.read_text().splitlines())
        if count > 450:
            long[str(path.relative_to(ROOT))] = count
    assert not long
