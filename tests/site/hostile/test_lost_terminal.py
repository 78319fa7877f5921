"""A client process that is lost, at a terminal with somebody: who can always end the boot."""

from __future__ import annotations

import time

import pytest

from tests.support import lost_terminal, terminal
from tests.support.ground import Site
from tests.support.ground.simple import check_stderr
from tests.support.lost_terminal import PROMPT, WITHOUT_CTRL_C


@pytest.mark.parametrize("scenario", WITHOUT_CTRL_C)
def test_ctrl_c_three_times(site: Site, scenario: str) -> None:
    arguments = ("-i", "--timeout", "500")
    with terminal.run(site, *arguments, program=("-m", lost_terminal.__name__, scenario)) as screen:
        screen.wait_for(PROMPT)
        time.sleep(0.5)
        screen.press("ctrl-c")
        time.sleep(2.5)
        assert screen.process.poll() is None, "once, it is a key"
        screen.press("ctrl-c", "ctrl-c", "ctrl-c")
        run = screen.finish(30)
        assert run.rc == 8, str(run)
        assert screen.modes() == screen.found
    check_stderr(run)
    assert "pypxeboot: error: interrupted at the terminal" in run.stderr.splitlines()
    site.assert_nothing_left(within=2)
