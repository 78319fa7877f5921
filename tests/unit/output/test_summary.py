"""The summary of a boot by hand, which goes to the terminal of root."""

from __future__ import annotations

from dataclasses import replace

from pypxeboot.output import summary
from tests.support.samples.results import BOOT

EVIL = "\x1b]0;x\x07\udcff\n"


def test_what_the_client_tells_of_a_kernel_does_not_steer_the_terminal() -> None:
    assert BOOT.kernel is not None
    kernel = replace(BOOT.kernel, format=EVIL, boots=(EVIL, EVIL * 1000))
    text = summary.render(replace(BOOT, kernel=kernel), None, colours=False)
    assert all(line.isprintable() for line in text.splitlines()) and text.encode()
    assert len(text) < len(summary.render(BOOT, None, colours=False)) + 400
