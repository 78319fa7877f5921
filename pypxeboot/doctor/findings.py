"""What ``pypxeboot doctor`` finds: one line each, the mend below it where one is needed, and a verdict."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Optional

from pypxeboot.errors import PxeBootError
from pypxeboot.schema import pack
from pypxeboot.text import printable

SCHEMA = 1
_TOPIC_WIDTH = 9  # of the longest topic
_NARROW = 60  # columns; folding in fewer helps nobody


class Level(str, Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class HeardOffer:
    """One answer to a DISCOVER, as text.

    ``seconds`` is how long it took, ``address`` has its prefix length and is empty in a proxy's; ``refused``
    says why no client would take it.
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


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``mend`` says what to do, ``code`` is the exit code of a failure."""

    level: Level
    topic: str
    text: str
    mend: str = ""
    code: int = 0
    offer: Optional[HeardOffer] = None


def ok(topic: str, text: str, offer: Optional[HeardOffer] = None) -> Finding:
    """Nothing wrong."""
    return Finding(Level.OK, topic, text, offer=offer)


def warn(topic: str, text: str, mend: str, offer: Optional[HeardOffer] = None) -> Finding:
    """It may work all the same."""
    return Finding(Level.WARN, topic, text, mend, offer=offer)


def fail(topic: str, error: PxeBootError) -> Finding:
    """What ends a boot."""
    return Finding(Level.FAIL, topic, error.message, error.hint or "", error.code)


def line(finding: Finding, width: Optional[int] = None) -> str:
    """A finding for a person, its mend on a line of its own; folded at ``width`` columns, if given."""
    head = f"{finding.level.value.upper():4}  {printable(finding.topic, 40):{_TOPIC_WIDTH}}  "
    indent = " " * len(head)
    lines = _folded(head, printable(finding.text, 2000), indent, width)
    if finding.mend:
        lines += _folded(f"{indent}-> ", printable(finding.mend, 2000), f"{indent}   ", width)
    return "".join(f"{text}\n" for text in lines)


def _folded(head: str, text: str, indent: str, width: Optional[int]) -> list[str]:
    if width is None or width < _NARROW:
        return [head + text]
    return textwrap.wrap(text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False)


def code_of(findings: Sequence[Finding]) -> int:
    """The exit code: that of the first failure."""
    return next((finding.code for finding in findings if finding.level is Level.FAIL), 0)


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    failed = next((finding for finding in findings if finding.level is Level.FAIL), None)
    if failed is not None:
        return f"it fails at {printable(failed.topic, 40)}: {printable(failed.text, 2000)}"
    count = sum(finding.level is Level.WARN for finding in findings)
    if count:
        return f"it boots, with {count} warning{'s' if count > 1 else ''}"
    return "all is well"


def document(findings: Sequence[Finding]) -> bytes:
    """The same for programs, as JSON."""
    value = {
        "schema": SCHEMA,
        "code": code_of(findings),
        "verdict": verdict(findings),
        "findings": pack(tuple(findings)),
    }
    return json.dumps(value, indent=1).encode() + b"\n"
