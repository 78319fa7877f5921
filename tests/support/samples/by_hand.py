"""An address that a person types."""

from __future__ import annotations

from typing import Optional

from pypxeboot.client import by_hand
from pypxeboot.lease import Lease
from tests.support.recorded.replay import TERMINAL, Replay


def typed(*lines: str) -> Replay:
    """Somebody who types these lines."""
    keys = [key for line in lines for key in (("escape",) if line == "ESC" else (*line, "enter"))]
    return Replay(lambda location: None, terminal=TERMINAL, keys=keys)


def lease(*lines: str) -> tuple[Optional[Lease], str]:
    replay = typed(*lines)
    return replay.drive(by_hand.lease("no DHCP offer")), replay.printed
