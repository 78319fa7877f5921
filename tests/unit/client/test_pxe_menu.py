"""The prompt and the menu of a PXE server, by keys and by time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import pytest

from pypxeboot.client import pxe_menu
from pypxeboot.dhcp import pxe_options
from pypxeboot.dhcp.pxe_options import Services
from pypxeboot.errors import Aborted
from pypxeboot.picture import Terminal
from tests.support.peers.dhcp import option
from tests.support.recorded.replay import TERMINAL, Press, Replay

MENU = option(9, b"\x80\0\5Linux" + b"\x80\1\5Other" + b"\0\0\4Disk")


def served(prompt: Optional[bytes]) -> Services:
    return pxe_options.services(MENU + (b"" if prompt is None else option(10, prompt)))


def chosen(
    prompt: Optional[bytes],
    keys: Sequence[Press] = (),
    *,
    terminal: Optional[Terminal] = TERMINAL,
    label: Optional[str] = None,
    patience: Optional[float] = 60,
) -> tuple[str, Replay]:
    replay = Replay(lambda location: None, terminal=terminal, keys=keys)
    return replay.drive(pxe_menu.choose(served(prompt), label, patience)).text, replay


@pytest.mark.parametrize("prompt", [None, b"\0now"])
def test_nobody_is_asked_where_the_server_does_not_want_it(prompt: Optional[bytes]) -> None:
    text, replay = chosen(prompt, ["down", "enter"])
    assert text == "Linux" and not replay.pictures


@pytest.mark.parametrize("prompt", [b"\5go", b"\xffgo"])
def test_nobody_is_there(prompt: bytes) -> None:
    text, replay = chosen(prompt, terminal=None)
    assert text == "Linux" and "nobody chooses" in replay.log[0] and "'Disk'" in replay.log[0]


def test_prompt_counts_down_and_takes_the_first() -> None:
    text, replay = chosen(b"\x03Press F8", [10.0])
    assert text == "Linux" and replay.waited == 3
    assert replay.printed.startswith("Press F8") and "(3)" in replay.printed and "(1)" in replay.printed


def test_f8_leads_to_the_menu_and_other_keys_do_not() -> None:
    assert chosen(b"\x05Press F8", [1.0, "f8", "down", "enter"])[0] == "Other"
    assert chosen(b"\x05Press F8", [1.0, "x", "down", "enter"])[0] == "Linux"
    assert chosen(b"\x05Press F8", [Terminal(40, 12), "f8", "end", "enter"])[0] == "Disk"


@pytest.mark.parametrize("key", ["escape", "ctrl-c"])
def test_given_up_at_the_prompt_or_in_the_menu(key: str) -> None:
    for prompt in (b"\x05go", b"\xffgo"):
        with pytest.raises(Aborted):
            chosen(prompt, [key])


def test_menu_that_waits_for_ever_waits_as_long_as_there_is_patience() -> None:
    text, replay = chosen(b"\xffChoose", [1000.0], patience=60)
    assert text == "Linux" and replay.waited == 60 and "nobody chooses" in replay.log[0]
    assert chosen(b"\xffChoose", ["down", 1000.0], patience=60)[0] == "Other", "where the cursor was left"


def test_terminal_whose_cursor_cannot_be_moved() -> None:
    text, replay = chosen(b"\xffChoose", ["2", "enter"], terminal=Terminal(dumb=True))
    assert text == "Other" and "3. Disk" in replay.printed
    text, replay = chosen(b"\x03go", [5.0], terminal=Terminal(dumb=True))
    assert text == "Linux" and "\b" not in replay.printed


def test_label_of_an_item() -> None:
    assert chosen(b"\xffChoose", label="Disk")[0] == "Disk"
    assert chosen(None, label="Other")[0] == "Other"
