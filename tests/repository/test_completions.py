"""The completion of bash, run by bash: what it offers is what the parser knows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pypxeboot.config.options import parser
from pypxeboot.links.kinds import LINKS
from tests.support.ground import tools

FILE = tools.ROOT / "completions/pypxeboot"
OPTIONS = sorted(name for action in parser()._actions for name in action.option_strings)
CHOICES = [
    (name, str(choice))
    for action in parser()._actions
    for name in action.option_strings
    for choice in action.choices or ()
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both commands."""
    folder = tmp_path_factory.mktemp("bin")
    for name, module in (("pypxeboot", "pypxeboot"), ("pypxeboot-lab", "pypxeboot.lab")):
        program = folder / name
        program.write_text(f'#!/bin/sh\necho run >>"$0.runs"\nexec {sys.executable} -m {module} "$@"\n')
        program.chmod(0o755)
    return folder


def offered(programs: Path, *lines: Sequence[str]) -> list[list[str]]:
    """What bash offers for the last word of each line, all in one shell."""
    # compopt works in a completion only.
    script = ['compopt() { echo "compopt $*" >&3; }', f"source '{FILE}'"]
    for line in lines:
        words = " ".join(f"'{word}'" for word in line)
        script += [f"COMP_WORDS=({words}) COMP_CWORD={len(line) - 1} COMPREPLY=()", "_pypxeboot 3>&1"]
        script += ['printf "%s\\n" "${COMPREPLY[@]}"', "echo =="]
    done = subprocess.run(
        [tools.need("bash"), "-u", "-c", "\n".join(script)],
        env={"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(tools.ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [part.split("\n")[:-1] for part in done.stdout.split("==\n")[:-1]]


def test_every_option_is_offered(programs: Path) -> None:
    everything, some, one = offered(
        programs, ["pypxeboot", "-"], ["pypxeboot", "--mac", "m", "--out"], ["pypxeboot", "-l", "--pca"]
    )
    assert sorted(everything) == OPTIONS
    assert sorted(some) == [name for name in OPTIONS if name.startswith("--out")]
    assert one == ["--pcap"]


def test_every_choice_is_offered(programs: Path) -> None:
    found = offered(programs, *(["pypxeboot", name, ""] for name, _choice in CHOICES))
    assert CHOICES and all(choice in words for (_name, choice), words in zip(CHOICES, found))
    assert offered(programs, ["pypxeboot", "--link", "=", "v"], ["pypxeboot", "--link", "="]) == [
        ["veth"],
        list(LINKS),
    ]


def test_files_folders_and_links(programs: Path) -> None:
    file, folder, link, value, disk = offered(
        programs,
        ["pypxeboot", "--pcap", ""],
        ["pypxeboot", "--output-directory", ""],
        ["pypxeboot", "--bridge", "l"],
        ["pypxeboot", "--timeout", ""],
        ["pypxeboot", "/dev/v"],
    )
    assert (file[0], folder[0], disk[0]) == (
        "compopt -o default",
        "compopt -o dirnames",
        "compopt -o default",
    )
    assert "lo" in link and value == [""]


def test_sub_commands(programs: Path) -> None:
    command, options, files = offered(
        programs, ["pypxeboot", "d"], ["pypxeboot", "doctor", "--out"], ["pypxeboot", "explain", ""]
    )
    assert command == ["compopt -o default", "doctor"] and files == ["compopt -o default", ""]
    assert sorted(options) == [name for name in OPTIONS if name.startswith("--out")]


def test_the_lab(programs: Path) -> None:
    command, options, tree = offered(
        programs,
        ["pypxeboot-lab", "r"],
        ["pypxeboot-lab", "run", "--"],
        ["pypxeboot-lab", "run", "--tree", ""],
    )
    assert command == ["run"] and {"--root", "--http", "--name"} <= set(options) and "multi" in tree


def test_xl(programs: Path) -> None:
    command, options, choices = offered(
        programs,
        ["pypxeboot-xl", ""],
        ["pypxeboot-xl", "create", "--out"],
        ["pypxeboot-xl", "create", "--link", "ma"],
    )
    assert command == ["create", "--help", "--version"] and choices == ["macvlan"]
    assert sorted(options) == [name for name in OPTIONS if name.startswith("--out")]


def test_virt(programs: Path) -> None:
    (programs / "virsh").write_text("#!/bin/sh\necho web; echo db\n")
    (programs / "virsh").chmod(0o755)
    command, options, own, choices, domains = offered(
        programs,
        ["pypxeboot-virt", ""],
        ["pypxeboot-virt", "run", "--out"],
        ["pypxeboot-virt", "start", "--pr"],
        ["pypxeboot-virt", "watch", "--link", "ma"],
        ["pypxeboot-virt", "start", "-v", ""],
    )
    assert command == ["start", "run", "watch", "clean", "--help", "--version"] and choices == ["macvlan"]
    assert sorted(options) == [name for name in OPTIONS if name.startswith("--out")]
    assert {"--print-xml", "--profile"} >= set(own) and "--print-xml" in own
    assert domains == ["web", "db"]


def test_the_program_is_asked_once_a_shell(programs: Path) -> None:
    runs = programs / "pypxeboot.runs"
    runs.unlink(missing_ok=True)
    offered(programs, *[["pypxeboot", "--"]] * 5)
    assert runs.read_text().count("run") == 1


def test_without_the_program_nothing_breaks(tmp_path: Path) -> None:
    assert offered(tmp_path, ["pypxeboot", "--o"]) == [[""]]
