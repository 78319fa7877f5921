"""Pictures of captures whose times, or whose reader, are a stranger's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pypxeboot.explain import page, reader, waterfall
from pypxeboot.explain.page import Page
from pypxeboot.explain.reader import TimelineReport
from pypxeboot.explain.waterfall import Bar, BarEnd, Phase, PhaseSpan
from pypxeboot.schema import SchemaError, pack


def bar(end: float) -> Bar:
    return Bar("10.77.0.1", "k", BarEnd.OK, (PhaseSpan(Phase.WAIT, 0.0, end),), (end,))


@pytest.mark.parametrize("end", [0.0, 1e-9, 0.3, 9_999.0, 100_000.0, 4_294_967_295.0, 9e15])
def test_a_capture_of_any_length_is_one_picture(end: float) -> None:
    shown = page.render(Page("a", "b", well=True, bars=[bar(end)], story=[])).decode()
    assert shown.count('class="grid"') <= 11
    assert len(list(waterfall.text_lines([bar(end)], 80))) == 3


def test_a_reader_that_is_lost_tells_of_no_bar_without_a_phase() -> None:
    report = TimelineReport((), "", bars=(bar(1.0),))
    assert reader.report_of(pack(report)) == report
    with pytest.raises(SchemaError):
        reader.report_of(pack(replace(report, bars=(replace(bar(1.0), spans=()),))))
