"""``pypxeboot-xl create`` up to the xl that it runs, which is one that notes its arguments."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from tests.support.ground import BRIDGE, MAC, Run, Site, servers
from tests.support.ground.kernels import xen_elf
from tests.support.ground.simple import INITRDS, JOINED, check_stderr, tree
from tests.support.lost_scenarios import HANDOVER
from tests.support.samples.signatures import Authority

CONFIG = "DEFAULT a\nLABEL a\n KERNEL vmlinuz\n APPEND init=/bin/sh\n INITRD i1,i2\n"
GUEST = f'name = "web"\ntype = "pvh"\nextra = "mine=1"\nvif = ["mac={MAC},bridge={BRIDGE}"]\n'


def create(site: Site, *args: str, before: str = "", victim: str = "") -> Run:
    """A run of ``pypxeboot-xl create``; ``before`` is Python that runs first."""
    work = site.directory / "bin"
    work.mkdir(exist_ok=True)
    (site.directory / "guest.cfg").write_text(GUEST)
    (work / "xl").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{shlex.quote(str(work))}/told\n")
    (work / "xl").chmod(0o755)
    code = f"from pypxeboot.commands import xl; from pathlib import Path; {before}"
    code += f"xl.STATE_DIRECTORY = Path({str(site.out)!r}); xl.run()"
    environment = {"PATH": f"{work}:{os.environ['PATH']}", "VICTIM": victim}
    return site.pypxeboot("create", *args, "guest.cfg", program=("-c", code), env=environment)


def told(site: Site) -> list[str]:
    """The words that xl was run with; none if it was not."""
    path = site.directory / "bin/told"
    return path.read_text().splitlines() if path.exists() else []


def check_nothing_runs(site: Site, run: Run, why: str) -> None:
    (line,) = (line for line in run.stderr.splitlines() if "error: " in line)
    assert why in line, str(run)
    check_stderr(run)
    assert not told(site)
    site.assert_nothing_left(["web"])


def test_verified_boot(site: Site, authority: Authority) -> None:
    files = {"vmlinuz": xen_elf(), **INITRDS}
    signatures = {f"{name}.sig": authority.sign_file(data) for name, data in files.items()}
    root = servers.plant(site.directory / "root", {**tree(CONFIG), **files, **signatures})
    servers.dnsmasq(site, root)
    policy = ("--verify=required", f"--trust={authority.directory}/root.pem")
    (root / "i2").write_bytes(b"of a stranger")
    run = create(site, *policy)
    assert run.rc == 7, str(run)
    check_nothing_runs(site, run, "/i2 is not vouched for: the signature is not that of this file")
    (root / "i2").write_bytes(INITRDS["i2"])
    create(site, *policy).ok()
    verb, name, kernel, ramdisk, cmdline = told(site)
    assert (verb, name, cmdline) == ("create", "guest.cfg", 'cmdline="mine=1"')
    assert Path(kernel.split('"')[1]).read_bytes() == files["vmlinuz"]
    assert Path(ramdisk.split('"')[1]).read_bytes() == JOINED


@pytest.mark.parametrize("scenario", ["kernel_with_a_path", "kernel_that_was_not_opened", "no_kernel"])
def test_a_lost_client_creates_nothing(site: Site, scenario: str) -> None:
    victim = site.directory / "shadow"
    victim.write_bytes(b"secret")
    victim.chmod(0o600)
    before = f"from tests.support.lost_client import install; install({scenario!r}); "
    run = create(site, before=before, victim=str(victim))
    assert run.rc == 1
    check_nothing_runs(site, run, HANDOVER[scenario][1])
    assert victim.stat().st_mode & 0o777 == 0o600 and victim.read_bytes() == b"secret"
