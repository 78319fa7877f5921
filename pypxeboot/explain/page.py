"""One self-contained page about a boot: verdict, waterfall, story, what was read, and what came of it.

It needs no script and loads nothing; what a network said is text in it. Pictures are SVG whose numbers are
attributes, so that one style sheet, known by its digest, is all that the page's own policy lets through.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from enum import Enum
from html import escape

from pypxeboot.dataclass import dataclass
from pypxeboot.explain.waterfall import Bar, BarEnd, Phase, lanes
from pypxeboot.text import printable


class LineMark(str, Enum):
    """What a line of a configuration was: COUNTED for what booted, SKIPPED because it means nothing."""

    PLAIN = "plain"
    COUNTED = "counted"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class MarkedLine:
    """A line of a configuration file, and what it was; ``why`` says more of one that was skipped."""

    text: str
    mark: LineMark
    why: str = ""


@dataclass(frozen=True)
class ConfigurationFile:
    """A configuration file that was read: its name, and its lines."""

    name: str
    lines: tuple[MarkedLine, ...]


@dataclass(frozen=True)
class Page:
    """What a page tells. ``facts`` are keys and values, ``story`` is the timeline, line by line."""

    title: str
    verdict: str
    well: bool
    bars: Sequence[Bar]
    story: Sequence[str]
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    files: Sequence[ConfigurationFile] = ()


_STYLE = """
:root{color-scheme:light dark;--text:#1b1f24;--dim:#5b6470;--back:#fff;--panel:#f4f6f8;--line:#d5dae0;
--good:#1a7f37;--bad:#c62828;--warn:#9a6700;--blocked:#c9ced6;--dns:#0f8b8d;--connect:#d97706;--wait:#8fb4e8;
--receive:#2f6fd0;--again:#c62828}
@media (prefers-color-scheme:dark){:root{--text:#e6e9ed;--dim:#9aa4b0;--back:#14171b;--panel:#1d2127;
--line:#343b44;--good:#57c26b;--bad:#ff7b72;--warn:#e3b341;--blocked:#4a525d;--dns:#3fb8ba;--connect:#f0a04b;
--wait:#35557f;--receive:#6ea8ff;--again:#ff7b72}}
*{box-sizing:border-box}body{margin:0 auto;max-width:76rem;padding:1.5rem;background:var(--back);
color:var(--text);font:15px/1.5 system-ui,sans-serif}h1{font-size:1.15rem;margin:0;color:var(--dim);
font-weight:500}h2{font-size:1.05rem;margin:2rem 0 .6rem}
.verdict{margin:.5rem 0 1.2rem;padding:.8rem 1rem;border-left:.4rem solid var(--bad);background:var(--panel);
font-size:1.1rem;overflow-wrap:anywhere}.verdict.good{border-color:var(--good)}
svg{display:block;width:100%;height:auto;background:var(--panel);border:1px solid var(--line)}
svg text{font:11px ui-monospace,monospace;fill:var(--text)}svg .host{font-weight:700}
svg .axis{fill:var(--dim)}svg .grid{stroke:var(--line)}svg .failed{fill:var(--bad)}
svg .missing{fill:var(--dim)}
.blocked{fill:var(--blocked)}.dns{fill:var(--dns)}.connect{fill:var(--connect)}.wait{fill:var(--wait)}
.receive{fill:var(--receive)}.again{stroke:var(--again);stroke-width:2}
table{border-collapse:collapse;width:100%}td{padding:.25rem .6rem;border-top:1px solid var(--line);
vertical-align:top;overflow-wrap:anywhere}td:first-child{color:var(--dim);white-space:nowrap;width:1%}
pre{background:var(--panel);border:1px solid var(--line);padding:.7rem;
white-space:pre-wrap;overflow-wrap:anywhere;
font:13px/1.45 ui-monospace,monospace;margin:0}.counted{font-weight:700}
.skipped{color:var(--bad);text-decoration:line-through}.why,.plain{color:var(--dim)}.warning{color:var(--warn)}
li{overflow-wrap:anywhere}
""".strip()
_WIDTH, _ROW, _TOP, _SIDE = 1000, 18, 44, 12  # of the picture
_GLYPH = 6.7  # width of a character of its text
_LONGEST = 90  # characters of a label
_STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def render(page: Page) -> bytes:
    """Return the page as HTML in UTF-8."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        f"<title>{_text(page.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
        f"<h1>{_text(page.title)}</h1>\n",
        f'<p class="verdict{" good" if page.well else ""}">{_text(page.verdict, 4000)}</p>\n',
        *_facts(page.facts),
        *_warnings(page.warnings),
        "<h2>Waterfall</h2>\n",
        *_waterfall(page.bars),
        *_files(page.files),
        "<h2>What was asked and answered</h2>\n<pre>",
        "\n".join(_text(line, 4000) for line in page.story),
        "</pre>\n</body>\n</html>\n",
    ]
    return "".join(parts).encode("utf-8", "replace")


def _text(text: str, limit: int = 400) -> str:
    return escape(printable(text, limit))


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[str]:
    if facts:
        yield "<table>\n"
        for key, value in facts:
            yield f"<tr><td>{_text(key)}</td><td>{_text(value, 8192)}</td></tr>\n"
        yield "</table>\n"


def _warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield "<h2>Warnings</h2>\n<ul>\n"
        yield from (f'<li class="warning">{_text(warning, 4000)}</li>\n' for warning in warnings)
        yield "</ul>\n"


def _files(files: Sequence[ConfigurationFile]) -> Iterator[str]:
    for file in files:
        yield f"<h2>Configuration {_text(file.name)}</h2>\n<pre>"
        for number, line in enumerate(file.lines, 1):
            why = f'  <span class="why">{_text(line.why)}</span>' if line.why else ""
            yield f'{number:4}  <span class="{line.mark.value}">{_text(line.text, 4096)}</span>{why}\n'
        yield "</pre>\n"


# ---- the picture


def _waterfall(bars: Sequence[Bar]) -> Iterator[str]:
    if not bars:
        yield "<p>Nothing was asked.</p>\n"
        return
    found = lanes(bars)
    height = _TOP + _ROW * (len(found) + sum(map(len, found.values()))) + _SIDE
    last = max(max(bar.end for bar in bars), 0.001)
    scale = (_WIDTH - 2 * _SIDE) / last
    yield f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="waterfall of the boot">\n'
    yield from _legend()
    yield from _axis(last, scale, height)
    y = _TOP
    for host, own in found.items():
        yield f'<text class="host" x="{_SIDE}" y="{y + 13}">{_text(host, 80)}</text>\n'
        y += _ROW
        for bar in own:
            yield from _bar(bar, y, scale)
            y += _ROW
    yield "</svg>\n"


def _legend() -> Iterator[str]:
    x = float(_SIDE)
    for phase in Phase:
        yield f'<rect class="{phase.value}" x="{x:.1f}" y="8" width="10" height="10"/>'
        yield f'<text x="{x + 14:.1f}" y="17">{phase.value}</text>\n'
        x += 14 + _GLYPH * len(phase.value) + 16
    yield f'<line class="again" x1="{x:.1f}" y1="7" x2="{x:.1f}" y2="19"/>'
    yield f'<text x="{x + 6:.1f}" y="17">sent again</text>\n'


def _axis(last: float, scale: float, height: int) -> Iterator[str]:
    step = next((step for step in _STEPS if last / step <= 10), last / 10)  # a capture may say any time
    for index in range(int(last / step) + 1):
        x = _SIDE + index * step * scale
        anchor = "end" if x > _WIDTH - 60 else "start"
        yield f'<line class="grid" x1="{x:.1f}" y1="{_TOP - 16}" x2="{x:.1f}" y2="{height - 4}"/>'
        text = f"{index * step:g} s"
        yield f'<text class="axis" x="{x + (2 if anchor == "start" else -2):.1f}" y="{_TOP - 6}"'
        yield f' text-anchor="{anchor}">{text}</text>\n'


def _bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    """Draw a bar with its label behind it; before it, or over it, where there is no room behind."""
    yield f"<g><title>{_text(bar.detail or bar.name, 1000)}</title>"
    for span in bar.spans:
        x, width = _SIDE + span.start * scale, max((span.end - span.start) * scale, 1.5)
        yield f'<rect class="{span.phase.value}" x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="12"/>'
    for when in bar.again:
        x = _SIDE + when * scale
        yield f'<line class="again" x1="{x:.1f}" y1="{y + 1}" x2="{x:.1f}" y2="{y + 17}"/>'
    label = _label(bar)
    width = _GLYPH * len(label)
    start, end = _SIDE + bar.start * scale, _SIDE + bar.end * scale
    if end + 6 + width <= _WIDTH:
        x, anchor = end + 6, "start"
    elif start - 6 - width >= 0:
        x, anchor = start - 6, "end"
    else:
        x, anchor = float(_WIDTH - _SIDE), "end"
    kind = "" if bar.outcome is BarEnd.OK else f' class="{bar.outcome.value}"'
    yield f'<text{kind} x="{x:.1f}" y="{y + 13}" text-anchor="{anchor}">{escape(label)}</text></g>\n'


def _label(bar: Bar) -> str:
    name = printable(bar.name, 300)
    name = name if len(name) <= _LONGEST else f"...{name[3 - _LONGEST :]}"
    seconds = bar.end - bar.start
    took = f"{seconds:.2f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"
    how = {BarEnd.OK: took, BarEnd.MISSING: "not there", BarEnd.FAILED: f"failed, {took}"}[bar.outcome]
    rate = bar.detail.partition("(")[2].partition(")")[0] if "/s)" in bar.detail else ""
    return f"{name}  {how}{f', {rate}' if rate else ''}"
