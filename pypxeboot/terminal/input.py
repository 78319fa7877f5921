"""The user at the terminal as a source of keys, and how long a key is waited for."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.effects import Show, Steps
from pypxeboot.picture import KeyPress, Picture, Terminal


class WaitEnded(Enum):
    """Why a wait ended without a key: a timeout of the configuration, or ``patience`` where it has none."""

    TIMEOUT = "timeout"
    PATIENCE = "patience"


@dataclass
class Clock:
    """The timeouts of a configuration, in seconds; None is for ever.

    ``timeout`` (TIMEOUT) begins again with every key, until it is cancelled; ``left`` is what is left of it.
    ``total`` (TOTALTIMEOUT) is what is left of the time for the whole menu, whatever is pressed.
    """

    timeout: Optional[float] = None
    total: Optional[float] = None
    left: Optional[float] = None

    def __post_init__(self) -> None:
        self.left = self.timeout

    def cancel(self) -> None:
        """Have TIMEOUT count no more."""
        self.timeout = self.left = None

    def stop(self) -> None:
        """Have neither TIMEOUT nor TOTALTIMEOUT count any more."""
        self.cancel()
        self.total = None

    @property
    def runs(self) -> bool:
        """Whether the wait will end by itself."""
        return self.left is not None or self.total is not None


def nothing() -> Optional[Picture]:
    """Return no picture: what is on the screen stays."""
    return None


@dataclass
class User:
    """The user at ``terminal``, if there is one: libxl has a terminal for every guest.

    ``patience`` is how many seconds may pass without a key where a configuration waits for ever; None: no
    bound. ``present`` is whether a key was pressed.
    """

    terminal: Terminal
    patience: Optional[float] = None
    present: bool = False
    _failed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Whoever asked for a wait without a bound (-i) is there.
        self.present = self.present or self.patience is None

    def key(
        self, clock: Clock, paint: Callable[[], Optional[Picture]] = nothing
    ) -> Steps[Union[str, WaitEnded]]:
        """Wait for the next key, and meanwhile show what ``paint`` returns, painted anew every second.

        Reply: the key, by a name of :class:`~pypxeboot.picture.KeyPress`, or why the wait ended.
        """
        waited = 0.0
        while True:
            limits = [clock.left, clock.total]
            if clock.left is not None:
                limits.append(1.0)
            if not clock.runs and self.patience is not None:
                limits.append(self.patience - waited)
            seconds = min((limit for limit in limits if limit is not None), default=None)
            seconds = None if seconds is None else max(0.0, seconds)
            reply: KeyPress = yield Show(paint(), seconds)
            self.terminal = reply.terminal
            passed = reply.seconds
            if reply.key is None:
                passed = max(passed, seconds or 0.0)
            waited += passed
            over = self._wait_ended(clock, passed, waited)
            if reply.key is not None and reply.key != "resize":
                if clock.total is not None and clock.total <= 0:
                    return WaitEnded.TIMEOUT  # "totaltimeout" is over even if a key comes just then
                self.present = True
                self._failed.clear()
                clock.left = clock.timeout
                return reply.key
            if reply.key is None and seconds is None:
                return WaitEnded.PATIENCE  # nobody will come: that wait had no end
            if over is not None:
                return over

    def _wait_ended(self, clock: Clock, passed: float, waited: float) -> Optional[WaitEnded]:
        """Let ``passed`` seconds pass on the clock; return why the wait is over, None if it is not."""
        if clock.total is not None:
            clock.total -= passed
        if clock.left is not None:
            clock.left -= passed
        if clock.runs:
            return (
                WaitEnded.TIMEOUT if min(t for t in (clock.left, clock.total) if t is not None) <= 0 else None
            )
        return WaitEnded.PATIENCE if self.patience is not None and waited >= self.patience else None

    def gives_up(self, command: str, *, more: bool = False) -> bool:
        """Whether the failure of ``command`` ends the boot.

        It does where no key was ever pressed and there is no ``more`` to try, and where ``command`` fails for
        the second time without a key in between. The real loader would go on for ever.
        """
        if command in self._failed or not (self.present or more):
            return True
        self._failed.add(command)
        return False
