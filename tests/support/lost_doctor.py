"""A lost client (``lost_client``) that is to tell a doctor what it finds.

python -m tests.support.lost_doctor SCENARIO doctor [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

from typing import Any

from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_scenarios import Scenario, scenario

FINDINGS: dict[str, tuple[Scenario, str]] = {}
"""What it tells, and what is said of it."""
ESCAPES = "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\u202e\r\nOK all is well"


def find(lost: Lost, **changes: Any) -> None:
    """A finding, with changes; it has no answer."""
    values = {"level": "ok", "topic": "boot", "text": "x", "hint": "", "code": 0, "offer": None}
    lost.say("Finding", **{**values, **changes})


@scenario(FINDINGS, "the client process ended without a result")
def escapes(lost: Lost) -> None:
    find(lost, topic=ESCAPES, text=ESCAPES, hint=ESCAPES)
    find(lost, level="warn", topic=ESCAPES, text=ESCAPES, hint=ESCAPES)
    lost.end.close()


@scenario(FINDINGS, "broke its contract: a finding")
def findings_without_end(lost: Lost) -> None:
    while True:
        find(lost, text="y" * 60_000, hint="z" * 60_000)


@scenario(FINDINGS, "broke its contract: a finding")
def exit_code_of_its_own(lost: Lost) -> None:
    find(lost, level="fail", code=77)


@scenario(FINDINGS, "broke its contract: a finding")
def failure_without_a_code(lost: Lost) -> None:
    find(lost, level="fail")


@scenario(FINDINGS, "not exactly the keys")
def finding_with_a_path(lost: Lost) -> None:
    find(lost, path="/etc/shadow")


if __name__ == "__main__":
    lost_scenarios.SCENARIOS.update(FINDINGS)
    lost_client.main()
