"""How many boots a host runs at a time, found by a mere look."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypxeboot.config import files, max_boots


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], None),
        (["--max-boots", "7"], 7),
        (["--max-boots=7", "--max-boots", "no"], 0),
        (["--max-boots", "0"], None),  # who reads all of it says that this is wrong
        (["--max-boots"], None),
    ],
)
def test_of_the_command_line(argv: list[str], expected: object) -> None:
    assert max_boots.look_up(["--config-file", "/dev/null", *argv]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[defaults]\nmax-boots = 5\n", 5),
        ("[defaults]\nmax-boots=no\n[web]\nlabel = a\n", 0),
        ("[web]\nmax-boots = 5\n", None),
        ("# max-boots = 5\n[defaults]\ntimeout = 3\n", None),
        ("[defaults]\nmax-boots = many\n", None),
    ],
)
def test_of_a_file(tmp_path: Path, text: str, expected: object) -> None:
    path = tmp_path / "conf"
    path.write_text(text)
    argv = ["--mac", "52:54:00:00:00:01", f"--config-file={path}"]
    assert max_boots.look_up(argv) == expected
    assert max_boots.look_up([*argv, "--max-boots", "9"]) == 9


def test_of_a_drop_in(tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("[defaults]\nmax-boots = 5\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/10.conf").write_text("[defaults]\nmax-boots = 6\n")
    assert max_boots.look_up(["--config-file", str(tmp_path / "conf")]) == 6


def test_files_are_read_once_for_the_look_and_for_the_boot(tmp_path: Path) -> None:
    path = tmp_path / "conf"
    path.write_text("[defaults]\nmax-boots = 5\n")
    assert max_boots.look_up(["--config-file", str(path)]) == 5
    path.write_text("[defaults]\nmax-boots = 6\n")
    assert [text[-2:] for _ in range(2) for _, text in files.read(str(path))] == ["5\n", "6\n"]
