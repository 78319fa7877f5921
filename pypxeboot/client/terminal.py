"""Performs the effects that concern the terminal, which the host side has, and those of time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Optional, Protocol

from pypxeboot.dataclass import replace
from pypxeboot.effects import Effect, FindTerminal, Log, Print, Show, Sleep
from pypxeboot.errors import FetchError
from pypxeboot.limits import Deadline
from pypxeboot.picture import KeyPress, Terminal
from pypxeboot.plan import Plan
from pypxeboot.text import printable

log = logging.getLogger(__name__)

_PIECE = 8192  # characters of a text for the terminal in one message
_LONGEST_WAIT = 1e8  # seconds, three years: numbers that a configuration may have do not fit in a message
_LONGEST_LINE = 4096  # of a text that goes to the log: what is beyond is another line


class HostTerminal(Protocol):
    """The terminal as the client has it: by way of the host side."""

    def find_terminal(self) -> Optional[Terminal]:
        """Return what the terminal can do; None if there is none, or if nobody may choose."""

    def show(self, effect: Show) -> KeyPress:
        """Paint a picture, and wait for a key."""

    def print(self, effect: Print) -> None:
        """Write text below what is there."""

    def leave(self) -> None:
        """Take the picture away: lines follow."""


class TerminalEffects:
    """The handlers of the effects FindTerminal, Show, Print and Sleep, for one driver."""

    def __init__(
        self, plan: Plan, host: HostTerminal, deadline: Deadline, warn: Callable[[str], None]
    ) -> None:
        self._plan, self._host, self._deadline, self._warn = plan, host, deadline, warn
        self._there = self._picture_up = self._warned = False
        self._line = ""
        self.handlers: dict[type, Callable[[Any], object]] = {
            FindTerminal: self._find_terminal,
            Show: self._show,
            Print: self._print,
            Sleep: self._sleep,
        }

    def before(self, effect: Effect) -> None:
        """Take the picture away if ``effect`` may write to the log: its lines would stand in the picture."""
        silent = isinstance(effect, (FindTerminal, Show, Sleep)) or (
            isinstance(effect, Log) and not effect.warning and not log.isEnabledFor(logging.INFO)
        )
        if self._picture_up and not silent:
            self._picture_up = False
            self._host.leave()

    def _find_terminal(self, _effect: FindTerminal) -> Optional[Terminal]:
        terminal = self._host.find_terminal()
        if terminal is None and self._plan.interactive and self._plan.may_ask and not self._warned:
            self._warned = True
            self._warn("nobody can be asked: standard input is not a terminal of this job")
        self._there = terminal is not None
        return terminal

    def _show(self, effect: Show) -> KeyPress:
        self._picture_up = self._picture_up or effect.picture is not None
        if effect.seconds is not None:
            effect = replace(effect, seconds=min(effect.seconds, _LONGEST_WAIT))
        pressed = self._host.show(effect)
        self._deadline.extend(pressed.seconds)
        return pressed

    def _print(self, effect: Print) -> None:
        if self._there:
            for at in range(0, len(effect.text), _PIECE):
                self._host.print(Print(effect.text[at : at + _PIECE]))
            return
        *lines, self._line = (self._line + effect.text).split("\n")
        if len(self._line) > _LONGEST_LINE:
            lines, self._line = [*lines, self._line], ""
        for line in lines:
            log.info("%s", printable(line, _LONGEST_LINE))

    def _sleep(self, effect: Sleep) -> None:
        if time.monotonic() + effect.seconds > self._deadline.at:
            raise FetchError(
                f"not done after {self._plan.limits.timeout:.0f} s: a sleep of {effect.seconds:.0f} s is due",
                hint=self._plan.limits.longer,
            )
        time.sleep(effect.seconds)
