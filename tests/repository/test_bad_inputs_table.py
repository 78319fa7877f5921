"""The numbers that tests carry stand in the table of bad inputs."""

from __future__ import annotations

import re

from tests.support.ground import tools

TABLE = tools.DATA / "bad-inputs.md"
# test_38_bombs, test_8_15_names, test_row17_strangers; but test_32_bits_need_pae is of processors.
NAMED = re.compile(r"^def test_(?:row)?((?:[0-9]+_)+)(?!bits)", re.MULTILINE)
CASE = re.compile(r'^ +"([0-9]{1,2})-[a-z][a-z0-9-]*":', re.MULTILINE)


def numbers() -> set[int]:
    """Every number of a row of the table."""
    return {int(found) for found in re.findall(r"^\| ([0-9]+) \|", TABLE.read_text(), re.MULTILINE)}


def used() -> dict[int, str]:
    """The numbers in names of tests and cases, each with a file that uses it."""
    found = {}
    for path in sorted((tools.ROOT / "tests").rglob("*.py")):
        text = path.read_text()
        for match in NAMED.findall(text):
            found.update({int(number): path.name for number in match.split("_") if number})
        if "bad inputs" in text[:300]:
            found.update({int(number): path.name for number in CASE.findall(text)})
    return found


def test_every_number_has_a_row() -> None:
    assert {number: name for number, name in used().items() if number not in numbers()} == {}


def test_every_row_has_a_test() -> None:
    assert numbers() - set(used()) == set()
