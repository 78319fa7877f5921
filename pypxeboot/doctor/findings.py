"""The findings of ``pypxeboot doctor``, what to do about them, and the verdict: as text and as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from enum import Enum
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import PxeBootError
from pypxeboot.schema import pack
from pypxeboot.text import printable

SCHEMA = 1
_TOPIC_WIDTH = 9  # of the longest topic
_NARROW = 60  # columns; folding in fewer helps nobody


class Level(str, Enum):
    """How bad a finding is: a failure ends the boot, a warning may."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class OfferReport:
    """One answer of a DHCP server (or a proxyDHCP server) to a DISCOVER, as text for the report.

    ``seconds`` is how long it took. ``address`` has its prefix length, and is empty in a proxy's answer.
    ``refused`` says why no client would take it, ``remarks`` what is odd in it.
    """

    server: str
    seconds: float
    address: str
    bootfile: str
    next_server: str
    config_file: str  # option 209
    path_prefix: str  # option 210
    vendor_class: str  # option 60
    menu: str  # the items of a PXE menu (option 43)
    proxy: bool = False
    refused: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """The result of one check: ``hint`` says what to do, ``code`` is the exit code of a failure."""

    level: Level
    topic: str
    text: str
    hint: str = ""
    code: int = 0
    offer: Optional[OfferReport] = None


def ok(topic: str, text: str, offer: Optional[OfferReport] = None) -> Finding:
    """Make the finding that nothing is wrong."""
    return Finding(Level.OK, topic, text, offer=offer)


def warn(topic: str, text: str, hint: str, offer: Optional[OfferReport] = None) -> Finding:
    """Make the finding of something wrong that need not keep the guest from booting."""
    return Finding(Level.WARN, topic, text, hint, offer=offer)


def fail(topic: str, error: PxeBootError) -> Finding:
    """Make the finding of an error that ends the boot."""
    return Finding(Level.FAIL, topic, error.message, error.hint or "", error.code)


def format_line(finding: Finding, width: Optional[int] = None) -> str:
    """Format a finding as text, its hint on a line of its own; folded at ``width`` columns, if given."""
    head = f"{finding.level.value.upper():4}  {printable(finding.topic, 40):{_TOPIC_WIDTH}}  "
    indent = " " * len(head)
    lines = _fold(head, printable(finding.text, 2000), indent, width)
    if finding.hint:
        lines += _fold(f"{indent}-> ", printable(finding.hint, 2000), f"{indent}   ", width)
    return "".join(f"{text}\n" for text in lines)


def _fold(head: str, text: str, indent: str, width: Optional[int]) -> list[str]:
    if width is None or width < _NARROW:
        return [head + text]
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return the exit code: that of the first failure, else 0."""
    return next((finding.code for finding in findings if finding.level is Level.FAIL), 0)


def verdict(findings: Sequence[Finding]) -> str:
    """Return the last line of the report: the first failure, else the number of warnings."""
    failed = next((finding for finding in findings if finding.level is Level.FAIL), None)
    if failed is not None:
        return f"it fails at {printable(failed.topic, 40)}: {printable(failed.text, 2000)}"
    count = sum(finding.level is Level.WARN for finding in findings)
    if count:
        return f"it boots, with {count} warning{'s' if count > 1 else ''}"
    return "all is well"


def json_document(findings: Sequence[Finding], last: Optional[str] = None) -> bytes:
    """Return the report for programs, as JSON; a finding's hint has the key ``mend``.

    ``last`` is the verdict where it is not that of a boot.
    """
    value = {
        "schema": SCHEMA,
        "code": exit_code(findings),
        "verdict": verdict(findings) if last is None else last,
        "findings": [
            {"mend" if key == "hint" else key: item for key, item in pack(finding).items()}
            for finding in findings
        ],
    }
    return json.dumps(value, indent=1).encode() + b"\n"
