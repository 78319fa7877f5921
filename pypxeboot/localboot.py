"""The local disk of a Xen guest: pygrub, with libxl's own argv."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pypxeboot.config import NOTICE
from pypxeboot.errors import HandoverError, NoBootSource

log = logging.getLogger(__name__)

# Where distributions put it: Debian, upstream, Fedora and XCP-ng. The last resort is $PATH.
_PLACES = ("/usr/lib/xen-*/bin/pygrub", "/usr/lib/xen/bin/pygrub", "/usr/libexec/xen/bin/pygrub")
_ENDING = {"simple0": (b"kernel ", b"\0"), "simple": (b"kernel ", b"\n"), "sxp": (b"linux (kernel ", b"")}


def find_pygrub() -> str:
    """The pygrub program. Raises HandoverError if there is none."""
    for pattern in _PLACES:
        found = sorted(Path("/").glob(pattern[1:]))
        if found:
            return str(found[-1])
    program = shutil.which("pygrub", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if program is None:
        raise HandoverError(
            "pygrub is not installed, and the entry says local disk", hint="install Xen's utilities"
        )
    return program


def run(arguments: Sequence[str], disk: Optional[str], form: str, output: Optional[Path]) -> bytes:
    """What pygrub says of ``disk`` in ``form``.

    ``arguments`` are pygrub's own, as libxl gave them, ``output`` the file that they name for the result,
    or None for standard output. Raises NoBootSource without a disk, HandoverError when pygrub finds nothing
    to boot: it can do that with exit status 0 (its parent passes the raw wait status of its child on, and
    256 becomes 0).
    """
    if disk is None:
        raise NoBootSource(
            "the entry says local disk, and no disk was given",
            hint="name the guest's disk as the last argument; libxl does so by itself",
        )
    pygrub = find_pygrub()
    log.log(NOTICE, "dropping to pygrub for local boot")
    argv = [pygrub, *arguments, "--", disk]
    log.info("running %s", " ".join(argv))
    try:
        done = subprocess.run(argv, stdout=None if output else subprocess.PIPE, check=False)
        result = output.read_bytes() if output else done.stdout
    except OSError as why:
        raise HandoverError(f"cannot run {pygrub}: {why.strerror}") from None
    if done.returncode:
        raise HandoverError(f"pygrub found nothing to boot on {disk} (exit status {done.returncode})")
    start, end = _ENDING[form]
    if not result.startswith(start) or not result.endswith(end):
        raise HandoverError(f"pygrub says it succeeded with {disk}, but names no kernel")
    return result
