"""``--report`` and ``explain --html``: a page about a boot, made of what was on the wire and what came of it.

The story is that of ``explain``: the traffic of a boot is captured for the page, and read by the same
locked-up process.
"""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from pypxeboot.config.settings import BootSettings
from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.explain import page
from pypxeboot.explain.page import Page
from pypxeboot.explain.reader import TimelineReport, read_timeline
from pypxeboot.output import summary
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult, Request

log = logging.getLogger(__name__)

_REQUESTS = 256  # of a failed boot, as many as one has
_LABEL = re.compile(r"label '([^']+)'")  # what failed, as the message begins


class BootReport:
    """The page about one boot, for the file ``path``; ``result`` is to be set where the boot succeeds."""

    def __init__(self, path: str, guest: str, capture: str) -> None:
        self._path, self._guest, self._capture = path, guest, capture
        self.result: Optional[BootResult] = None
        self.directory: Optional[str] = None
        try:
            Path(path).touch()  # what cannot be written is told before the network is asked
        except OSError as why:
            raise UsageError(f"cannot write {path}: {why.strerror}") from None

    def write(self, error: Optional[PxeBootError] = None, requests: Sequence[Request] = ()) -> None:
        """Write the page about the boot that has succeeded, or failed by ``error``; say if it cannot be."""
        label = (self.result.label or "") if self.result is not None else ""
        tried = None if error is None else _LABEL.match(error.message)
        label = label if tried is None else tried[1]
        try:
            told = read_timeline(self._capture, label)
            write_page(self._path, self._page(told, error, requests))
        except PxeBootError as why:
            log.warning("no report: %s", why.message)

    def _page(self, told: TimelineReport, error: Optional[PxeBootError], requests: Sequence[Request]) -> Page:
        if self.result is None:
            verdict = "it was ended" if error is None else error.message
            facts = [("hint", error.hint)] if error is not None and error.hint else []
            facts += [("exit code", str(error.code))] if error is not None else []
            facts += [
                ("asked for", f"{one.url}: {one.result}")
                for one in requests[:_REQUESTS]
                if one.result not in ("ok", "not-found")
            ]
            return _page(told, f"boot of {self._guest}", f"failed: {verdict}", facts, well=False)
        rows = summary.rows(self.result, self.directory)
        facts = [(key, text) for key, text in rows if key != "warning"]
        well = self.result.failure is None
        return _page(
            told, f"boot of {self._guest}", facts[0][1], facts[1:], well=well, warnings=self.result.warnings
        )


def _page(
    told: TimelineReport,
    title: str,
    verdict: str,
    facts: Sequence[tuple[str, str]],
    *,
    well: bool,
    warnings: Sequence[str] = (),
) -> Page:
    return Page(title, verdict, well, told.bars, told.lines, facts, warnings, told.files)


def page_of_capture(told: TimelineReport, name: str) -> Page:
    """Return the page about the capture file ``name``: its verdict is the last line of the timeline."""
    verdict = told.lines[-1].partition("verdict: ")[2] if told.lines else told.damage
    warnings = [told.damage] if told.damage else []
    return _page(told, f"capture {name}", verdict, (), well=told.well, warnings=warnings)


def write_page(path: str, content: Page) -> None:
    """Write a page to the file ``path``. Raises PxeBootError."""
    try:
        Path(path).write_bytes(page.render(content))
    except OSError as why:
        raise PxeBootError(f"cannot write {path}: {why.strerror}") from None


@contextmanager
def captured(settings: BootSettings) -> Iterator[BootSettings]:
    """Yield the settings with a capture for the page: that of --pcap, else one that goes with the boot."""
    if settings.pcap is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="pypxeboot-report-") as directory:
        yield settings.changed({}, {"pcap": str(Path(directory, "boot.pcap"))})


@contextmanager
def reported(settings: BootSettings) -> Iterator[tuple[BootSettings, Optional[BootReport]]]:
    """Yield the settings for a boot, and the report that is written when it ends; None without --report."""
    if settings.report is None:
        yield settings, None
        return
    with captured(settings) as settings:
        report = BootReport(
            str(settings.report), settings.name or settings.effective_mac or "", str(settings.pcap)
        )
        try:
            yield settings, report
        except BootFailed as why:
            report.write(why.error, why.failure.requests)
            raise
        except PxeBootError as why:
            report.write(why)
            raise
        report.write()
