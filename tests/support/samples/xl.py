"""Guests as xl starts them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Optional

from tests.support.ground import BRIDGE, MAC, UUID, Run, Site, tools

OTHER = "00:16:3e:00:00:99"
VIF = f"vif = [ 'mac={MAC},bridge={BRIDGE}', 'mac={OTHER},bridge=nobr' ]\n"


def xl(
    site: Site, config: str, *bootloader_args: str, given: Optional[list[str]] = None, **environment: str
) -> Run:
    """``xl create guest.cfg`` with ``config`` in that file (or ``given`` behind ``xl``)."""
    work = site.directory / "xl-work"
    (work / "bin").mkdir(parents=True, exist_ok=True)
    (work / "guest.cfg").write_text(config)
    output = work / "bootloader.7.out"
    output.touch(0o600)
    argv = [f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}"]
    words = [sys.executable, "-m", "pypxeboot", *argv, *bootloader_args, "/dev/vg/guest"]
    quoted = " ".join(f"'{word}'" for word in words)
    (work / "bin/xl").write_text(f"#!/bin/sh\n{environment.pop('before', '')}\n{quoted}\nexit $?\n")
    store = f"case $1 in */vm) echo /vm/{UUID} ;; */name) echo web ;; */type) echo pv ;; *) exit 1 ;; esac"
    (work / "bin/xenstore-read").write_text(f"#!/bin/sh\n{store}\n")
    for name in ("xl", "xenstore-read"):
        (work / "bin" / name).chmod(0o755)
    path = f"{work / 'bin'}:{os.environ['PATH']}"
    done = subprocess.run(
        ["ip", "netns", "exec", site.hyp, str(work / "bin/xl"), *(given or ["create", "guest.cfg"])],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(tools.ROOT), "PATH": path, "PWD": str(work), **environment},
        capture_output=True,
        timeout=60,
    )
    return Run(words, done.returncode, output.read_bytes(), done.stderr.decode(), 0)


def booted(run: Run) -> bool:
    return run.ok().stdout.startswith(b"kernel ") and f"MAC {MAC} on {BRIDGE}" in run.stderr
