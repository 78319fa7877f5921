"""What the host side lets a client do with the terminal."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from pypxeboot.effects import FindTerminal, Print, Show
from pypxeboot.errors import Aborted
from pypxeboot.host.terminal import TerminalService
from pypxeboot.limits import Deadline, Limits
from pypxeboot.picture import Picture, Row, Span
from pypxeboot.plan import Plan
from pypxeboot.privsep.channel import Channel
from pypxeboot.privsep.messages import Leave
from pypxeboot.schema import SchemaError, pack
from pypxeboot.terminal import console
from tests.support.recorded.replay import GUEST
from tests.support.terminal import Terminal

HOSTILE = Picture((Row((Span("\x1b]0;owned\x07 \x9b2J 日" * 1000, "1m\x1b[2J"),) * 100),) * 300, 10**9, 10**9)


class Desk(NamedTuple):
    """The host side's answers, the client's end, and the terminal between the two and a person."""

    answers: TerminalService
    client: Channel
    terminal: Terminal
    deadline: Deadline

    def ask(self, request: Any) -> Any:
        """The host side's reply to the client, as JSON values."""
        assert self.answers.answer(type(request).__name__, pack(request))
        return self.client.receive()[1]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield from desks(monkeypatch, Plan(GUEST, limits=Limits(longest_wait=0.4)))


def opened(terminal: Terminal) -> int:
    """A descriptor as :func:`console.find` has them."""
    return os.open(os.ttyname(terminal.slave), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)


def desks(monkeypatch: pytest.MonkeyPatch, plan: Plan) -> Iterator[Desk]:
    """A desk; whatever was done there, the terminal is left as it was."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    terminal = Terminal()
    before = terminal.modes()
    monkeypatch.setattr(console, "find", lambda: console.Console(opened(terminal), "vt100", utf8=False))
    deadline = Deadline(100.0)
    answers = TerminalService(plan, Channel(ours), deadline)
    yield Desk(answers, Channel(theirs), terminal, deadline)
    answers.close()
    assert terminal.modes() == before
    terminal.close()
    ours.close()
    theirs.close()


def test_what_a_client_may_not_do(desk: Desk) -> None:
    for request in (Show(None, 0.0), Print("x"), Leave()):
        with pytest.raises(ValueError, match="no terminal"):
            desk.ask(request)
    desk.ask(FindTerminal())
    for value in ({}, {"picture": None, "seconds": -1, "interrupt": True}, {"picture": 1}):
        with pytest.raises(SchemaError):
            desk.answers.answer("Show", value)
    assert not desk.answers.answer("ConfigureInterface", {})
    assert bytes(desk.terminal.received) == b""


@pytest.mark.slow
def test_hostile_pictures_and_lines(desk: Desk) -> None:
    desk.ask(FindTerminal())
    desk.ask(Show(HOSTILE, 0.0))
    desk.ask(Print("\x1b[2J\x9b\u202e\r\x07" * 100 + "\b" * 100 + "\n"))
    desk.ask(Show(Picture(()), 0.0))
    desk.ask(Leave())
    desk.terminal.wait_gone("owned")
    sent = bytes(desk.terminal.received)
    assert not {b for b in sent if b < 0x20} - set(b"\x1b\r\n\b\x0f"), "no more than a VT100 needs"
    assert b"\x1b]" not in sent and b"\x1b[2J" not in sent
    assert len(sent) < 40000, "some screens full"


def test_a_wait_without_end_ends_unless_somebody_said_so(desk: Desk) -> None:
    """The limit of this desk is 0.4 s without a key."""
    desk.ask(FindTerminal())
    before = desk.deadline.at
    waits = [desk.ask(Show(None))["seconds"] for _ in range(3)]
    assert 0.35 < sum(waits) < 5 and waits[1] < 0.2 and waits[2] < 0.2
    assert desk.deadline.at == pytest.approx(before + sum(waits))
    desk.terminal.press("a")
    assert desk.ask(Show(None))["key"] == "a"
    assert desk.ask(Show(None, 9.0))["seconds"] > 0.2, "with a key the time begins again"


def test_the_wait_is_over_when_the_client_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    for desk in desks(monkeypatch, Plan(GUEST, interactive=True)):
        desk.ask(FindTerminal())
        desk.client.send(Leave())  # it speaks while it should wait, and gets no answer yet
        assert desk.ask(Show(Picture(()), None))["key"] is None


def test_keys_typed_ahead_and_ctrl_c(desk: Desk) -> None:
    desk.ask(FindTerminal())
    desk.ask(Show(None, 0.0))  # from here on keys are not lines
    desk.terminal.press("a", "up", "b")
    assert [desk.ask(Show(None, 5.0))["key"] for _ in range(3)] == ["a", "up", "b"]
    desk.ask(Show(None, 0.0, interrupt=False))
    desk.terminal.press("ctrl-c")
    assert desk.ask(Show(None, 5.0, interrupt=False))["key"] == "ctrl-c"
    desk.terminal.press("ctrl-c")
    assert desk.ask(Show(None, 5.0, interrupt=False))["key"] == "ctrl-c"
    desk.terminal.press("ctrl-c")
    with pytest.raises(Aborted):
        desk.ask(Show(None, 5.0, interrupt=False))


def test_ctrl_c_that_is_a_key_is_none_when_it_comes_slowly(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_PRESSES_SECONDS", 0.2)
    desk.ask(FindTerminal())
    for _ in range(6):
        desk.ask(Show(None, 0.0, interrupt=False))
        desk.terminal.press("ctrl-c")
        time.sleep(0.15)
        desk.answers.heed_interrupts()
        assert desk.ask(Show(None, 5.0, interrupt=False))["key"] == "ctrl-c"
    desk.terminal.press("ctrl-c", "ctrl-c", "ctrl-c")
    with pytest.raises(Aborted):
        desk.answers.heed_interrupts()


@pytest.mark.slow
def test_a_terminal_that_takes_nothing_holds_nobody_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_STUCK", 0.1)
    desk.ask(FindTerminal())
    desk.terminal.hold()
    for number in range(40):
        desk.ask(Show(Picture(tuple(Row((Span(f"{number} {row}" * 20),)) for row in range(24))), 0.0))
    desk.terminal.go_on()
    desk.ask(Show(Picture((Row((Span("at last"),)),)), 0.0))
    desk.terminal.wait_for("at last")
