"""How much work a piece of pure code does, counted instead of timed: the same on every machine."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Callable, Optional


def lines(work: Callable[[], object]) -> int:
    """How many lines of Python ``work`` runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


@contextmanager
def bounded(seconds: float = 20.0) -> Iterator[None]:
    """End what takes more than ``seconds`` of this process's own time, as what never ends by itself does.

    So much is many times what the work takes: only what grows without bound comes to it.
    """

    def give_up(_number: int, _frame: Optional[FrameType]) -> None:
        raise AssertionError(f"this takes more than {seconds:.0f} s of the processor")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
