"""Guests as xl starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Optional

from tests.support.ground import BRIDGE, MAC, UUID, Run, Site, tools

OTHER = "00:16:3e:00:00:99"
VIF = f"vif = [ 'mac={MAC},bridge={BRIDGE}', 'mac={OTHER},bridge=nobr' ]\n"


def xl(
    site: Site,
    config: Optional[str],
    *bootloader_args: str,
    given: Optional[list[str]] = None,
    name: str = "web",
    **environment: str,
) -> Run:
    """``xl create guest.cfg`` with ``config`` in that file (or ``given`` behind ``xl``).

    ``name`` is that of the domain by now; ``before``, a script, is run by the xl before the bootloader.
    """
    work = site.directory / "xl-work"
    (work / "bin").mkdir(parents=True, exist_ok=True)
    if config is not None:
        (work / "guest.cfg").write_text(config)
    output = work / "bootloader.7.out"
    output.touch(0o600)
    argv = [f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}"]
    words = [sys.executable, "-m", "pypxeboot", *argv, *bootloader_args, "/dev/vg/guest"]
    quoted = " ".join(f"'{word}'" for word in words)
    (work / "bin/xl").write_text(f"#!/bin/sh\n{environment.pop('before', '')}\n{quoted}\nexit $?\n")
    store = f"case $1 in */vm) echo /vm/{UUID} ;; */name) echo {name} ;; */type) echo pv ;; *) exit 1 ;; esac"
    (work / "bin/xenstore-read").write_text(f"#!/bin/sh\n{store}\n")
    for name in ("xl", "xenstore-read"):
        (work / "bin" / name).chmod(0o755)
    path = f"{work / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        [
            "ip",
            "netns",
            "exec",
            site.hyp,
            "sh",
            "-c",
            _OWN_STATE,
            str(state(site)),
            str(work / "bin/xl"),
            *(given or ["create", "guest.cfg"]),
        ],
        cwd=work,
        env={**tools.ENVIRONMENT, "PATH": path, "PWD": str(work), **environment},
        capture_output=True,
        timeout=60,
    )
    return Run(words, done.returncode, output.read_bytes(), done.stderr.decode(), 0)


MONITOR = "cd /; exec >/tmp/xl-web.log"
"""What an xl does that becomes the monitor of its domain (with ``before``)."""

# Of the files of one test's guests no other test knows.
_OWN_STATE = 'mkdir -p /var/lib/pypxeboot && mount --bind "$0" /var/lib/pypxeboot && exec setsid -w "$@"'


def state(site: Site) -> Path:
    """What is /var/lib/pypxeboot there."""
    path = site.directory / "state"
    path.mkdir(exist_ok=True)
    return path


def booted(run: Run) -> bool:
    return run.ok().stdout.startswith(b"kernel ") and f"MAC {MAC} on {BRIDGE}" in run.stderr
