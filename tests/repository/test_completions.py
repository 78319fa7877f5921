"""The completions of bash, zsh and fish: made of the parsers as they are now, and tried in their shells."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pypxeboot.config.options import parser
from pypxeboot.links.kinds import LINKS
from tests.support.ground import tools
from tests.support.ground.net import BRIDGE, Site
from tests.support.ground.simple import serve, tree

FOLDER = tools.ROOT / "completions"
SHELLS = ("bash", "zsh", "fish")
OPTIONS = {name for action in parser()._actions for name in action.option_strings}
LONG = {name for name in OPTIONS if name.startswith("--")}
OUT = {name for name in OPTIONS if name.startswith("--out")}
LABEL = "PYPXEBOOT_COMPLETE_LABELS"


def test_they_are_what_the_parsers_say_now(tmp_path: Path) -> None:
    pytest.importorskip("shtab", reason="shtab is not here (pip install shtab)")
    if sys.version_info[:2] != (3, 11):
        pytest.skip("argparse words its help in another way: they are made by Python 3.11")
    subprocess.run([sys.executable, tools.ROOT / "scripts/completions", tmp_path], check=True, timeout=120)
    made = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.glob("*/*")}
    kept = {str(path.relative_to(FOLDER)): path.read_text() for path in FOLDER.glob("*/*")}
    stale = {name for name in made.keys() | kept.keys() if made.get(name) != kept.get(name)}
    assert not stale, "run scripts/completions, and commit what it wrote"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands, and a virsh that knows two domains."""
    folder = tmp_path_factory.mktemp("bin")
    for name, text in (
        ("pypxeboot", f'exec {sys.executable} -m pypxeboot "$@"'),
        ("virsh", "printf '%s\\n' web db"),
        ("pypxeboot-lab", "exit 1"),
        ("pypxeboot-virt", "exit 1"),
        ("pypxeboot-xl", "exit 1"),
    ):
        (folder / name).write_text(f'#!/bin/sh\necho "$@" >>"$0.runs"\n{text}\n')
        (folder / name).chmod(0o755)
    return folder


def offered(
    shell: str, programs: Path, line: str, prefix: Sequence[str] = (), env: dict[str, str] | None = None
) -> set[str]:
    """What ``shell`` offers for the last word of ``line``, as a set of words."""
    environment = {"PATH": f"{programs}:/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(tools.ROOT)}
    environment |= {"HOME": str(programs), "TERM": "dumb", "LC_ALL": "C.UTF-8", **(env or {})}
    ask = {"bash": _in_bash, "zsh": _in_zsh, "fish": _in_fish}[shell]
    return ask(line, [*prefix, tools.need(shell)], environment)


def _in_bash(line: str, argv: list[str], env: dict[str, str]) -> set[str]:
    # As readline splits: = is a word.
    words = [word for word in re.split(r"(=)|[ ]", line) if word] + ([""] if line[-1] in " " else [])
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
        source '{FOLDER}/bash/{words[0]}'
        compopt() {{ :; }}
        COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1} COMPREPLY=()
        _{words[0].replace("-", "_")}_joined {words[0]} '{words[-1]}' '{words[-2]}'
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([*argv, "-c", script], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return set(done.stdout.split())


def _in_fish(line: str, argv: list[str], env: dict[str, str]) -> set[str]:
    words = line.split()
    script = f"source '{FOLDER}/fish/{words[0]}.fish'; complete -C '{line}'"
    done = subprocess.run(
        [*argv, "--no-config", "-c", script], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found = {text.partition("\t")[0] for text in done.stdout.splitlines()}
    return {word.rpartition("=")[2] if "=" in line.split()[-1] else word for word in found}


def _in_zsh(line: str, argv: list[str], env: dict[str, str]) -> set[str]:
    """Type the line into a zsh on a terminal, and a key that lists what there is."""
    control, terminal = pty.openpty()
    (Path(env["HOME"]) / ".zshrc").write_text(
        f"fpath=({FOLDER}/zsh $fpath); autoload -Uz compinit; compinit -u -D\n"
        "LISTMAX=9999; COLUMNS=300; LINES=500\n"
        "bindkey '^T' list-choices; PS1='ready> '\n"
    )
    shell = subprocess.Popen(
        [*argv, "-d", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, env=env, start_new_session=True
    )
    os.close(terminal)
    try:
        _until(control, "ready> ")
        os.write(control, f"{line}\x14".encode())
        text = _until_quiet(control)
    finally:
        os.close(control)
        shell.kill()
        shell.wait()
    lines = [re.sub(r"\x1b[^A-Za-z]*[A-Za-z]", "", part).strip() for part in re.split(r"[\r\n]+", text)]
    return {
        word for part in lines[1:] if "ready>" not in part for word in re.split(r" +-- .*| +", part) if word
    }


def _until(control: int, prompt: str) -> None:
    seen, deadline = "", time.monotonic() + 60
    while prompt not in seen:
        assert time.monotonic() < deadline, seen
        if select.select([control], [], [], 1)[0]:
            seen += os.read(control, 65536).decode(errors="replace")


def _until_quiet(control: int, seconds: float = 1.5, most: float = 60) -> str:
    seen, deadline = "", time.monotonic() + most
    while time.monotonic() < deadline:
        if select.select([control], [], [], seconds)[0]:
            seen += os.read(control, 65536).decode(errors="replace")
        elif len(seen.split("\n")) > 1:
            break
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_options_and_their_values(shell: str, programs: Path) -> None:
    assert offered(shell, programs, "pypxeboot --") >= LONG - {"--entry"}
    assert offered(shell, programs, "pypxeboot --mac m --out") == OUT
    assert offered(shell, programs, "pypxeboot --link ") == set(LINKS)
    assert offered(shell, programs, "pypxeboot --link=ma") & set(LINKS) == {"macvlan"}


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_sub_commands_and_domains(shell: str, programs: Path) -> None:
    assert {"start", "run", "watch", "clean"} <= offered(shell, programs, "pypxeboot-virt ")
    assert offered(shell, programs, "pypxeboot-virt start -v ") >= {"web", "db"}
    assert {"--print-xml"} == offered(shell, programs, "pypxeboot-virt start --pr") - {"--profile"}
    assert offered(shell, programs, "pypxeboot-xl create --output-f") == {"--output-format"}
    assert "multi" in offered(shell, programs, "pypxeboot-lab run --tree ")
    assert {"doctor", "explain"} <= offered(shell, programs, "pypxeboot ")


@pytest.mark.slow
@pytest.mark.parametrize("shell", SHELLS)
def test_bridges_are_those_of_the_host(shell: str, programs: Path) -> None:
    assert "lo" in offered(shell, programs, "pypxeboot --bridge ")


@pytest.mark.netns
@pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")
@pytest.mark.parametrize("shell", SHELLS)
def test_labels_are_asked_of_the_site_when_told_to(shell: str, programs: Path, site: Site) -> None:
    config = "DEFAULT one\nLABEL one\n KERNEL vmlinuz\nLABEL two\n KERNEL vmlinuz\n"
    serve(site, files={**tree(config)})
    inside = ["ip", "netns", "exec", site.hyp]
    line = f"pypxeboot --mac 52:54:00:12:34:56 --bridge {BRIDGE} --label "
    runs = programs / "pypxeboot.runs"
    runs.write_text("")
    offered(shell, programs, line, inside)
    assert runs.read_text() == ""
    assert {"one", "two"} <= offered(shell, programs, line, inside, {LABEL: "1"})
