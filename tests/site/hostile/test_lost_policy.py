"""Verified boot with a lost client: what is signed boots by the words of the host, or nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import lost_policy
from tests.support.ground import BRIDGE, MAC, Run, Site
from tests.support.ground.kernels import dummy
from tests.support.ground.simple import check_stderr, kernel_of, ramdisk_of
from tests.support.lost_policy import BOOTED, BROKEN, REFUSED
from tests.support.samples.signatures import Authority

FILES = {"kernel": dummy("vmlinuz"), "initrd": b"an initrd " * 9, "other": b"another file"}
WORDS = "root=/dev/vda"


def lost(site: Site, authority: Authority, scenario: str, *args: str) -> Run:
    """A run under the policy whose client does ``scenario``."""
    loot = site.directory / "loot"
    loot.mkdir()
    for name, data in FILES.items():
        (loot / name).write_bytes(data)
        (loot / f"{name}.sig").write_bytes(authority.sign_file(data))
    policy = ("--verify=required", f"--trust={authority.directory}/root.pem", "--append", WORDS)
    return site.pypxeboot(
        *("--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out), "--json", *(args or policy)),
        program=("-m", lost_policy.__name__, scenario),
        env={"LOOT": str(loot)},
    )


@pytest.mark.parametrize(
    ("scenario", "code"), [*((name, 7) for name in REFUSED), *((name, 1) for name in BROKEN)]
)
def test_nothing_is_handed_over(site: Site, authority: Authority, scenario: str, code: int) -> None:
    run = lost(site, authority, scenario)
    assert run.rc == code, str(run)
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("pypxeboot: error: "))
    assert {**REFUSED, **BROKEN}[scenario][1] in line
    check_stderr(run)
    site.assert_nothing_left(within=2)


@pytest.mark.parametrize("scenario", BOOTED)
def test_what_is_signed_boots_by_the_words_of_the_host(
    site: Site, authority: Authority, scenario: str
) -> None:
    run = lost(site, authority, scenario).ok()
    result = run.result
    assert (kernel_of(run), result["cmdline"]) == (FILES["kernel"], WORDS)
    if result["ramdisk"] is not None:
        assert ramdisk_of(run) == FILES["initrd"]
    for module in result["modules"]:
        assert Path(module["path"]).read_bytes() == FILES["other"]
        assert module["cmdline"] in ("m", "sh")
    assert "init=/bin/sh" not in str([result["cmdline"], *(m["cmdline"] for m in result["modules"])])


def test_there_are_no_signatures_without_the_policy(site: Site, authority: Authority) -> None:
    run = lost(site, authority, "files_that_are_signed", "-q")
    assert run.rc == 1 and "an output file signature" in run.stderr, str(run)
