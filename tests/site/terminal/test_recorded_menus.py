"""Menus and prompts on a real terminal: the recorded boots with keys, pressed on a pty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support import terminal
from tests.support.ground import Site
from tests.support.ground.simple import serve, tree
from tests.support.recorded import boots as oracle
from tests.support.recorded.boots import Case
from tests.support.recorded.replayer import TIMEOUT, Replayer

CONFIG = "pxelinux.cfg/default"
KEYED = [case for case in oracle.cases() if case.keys and not case.more and CONFIG in case.files]

XTERM: dict[str, Any] = {"term": "xterm-256color", "size": (100, 30), "raw": False}
DUMB: dict[str, Any] = {"term": "dumb", "size": (80, 24), "raw": False}

THEN = {"k4_menu_esc": "boot:", "k6_passwd": "Password required", "corpus-label-behind-config": "disk0"}
"""What is on the screen before the second group of keys."""


@pytest.fixture(scope="module")
def replayer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayer]:
    with ExitStack() as stack:
        yield Replayer(tmp_path_factory.mktemp("menus"), stack)


def groups(case: Case) -> list[list[str]]:
    """The keys, in the groups in which they were pressed."""
    found = []
    for _, keys in case.raw["keys"]:
        found.append([oracle.KEYS.get(key, key) for key in (keys.split() if isinstance(keys, str) else keys)])
    return found


def first_sight(case: Case) -> str:
    """What the screen shows before anything is pressed."""
    config = case.files[CONFIG].decode()
    if "MENU HIDDEN" in config:
        return "Automatic boot in"
    menu = any(b"UI menu.c32" in data for data in case.files.values())  # or in what CONFIG leads to
    return "Press [Tab] to edit" if menu else "boot:"


@pytest.mark.parametrize("case", KEYED, ids=lambda case: case.name)
def test_recorded_keys(replayer: Replayer, case: Case) -> None:
    site = replayer.site(case.server)
    try:
        replayer.serve(case, site)
        words = ["--mac", case.mac, "--uuid", case.uuid, "--timeout", str(TIMEOUT), "--interactive"]
        with terminal.run(site, *words) as screen:
            screen.wait_for(first_sight(case))
            for number, keys in enumerate(groups(case)):
                if number:
                    screen.wait_for(THEN[case.name])
                screen.press(*keys)
            if not case.expected.booted:
                if "down" in case.presses:  # the cursor moved, and TIMEOUT counts no more
                    screen.wait_gone("Automatic boot")
                else:
                    screen.wait_for("'d': tftp://")
                screen.press("ctrl-c")
                assert screen.finish().rc == 8
                return
            result = screen.finish().ok().result
        assert result["reason"] == "chosen"
        assert result["kernel"]["url"].rpartition("/")[2] == case.expected.kernel
        assert result["cmdline"] == case.expected.cmdline
    finally:
        site.stop_servers()


MENU = """
    UI menu.c32
    MENU TITLE Things to boot
    F1 help.txt
    LABEL a
      MENU LABEL ^Alpha
      KERNEL vmlinuz
      APPEND n=a
    LABEL gone
      MENU LABEL ^Gone
      KERNEL nowhere
    MENU BEGIN
      MENU TITLE Deeper
      MENU PASSWD $6$ab$4grB5uzwk7M8ckX.kDWP2PcOp/.vWwqDPeujXiiPxbTQBEch381wPU7G6M8BB.GJvTEauXdiTW9UF2ksUssvC/
      LABEL b
        MENU LABEL ^Beta
        KERNEL other
        APPEND n=b
    MENU END
    """


def files(config: str) -> dict[str, bytes]:
    found = tree(config)
    found["help.txt"] = b"\x0c\x0f1fAlpha\x0f07 is the first\r\n"
    return found


@pytest.mark.parametrize("how", [{}, XTERM], ids=["libxl", "xterm"])
def test_submenus_passwords_help_and_editing(site: Site, how: dict[str, Any]) -> None:
    serve(site, files=files(MENU))
    with terminal.run(site, "-i", **how) as screen:
        screen.wait_for("Things to boot")
        screen.press("f1")
        screen.wait_for("Alpha is the first")
        screen.press("x", "g", "enter")
        screen.wait_for("nowhere")
        screen.press("end", "enter")
        screen.wait_for("Password required")
        screen.type("wrong")
        screen.press("enter")
        screen.wait_gone("Password required")
        screen.press("enter")
        screen.wait_for("Password required")
        screen.type("geheim")
        screen.press("enter")
        screen.wait_for("Beta")
        screen.press("tab")
        screen.wait_for("> other n=b")
        screen.type("b more")
        screen.press("enter")
        result = screen.finish().ok().result
    assert (result["label"], result["cmdline"], result["reason"]) == (
        "b",
        "BOOT_IMAGE=other n=bb more",
        "chosen",
    )


def test_a_terminal_that_can_only_print(site: Site) -> None:
    serve(site, files=files(MENU))
    with terminal.run(site, "-i", **DUMB) as screen:
        screen.wait_for("Choose")
        screen.type("3")
        screen.press("enter")
        screen.wait_for("Password required")
        screen.type("geheim")
        screen.press("enter")
        screen.wait_for("Beta")
        screen.type("b x=1")
        screen.press("enter")
        result = screen.finish().ok().result
        assert b"\x1b" not in screen.received and b"geheim" not in screen.received
    assert (result["label"], result["cmdline"]) == ("b", "BOOT_IMAGE=other n=b x=1")


def test_nobody_at_the_terminal(site: Site) -> None:
    serve(site, files=files(MENU))
    with terminal.run(site, "--menu-timeout", "1") as screen:
        result = screen.finish().ok().result
    assert (result["label"], result["reason"]) == ("a", "waits-forever")
    with terminal.run(site, "-q") as screen:
        assert screen.finish().ok().result["label"] == "a"
        assert "Things" not in screen.text


def test_a_flood_of_keys(site: Site) -> None:
    serve(site, files=files(MENU))
    with terminal.run(site, "-i") as screen:
        screen.wait_for("Things to boot")
        for _ in range(4):
            screen.send(b"z\x1b[B\x1b[A\x1b[999;999Z\xff" * 50)
        screen.press("home", "enter")
        assert screen.finish().ok().result["label"] == "a"
