"""A client process that is lost, under the doctor: what it tells steers no terminal, and has an end."""

from __future__ import annotations

import pytest

from tests.support import lost_doctor
from tests.support.ground import BRIDGE, MAC, Site
from tests.support.ground.simple import check_stderr
from tests.support.lost_doctor import FINDINGS


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("scenario", FINDINGS)
def test_what_it_finds(site: Site, scenario: str, form: str) -> None:
    arguments = ("doctor", "--mac", MAC, "--bridge", BRIDGE, *(["--json"] if form == "json" else []))
    run = site.pypxeboot(*arguments, program=("-m", lost_doctor.__name__, scenario))
    text = run.stdout.decode()
    assert run.rc == 1 and FINDINGS[scenario][1] in text, str(run)
    assert all(line.isprintable() for line in text.splitlines()), str(run)
    assert len(run.stdout) < 4_000_000
    check_stderr(run)
    site.assert_nothing_left(within=2)
