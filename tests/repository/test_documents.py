"""What the pages of the project name is there."""

from __future__ import annotations

import re

import pytest

from tests.support.ground import tools

PAGES = sorted(
    str(path.relative_to(tools.ROOT))
    for path in [
        *tools.ROOT.glob("*.md"),
        *tools.ROOT.glob("docs/**/*.md"),
        *tools.ROOT.glob("tests/**/*.md"),
    ]
)
# `client/pipeline.py`: below the package; `scripts/test`, `tests/data`: below the checkout.
NAMED = re.compile(
    r"`((?:pypxeboot|tests|scripts|docs|packaging|man|patches|completions)/[\w./-]+|[\w/]+/\w+\.py)`"
)
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page: str) -> None:
    text = (tools.ROOT / page).read_text()
    names = (name for name in NAMED.findall(text) if "NAME" not in name)  # NAME: of what is to be added
    wrong = [name for name in names if not _is_there(page, name)]
    assert not wrong


def _is_there(page: str, name: str) -> bool:
    places = (tools.ROOT, tools.ROOT / "pypxeboot", (tools.ROOT / page).parent)
    return any((place / name).exists() for place in places)


def test_what_a_lost_client_can_do_is_played() -> None:
    """Each row of the table names a test that is there."""
    rows = [line for line in (tools.ROOT / "docs/SECURITY.md").read_text().splitlines() if "::" in line]
    named = [re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row) for row in rows]
    assert len(rows) > 15 and all(len(found) == 1 for found in named)
    for ((path, name),) in named:
        assert f"def {name}(" in (tools.ROOT / path).read_text(), f"{path}::{name}"


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (tools.ROOT / page).read_text()
    assert not [name for name in LINK.findall(text) if not ((tools.ROOT / page).parent / name).exists()]
