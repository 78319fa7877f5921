"""A client process that is lost to a stranger has the host side hand over nothing of the host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import lost_client
from tests.support.ground import BRIDGE, MAC, Run, Site
from tests.support.ground.simple import check_stderr

SECRET = b"root alone may read this"


def lost(site: Site, scenario: str, *args: str, victim: Path) -> Run:
    """A run whose client does ``scenario``."""
    return site.pypxeboot(
        *("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), *args),
        program=("-m", lost_client.__name__, scenario),
        env={"VICTIM": str(victim)},
    )


@pytest.mark.parametrize("form", ["json", "sxp", "qemu", "libvirt"])
@pytest.mark.parametrize("scenario", sorted(lost_client.SCENARIOS))
def test_nothing_is_handed_over(site: Site, scenario: str, form: str) -> None:
    victim = site.directory / "shadow"
    victim.write_bytes(SECRET)
    victim.chmod(0o600)
    before = victim.stat()
    run = lost(site, scenario, f"--output-format={form}", victim=victim)
    assert run.rc == 1, str(run)
    errors = [line for line in run.stderr.splitlines() if "error: " in line]
    assert len(errors) == 1 and "the client process broke its contract: " in errors[0], str(run)
    check_stderr(run)
    assert str(victim).encode() not in run.stdout
    assert b"error" in run.stdout if form == "json" else not run.stdout
    after = victim.stat()
    assert (after.st_mode, after.st_uid, after.st_nlink, victim.read_bytes()) == (
        *(before.st_mode, before.st_uid, before.st_nlink),
        SECRET,
    )
    site.assert_nothing_left()


@pytest.mark.parametrize("scenario", ["kernel_is_the_victim", "local_disk_with_the_victim"])
def test_nor_where_nothing_is_downloaded(site: Site, scenario: str) -> None:
    """With ``-n`` files have no size: still no path of the client's is one."""
    victim = site.directory / "shadow"
    victim.write_bytes(SECRET)
    run = lost(site, scenario, "--json", "-n", victim=victim)
    assert run.rc == 1 and "it names a file of this host" in run.stderr, str(run)
    assert str(victim).encode() not in run.stdout
