"""The blocks of the documents, found by sybil: those of Markdown, and of the EXAMPLES of manual pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from sybil import Document, Region
from sybil.example import Example

from tests.support.ground import tools

PAGES = [
    *sorted(tools.ROOT.glob("README.md")),
    *(page for page in sorted((tools.ROOT / "docs").glob("*.md")) if page.name != "ARCHITECTURE.md"),
    *sorted((tools.ROOT / "man").iterdir()),
]
"""What users read. ARCHITECTURE and the recipes are for who changes the code, and have tests of their own."""

NOT_RUN = "Not run by the tests: "
"""How a page marks the block above: the reason follows."""

# A block begins behind an empty line, at the left margin or in a list, and has four blanks before each line.
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)(?:(?: {4}.*)?\n(?= {4}|\n {4})| {4}.*\n)*")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXAMPLES = re.compile(r"^\.SH EXAMPLES?\n(.*?)(?=^\.SH|\Z)", re.MULTILINE | re.DOTALL)
_FILLED = re.compile(r"^\.nf\n(.*?)^\.fi$", re.MULTILINE | re.DOTALL)


def _evaluate(example: Example) -> None:
    example.namespace["run"](example.parsed)


def _markdown(document: Document) -> Iterable[Region]:
    text = document.text
    for found in _INDENTED.finditer(text):
        yield Region(
            found.start(),
            found.end(),
            re.sub("^ {4}", "", found[0], flags=re.MULTILINE).strip("\n"),
            _evaluate,
        )
    for found in _FENCED.finditer(text):
        yield Region(found.start(), found.end(), found[2].strip("\n"), _evaluate)


def _manual(document: Document) -> Iterable[Region]:
    for section in _EXAMPLES.finditer(document.text):
        for found in _FILLED.finditer(section[1]):
            lines = [line for line in found[1].split("\n") if not line.startswith(".")]
            plain = "\n".join(lines).replace("\\-", "-").replace("\\e", "\\").strip("\n")
            start = section.start(1) + found.start()
            yield Region(start, start + len(found[0]), plain, _evaluate)


def blocks(page: Path) -> Iterator[Example]:
    """The blocks of a page; ``example.namespace["run"]`` is what runs one."""
    parser = _markdown if page.suffix == ".md" else _manual
    yield from Document.parse(str(page), parser).examples()


def is_marked(page: Path, example: Example) -> bool:
    """Whether the page says, in the words right behind the block, that it is not run."""
    text = page.read_text("utf-8")[example.region.end :]
    return text.lstrip().removeprefix(".PP\n").startswith(NOT_RUN)
