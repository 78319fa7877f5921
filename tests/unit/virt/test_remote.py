"""Connections to other hosts are refused before anything is asked of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ground import tools

REMOTE = ("qemu+ssh://root@far.lab/system", "qemu+tls://far.lab/system", "qemu://far.lab/system")
PROGRAMS = ("ssh", "nc", "virt-ssh-helper")


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory of programs by which libvirt reaches other hosts; each notes that it ran."""
    for name in PROGRAMS:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho ran >{tmp_path}/{name}.ran\nexit 1\n")
        program.chmod(0o755)
    return tmp_path


# Runs the command, with another file for /etc/libvirt/libvirt.conf.
RUN = """
import pathlib, sys
from pypxeboot.virt import connection
connection._CLIENT_CONF = pathlib.Path(sys.argv.pop(1))
from pypxeboot.commands.virt import run
run()
"""


@pytest.mark.parametrize("by", ["--connect", "LIBVIRT_DEFAULT_URI", "uri_default"])
@pytest.mark.parametrize("uri", REMOTE)
def test_refused_before_ssh_runs(programs: Path, uri: str, by: str) -> None:
    """ssh would ask for a password, where nobody is, and the bridge of the guest is not on this host."""
    pytest.importorskip("libvirt")
    environment = {**tools.ENVIRONMENT, "PATH": f"{programs}:{os.environ['PATH']}"}
    environment.pop("LIBVIRT_DEFAULT_URI", None)
    conf = programs / "libvirt.conf"
    conf.write_text(f'# of clients\nuri_default = "{uri}"\n' if by == "uri_default" else "")
    words = ["start", "web"]
    if by == "--connect":
        words = ["start", "--connect", uri, "web"]
    elif by == "LIBVIRT_DEFAULT_URI":
        environment[by] = uri
    argv = [sys.executable, "-c", RUN, str(conf), *words]
    run = subprocess.run(
        argv, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120
    )
    assert run.returncode == 2, run
    error, hint = run.stderr.splitlines()[-2:]
    assert error.startswith("pypxeboot: error: ") and uri in error, run.stderr
    assert hint.startswith("pypxeboot: hint: run pypxeboot-virt there"), run.stderr
    assert not list(programs.glob("*.ran"))
