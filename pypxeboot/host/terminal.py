"""Answer the client's requests to the terminal, which the host side has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional, Union

from pypxeboot.effects import Print, Show
from pypxeboot.limits import Deadline
from pypxeboot.picture import KeyPress, Terminal
from pypxeboot.plan import Plan
from pypxeboot.privsep import logs
from pypxeboot.privsep.channel import Channel
from pypxeboot.privsep.messages import Done, FoundTerminal
from pypxeboot.schema import unpack
from pypxeboot.terminal import console


class TerminalService:
    """The terminal of one boot; it is not touched before the client asks for it.

    ``check`` is called while a key is waited for, and ends the wait by what it raises.
    """

    def __init__(
        self, plan: Plan, channel: Channel, deadline: Deadline, check: Callable[[], object] = lambda: None
    ) -> None:
        self._plan, self._channel, self._deadline = plan, channel, deadline
        self._check = check
        self._console: Optional[console.Console] = None
        self._idle = 0.0  # seconds since the last key

    def answer(self, kind: str, value: object) -> bool:
        """Answer the client's request; False if it is not about the terminal. Raises Aborted, ValueError."""
        reply: Union[FoundTerminal, KeyPress, Done]
        if kind == "FindTerminal":
            reply = FoundTerminal(self._find())
        elif kind == "Show":
            reply = self._show(unpack(Show, value))
        elif kind == "Print":
            self._print(unpack(Print, value))
            reply = Done()
        elif kind == "Leave":
            self._leave()
            reply = Done()
        else:
            return False
        self._channel.send(reply)
        return True

    def heed_interrupts(self) -> None:
        """Raise Aborted if somebody ends the boot by Ctrl-C where the client made that a key like others."""
        if self._console is not None:
            self._console.heed_interrupts()

    def close(self) -> None:
        """Leave the terminal as it was found."""
        found, self._console = self._console, None
        try:
            if found is not None:
                found.close()
        finally:
            logs.release()

    def _find(self) -> Optional[Terminal]:
        if self._console is None and self._plan.may_ask:
            self._console = console.find()
        return None if self._console is None else self._console.terminal

    def _show(self, request: Show) -> KeyPress:
        if request.picture is not None:
            logs.hold()  # a line would stand in the picture
        seconds = request.seconds
        if not self._plan.interactive:  # whatever the client says, this program does not wait for ever
            left = max(self._plan.limits.longest_wait - self._idle, 0)
            seconds = left if seconds is None else min(seconds, left)
        pressed = self._require_console().show(
            request.picture,
            seconds,
            interrupt=request.interrupt,
            watched=self._channel.fileno(),
            check=self._check,
        )
        self._idle = self._idle + pressed.seconds if pressed.key in (None, "resize") else 0.0
        self._deadline.extend(pressed.seconds)
        return pressed

    def _print(self, request: Print) -> None:
        self._require_console().print(request.text)
        logs.release()

    def _leave(self) -> None:
        self._require_console().leave()
        logs.release()

    def _require_console(self) -> console.Console:
        """Return the console. Raises ValueError if the client was told that there is none."""
        if self._console is None:
            raise ValueError("a picture, and no terminal")
        return self._console
