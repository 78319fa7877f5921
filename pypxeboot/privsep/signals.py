"""Signals as exceptions, and what a boot leaves when it fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Optional

from pypxeboot.errors import Aborted, PxeBootError, SignalReceived
from pypxeboot.privsep.fork import SIGNALS
from pypxeboot.result import Failure


class BootFailed(Exception):
    """The client's failure, with the story of its requests; ``error`` says what and why."""

    def __init__(self, error: PxeBootError, failure: Failure) -> None:
        super().__init__(error.message)
        self.error, self.failure = error, failure


@contextmanager
def signals_raise(*, last: bool = True) -> Iterator[None]:
    """SIGTERM, SIGHUP and SIGINT unwind everything within this block, which then raises Aborted.

    When it has succeeded, and is the ``last`` of what this process does, they are ignored: the result stands,
    and a late signal must not say otherwise.
    """

    def abort(number: int, _frame: Optional[FrameType]) -> None:
        for other in SIGNALS:  # once: the unwinding must not be interrupted
            signal.signal(other, signal.SIG_IGN)
        raise SignalReceived(signal.Signals(number).name)

    before = {number: signal.signal(number, abort) for number in SIGNALS}
    try:
        yield
    except BaseException as why:
        for number, handler in before.items():
            signal.signal(number, handler)
        if isinstance(why, SignalReceived):
            raise Aborted(f"ended by {why}") from None
        raise
    for number, handler in before.items():
        signal.signal(number, signal.SIG_IGN if last else handler)
