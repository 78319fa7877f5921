"""The list of entries as a table for a person."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from pypxeboot.entry import Action
from pypxeboot.output.entry_table import EntryTable
from pypxeboot.result import ListedEntry
from tests.support.samples.results import listed


def table(entries: Sequence[ListedEntry], width: Optional[int] = None) -> str:
    """The table of entries that come in pieces, after a try that came to nothing."""
    made = EntryTable(width)
    made.add(entries)
    made.clear()
    for at in range(0, len(entries), 2):
        made.add(entries[at : at + 2])
    return made.render().decode()


def test_table_of_entries() -> None:
    text = table(
        [listed("a", "Alpha", default=True), listed("b\x1b[2J", "B\n\u202eevil"), listed("disk", kernel=None)]
    )
    lines = text.splitlines()
    assert len(lines) == 4 and all(line.isprintable() for line in lines)
    assert (
        lines[1].startswith("* 1") and re.search(r"\ba +Alpha +tftp:", lines[1]) and "tftp://s/k" in lines[1]
    )
    assert "localboot" in lines[3] and not lines[2].startswith("*")
    assert table([])


def test_table_cut_to_a_terminal() -> None:
    long = replace(listed("a", "A title that is quite long"), menu=("More", "Even more"), cmdline="x" * 300)
    whole = table([long, listed("b", "b")])
    assert "More > Even more > A title that is quite long" in whole and "x" * 300 in whole
    for width in (1, 3, 20, 80, 1000):
        lines = table([long, listed("b", "b")], width).splitlines()
        assert len(lines) == 3 and all(len(line) <= width for line in lines)
    assert table([long], 80).splitlines()[1].endswith("...")


def test_table_of_what_is_no_kernel() -> None:
    multiboot = replace(
        listed("x"), initrds=(), modules=("tftp://s/vmlinuz root=x", "tftp://s/i"), dtb="tftp://s/t"
    )
    chained = replace(listed("c", kernel=None), action=Action.BOOT, meaning="menu more.cfg")
    text = table([multiboot, chained, replace(listed("off", kernel=None), action=Action.POWEROFF)])
    assert "tftp://s/k; module tftp://s/vmlinuz root=x; module tftp://s/i; dtb tftp://s/t; a=b" in text
    assert re.search("c +menu more.cfg", text) and re.search("off +poweroff", text) and "TITLE" not in text
