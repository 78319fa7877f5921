"""A lost client (``lost_client``) that tells of a list of entries what the real one would not.

python -m tests.support.lost_lists SCENARIO [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

from typing import Any

from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_scenarios import Scenario, scenario

LISTS: dict[str, tuple[Scenario, str]] = {}
"""Lists that break the contract: what the client does, and what is said of it."""


def columns(count: int, **changes: Any) -> dict[str, Any]:
    """So many entries of nothing, with changes."""
    value: dict[str, Any] = {name: [""] * count for name in ("label", "title", "cmdline", "meaning")}
    value.update({name: [[]] * count for name in ("initrds", "modules", "menu")})
    value.update({name: [None] * count for name in ("kernel", "dtb")})
    return {**value, "action": ["boot"] * count, "default": [False] * count, **changes}


@scenario(LISTS, "columns of different lengths")
def one_title_too_few(lost: Lost) -> None:
    lost.say("Entries", **columns(3, title=["", ""]))


@scenario(LISTS, "columns of different lengths")
def no_labels(lost: Lost) -> None:
    lost.say("Entries", **columns(3, label=[]))


@scenario(LISTS, "Entries.label[]: no str")
def a_label_that_is_a_list(lost: Lost) -> None:
    lost.say("Entries", **columns(3, label=["", ["x"], ""]))


@scenario(LISTS, "Entries.initrds[][]: no str")
def an_initrd_that_is_a_number(lost: Lost) -> None:
    lost.say("Entries", **columns(2, initrds=[["x"], [1]]))


@scenario(LISTS, "Entries.menu[]: no list")
def a_path_that_is_text(lost: Lost) -> None:
    lost.say("Entries", **columns(2, menu=["ab", "cd"]))


@scenario(LISTS, "Entries.cmdline[]: no str within the limits")
def a_command_line_that_is_too_long(lost: Lost) -> None:
    lost.say("Entries", **columns(2, cmdline=["", "x" * 65_537]))


@scenario(LISTS, "not exactly the keys")
def a_path_for_each(lost: Lost) -> None:
    lost.say("Entries", **columns(1), path=["/etc/shadow"])


@scenario(LISTS, "more entries than may be listed")
def entries_without_end(lost: Lost) -> None:
    while True:
        lost.say("Entries", **columns(1000))


@scenario(LISTS, "more entries than may be listed")
def bytes_without_end(lost: Lost) -> None:
    while True:
        lost.say("Entries", **columns(50, cmdline=["x" * 65_536] * 50))


if __name__ == "__main__":
    lost_scenarios.SCENARIOS.update(LISTS)
    lost_client.main()
