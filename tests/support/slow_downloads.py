"""Boots that are caught while they download."""

from __future__ import annotations

import subprocess

from tests.support.ground import SERVER, Run, Site
from tests.support.ground.net import command

SLOW = f"DEFAULT a\nLABEL a\n KERNEL vmlinuz\n INITRD http://{SERVER}/big\n"


def finish(process: subprocess.Popen[bytes], seconds: float = 20) -> Run:
    stdout, stderr = process.communicate(timeout=seconds)
    return Run((), process.returncode, stdout, stderr.decode("utf-8", "replace"), 0)


def downloading(site: Site) -> bool:
    """Whether the web server has a client."""
    return bool(command("ip", "netns", "exec", site.srv, "ss", "-Htn", "state", "established").strip())
