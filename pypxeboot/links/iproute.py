"""Run programs of the host's network: ``ip`` where that is rare, ``ovs-vsctl``, ``nft``, ``udhcpc``."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Optional

from pypxeboot.errors import PxeBootError

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # a bootloader's or hook's PATH may lack sbin


def find_program(name: str) -> Optional[str]:
    """Return the path of a program, None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_PATH}")


def _program(name: str) -> str:
    program = find_program(name)
    if program is None:
        raise PxeBootError(f"the program {name} is missing", hint="install iproute2 and util-linux")
    return program


def popen(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command whose standard output is a pipe for the caller to read. Raises PxeBootError."""
    environment = {"PATH": f"{os.environ.get('PATH', '')}:{_PATH}"}
    return subprocess.Popen(
        [_program(argv[0]), *argv[1:]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment
    )


def run(argv: Sequence[str], *, script: Optional[str] = None) -> str:
    """Run a command of iproute2 or util-linux, and return its standard output.

    ``script`` is its standard input. Raises PxeBootError with what the command said.
    """
    done = subprocess.run(
        [_program(argv[0]), *argv[1:]],
        input=script or "",
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise PxeBootError(f"{' '.join(argv)} failed: {said}")
    return done.stdout
