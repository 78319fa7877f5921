"""What of the terminal's effects the client answers itself, and how it asks the host side for the rest."""

from __future__ import annotations

from typing import Optional

import pytest

from pypxeboot.client.terminal import TerminalEffects
from pypxeboot.effects import Print, Show
from pypxeboot.limits import Deadline
from pypxeboot.picture import KeyPress, Picture, Terminal
from pypxeboot.plan import Plan
from pypxeboot.schema import pack
from tests.support.recorded.replay import GUEST


class Desk:
    """The host side's terminal, which takes what the schema takes."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def find_terminal(self) -> Optional[Terminal]:
        return Terminal()

    def show(self, effect: Show) -> KeyPress:
        self.asked.append(pack(effect))
        return KeyPress("enter", 1.5, Terminal())

    def print(self, effect: Print) -> None:
        self.asked.append(pack(effect))

    def leave(self) -> None:
        self.asked.append("leave")


@pytest.mark.parametrize("seconds", [None, 0.0, 5.0, 1e17, 1e300])
def test_a_wait_of_any_length_can_be_asked_for(seconds: Optional[float]) -> None:
    """As of TOTALTIMEOUT 999999999999999999."""
    desk, deadline = Desk(), Deadline(10.0)
    effects = TerminalEffects(Plan(GUEST), desk, deadline, lambda _text: None)
    pressed = effects.handlers[Show](Show(Picture(()), seconds))
    assert isinstance(pressed, KeyPress) and pressed.key == "enter"
    (asked,) = desk.asked
    assert isinstance(asked, dict) and asked["seconds"] in (seconds, 1e8)
    assert (deadline.at, deadline.waited) == (11.5, 1.5)
