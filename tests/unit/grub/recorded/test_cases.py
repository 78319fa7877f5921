"""The recorded boots of a real GRUB, replayed against the pure loader from a dict of files."""

from __future__ import annotations

import pytest

from tests.support.recorded import boots, grub_cases
from tests.support.recorded.boots import Case

CASES = [case for case in boots.cases() if case.loader == "grub"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_boots_what_the_real_one_booted(case: Case) -> None:
    got, replay = grub_cases.run(case)
    found = grub_cases.difference(case, got, replay)
    if case.name in grub_cases.DIFFERENCES:
        assert found, f"no longer a difference: {grub_cases.DIFFERENCES[case.name]}"
    else:
        assert found is None, f"{found}\n{replay.log}\n{replay.printed}"


def test_it_asks_for_what_the_real_one_asked_for() -> None:
    """The same files in the same order, each once: the real one asks for its configuration twice."""
    for case in CASES:
        if case.name in grub_cases.DIFFERENCES or not case.raw["observed"]["requests"]:
            continue
        _, replay = grub_cases.run(case)
        real = [
            path
            for protocol, _, path, result in case.raw["observed"]["requests"]
            if "no answer" not in result
        ]
        asked = [url.split("/", 3)[3] for url in replay.asked]
        wanted = list(dict.fromkeys(path.lstrip("/") for path in real))
        assert list(dict.fromkeys(path.lstrip("/") for path in asked)) == wanted, case.name
