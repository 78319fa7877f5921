"""The program behind the hook, and the script in front of it, without a libvirtd."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground import tools
from tests.support.ground.libvirt import domain_xml

WISH = "<p:boot xmlns:p='urn:pypxeboot:domain:1' {}/>"
SCRIPT = tools.ROOT / "scripts/libvirt-hook"


def program(xml: str, *argv: str, journal: Path) -> subprocess.CompletedProcess[str]:
    code = f"from pypxeboot.commands import hook_operation; hook_operation._JOURNAL = {str(journal)!r}; "
    code += (
        f"from pypxeboot.privsep import fork_socket; fork_socket.PATH = {str(journal.parent / 'none')!r}; "
    )
    code += "from pypxeboot.commands import virt_hook; virt_hook.run()"
    return subprocess.run(
        [sys.executable, "-c", code, *argv],
        input=xml,
        capture_output=True,
        text=True,
        env=tools.ENVIRONMENT,
        timeout=60,
    )


def domain(wish: str = "", config: str = "/srv/pypxeboot-hook/c", **more: str) -> str:
    words = ("-readconfig", config)
    more.setdefault("uuid", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b")
    return domain_xml("guest", "52:54:00:00:00:01", metadata=WISH.format(wish), qemu=words, **more)


def test_the_story_goes_to_the_journal(short_tmp: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(short_tmp / "journal"))
        listening.listen()
        done = program("<domain", "guest", "prepare", "begin", "-", journal=short_tmp / "journal")
        stream, _address = listening.accept()
        with stream, stream.makefile() as told:
            lines = told.read().splitlines()
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith("pypxeboot: not XML: ") and done.stderr.count("\n") == 1
    # sd_journal_stream_fd(3): who speaks, unit, priority, and four switches
    assert lines[:7] == ["pypxeboot-virt-hook", "", "6", "0", "0", "0", "0"]
    assert lines[7].startswith("pypxeboot: guest: error: not XML: ")


@pytest.mark.parametrize(
    ("xml", "rc", "line"),
    [
        (domain(" order='tape'"), 2, "the boot order 'tape' in the domain's metadata is not known"),
        ("<domain><name>x</name></domain>", 0, ""),
        (domain(config="/etc/shadow"), 0, ""),
        (domain().replace("urn:pypxeboot:domain:1", "urn:somebody:else"), 0, ""),
        (domain().replace("hvm", "xenpvh"), 2, "is not a machine"),
        ("x" * 100, 2, "not XML"),
        ("", 2, "not XML"),
    ],
)
def test_one_line_at_most(xml: str, rc: int, line: str, tmp_path: Path) -> None:
    done = program(xml, "guest", "prepare", "begin", "-", journal=tmp_path / "none")
    assert (done.returncode, done.stdout) == (rc, "") and line in done.stderr
    assert done.stderr.count("\n") == (1 if rc else 0)


def test_run_by_a_person(tmp_path: Path) -> None:
    done = program("", "guest", journal=tmp_path / "none")
    assert done.returncode == 2 and "qemu.d/pypxeboot" in done.stderr


@pytest.mark.parametrize(
    ("words", "opts_in", "runs"),
    [
        *(
            (f"g {operation} begin -", True, True)
            for operation in "prepare start started migrate restore".split()
        ),
        ("g release end shutdown", True, True),
        *(
            (f"g {operation} -", True, False)
            for operation in ("stopped end", "reconnect begin", "attach begin")
        ),
        ("g prepare begin -", False, False),
        ("", True, False),
    ],
)
def test_the_script_starts_the_program_only_where_it_is_wanted(
    words: str, opts_in: bool, runs: bool, tmp_path: Path
) -> None:
    own = tmp_path / "pypxeboot-virt-hook"
    own.write_text('#!/bin/sh\necho "$@"\ncat\nexit 3\n')
    own.chmod(0o755)
    xml = domain() if opts_in else domain().replace("urn:pypxeboot:domain:1", "urn:other")
    done = subprocess.run(
        [str(SCRIPT), *words.split()],
        input=xml,
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        timeout=60,
    )
    assert done.returncode == (3 if runs else 0) and not done.stderr
    assert done.stdout == (f"{words}\n{xml}" if runs else "")
