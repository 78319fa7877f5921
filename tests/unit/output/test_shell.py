"""What virtual machine monitors with direct kernel boot and shells read, against their own descriptions."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError
from pypxeboot.output import shell
from pypxeboot.output.request import OutputRequest
from tests.support.samples.formats import LOCAL
from tests.support.samples.results import BOOT, GUEST, MULTIBOOT, PLANNED, saying

# ---- shell


def evaluated(line: bytes, *names: str) -> list[bytes]:
    """The variables as a plain shell has them afterwards."""
    script = line + b"".join(b'printf "%%s\\0" "$%s"\n' % name.encode() for name in names)
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, timeout=30)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split(b"\0")[:-1]


def test_shell() -> None:
    names = "ACTION KERNEL INITRD CMDLINE LABEL MAC UUID ADDRESS DTB".split()
    found = evaluated(shell.render(BOOT, OutputRequest(GUEST)), *(f"PXE_{name}" for name in names))
    assert [value.decode() for value in found] == [
        "boot",
        "/run/d/kernel.1",
        "/run/d/ramdisk.2",
        "BOOT_IMAGE=k x=1",
        "a",
        GUEST.mac,
        GUEST.uuid,
        "10.77.0.5",
        "",
    ]


@given(st.binary(max_size=40).filter(lambda data: b"\0" not in data))
def test_shell_lines_hold_one_word_each(cmdline: bytes) -> None:
    """What a shell makes of quotes is what :mod:`shlex` makes of them."""
    line = shell.render(saying(cmdline), OutputRequest(GUEST)).decode("latin-1")
    words = dict(word.split("=", 1) for word in shlex.split(line))
    assert words["PXE_CMDLINE"].encode("latin-1") == cmdline and len(words) == 14


def test_shell_runs_nothing_of_it() -> None:
    hostile = b"a'; touch owned; 'b `touch owned` $(touch owned) \\ \" \n touch owned #~"
    (found,) = evaluated(shell.render(saying(hostile), OutputRequest(GUEST)), "PXE_CMDLINE")
    assert found == hostile and not Path("owned").exists()
    with pytest.raises(HandoverError, match="NUL"):
        shell.render(saying(b"a\0b"), OutputRequest(GUEST))


def test_shell_tells_what_is_not_booted() -> None:
    assert evaluated(shell.render(LOCAL, OutputRequest(GUEST)), "PXE_ACTION", "PXE_KERNEL") == [
        b"localboot",
        b"",
    ]
    off = replace(LOCAL, action=Action.POWEROFF, lease=None, label=None, config=None)
    assert evaluated(shell.render(off, OutputRequest(GUEST)), "PXE_ACTION", "PXE_ADDRESS") == [
        b"poweroff",
        b"",
    ]
    planned = evaluated(shell.render(PLANNED, OutputRequest(GUEST)), "PXE_KERNEL", "PXE_KERNEL_URL")
    assert planned == [b"", b"tftp://10.77.0.1/k"]
    with pytest.raises(HandoverError, match="modules"):
        shell.render(MULTIBOOT, OutputRequest(GUEST))
