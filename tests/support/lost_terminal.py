"""A lost client (``lost_client``) at a terminal.

python -m tests.support.lost_terminal SCENARIO [ARGUMENT OF PYPXEBOOT ...]
"""

from __future__ import annotations

import time
from typing import Any, Optional

from tests.support import lost_client, lost_scenarios
from tests.support.lost_client import Lost
from tests.support.lost_scenarios import Scenario, scenario

WITHOUT_CTRL_C: dict[str, tuple[Scenario, str]] = {}
"""Clients that want Ctrl-C to be a key, and do nothing when it comes."""
PROMPT = "root password:"


def show(lost: Lost, seconds: Optional[float]) -> Any:
    """Have the prompt shown, and wait for a key; the answer."""
    rows = [{"spans": [{"text": PROMPT, "style": ""}]}]
    picture = {"rows": rows, "cursor_row": 0, "cursor_column": len(PROMPT)}
    return lost.ask("Show", picture=picture, seconds=seconds, interrupt=False)


@scenario(WITHOUT_CTRL_C)
def keys_without_end(lost: Lost) -> None:
    lost.ask("FindTerminal")
    while True:
        show(lost, None)


@scenario(WITHOUT_CTRL_C)
def pictures_without_end(lost: Lost) -> None:
    lost.ask("FindTerminal")
    while True:
        show(lost, 0)


@scenario(WITHOUT_CTRL_C)
def one_picture_and_silence(lost: Lost) -> None:
    lost.ask("FindTerminal")
    show(lost, 0)
    time.sleep(600)


@scenario(WITHOUT_CTRL_C)
def one_picture_and_requests_without_end(lost: Lost) -> None:
    lost.ask("FindTerminal")
    show(lost, 0)
    while True:
        lost.ask("FindTerminal")


if __name__ == "__main__":
    lost_scenarios.SCENARIOS.update(WITHOUT_CTRL_C)
    lost_client.main()
