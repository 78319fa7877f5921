"""A terminal as libxl makes it, whose reader comes late, goes, and comes again: it sees all there is."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from tests.support import terminal
from tests.support.ground import Site, wait_until
from tests.support.ground.servers import Offer
from tests.support.ground.simple import serve, tree
from tests.support.terminal import Screen

ITEMS = "LABEL a\n  MENU LABEL First\n  KERNEL vmlinuz\nLABEL b\n  MENU LABEL Second\n  KERNEL other\n"
MENU = "UI menu.c32\nMENU TITLE Machine room\n"
CHOOSE = (
    "#!ipxe\nmenu Machine room\nitem a First\nitem b Second\n"
    "choose{} it && goto ${{it}}\n:a\n:b\nkernel vmlinuz\nboot\n"
)
PROMPT = "#!ipxe\nprompt{} Press a key for more || exit 1\nkernel vmlinuz\nboot\n"
GRUB = (
    "# grub\nset timeout={}\nset timeout_style={}\nmenuentry First {{\n  linux /vmlinuz\n}}\n"
    "menuentry Second {{\n  linux /other\n}}\n"
)
CASES: dict[str, tuple[str, str]] = {
    "menu": (MENU + ITEMS, "Machine room"),
    "menu that counts down": (f"{MENU}TIMEOUT 6000\n{ITEMS}", "Machine room"),
    "menu that counts down twice": (f"{MENU}TIMEOUT 6000\nTOTALTIMEOUT 9000\n{ITEMS}", "Machine room"),
    "vesamenu that counts down": (
        f"{MENU}TIMEOUT 6000\n{ITEMS}".replace("menu.c32", "vesamenu.c32"),
        "Machine room",
    ),
    "hidden menu": (f"{MENU}MENU HIDDEN\nTIMEOUT 6000\n{ITEMS}", "Automatic boot in"),
    "boot:": ("PROMPT 1\nTIMEOUT 6000\nDEFAULT a\n" + ITEMS, "boot:"),
    "boot: for ever": ("PROMPT 1\nDEFAULT a\n" + ITEMS, "boot:"),
    "iPXE menu": (CHOOSE.format(""), "Machine room"),
    "iPXE menu that counts down": (CHOOSE.format(" --timeout 600000"), "Machine room"),
    "iPXE prompt": (PROMPT.format(""), "Press a key for more"),
    "iPXE prompt with an end": (PROMPT.format(" --timeout 600000"), "Press a key for more"),
    "GRUB menu": (GRUB.format(-1, "menu"), "First"),
    "GRUB menu that counts down": (GRUB.format(600, "menu"), "First"),
    "GRUB countdown": (GRUB.format(6000, "countdown"), "59"),
    "iPXE login": ("#!ipxe\nlogin\nkernel vmlinuz\nboot\n", "Username"),
}


LINES = {"hidden menu", "boot:", "boot: for ever", "iPXE prompt", "iPXE prompt with an end", "GRUB countdown"}
"""Those that are no pictures: the line with the cursor comes again, and nothing above it."""


def started(site: Site, config: str) -> Any:
    files = {**tree(config), "menu.c32": b"a module", "vesamenu.c32": b"a module"}
    if config.startswith("#!ipxe"):
        files["boot.ipxe"] = config.encode()
    if config.startswith("# grub"):
        files["grub/grub.cfg"], files["grub/grubx64.efi"] = config.encode(), b"a program for the firmware"
    kinds = {"boot.ipxe", "grub/grubx64.efi"} & files.keys() or {"pxelinux.0"}
    serve(site, files=files, offer=Offer(*kinds))
    return terminal.run(site)


def without_numbers(screen: Screen) -> list[str]:
    """What is on the screen, but for what counts down."""
    return [re.sub(r"[0-9]+", "N", line).rstrip() for line in screen.lines]


@pytest.mark.parametrize("case", CASES)
def test_who_comes_later_sees_all_of_it(site: Site, case: str) -> None:
    config, words = CASES[case]
    with started(site, config) as screen:
        screen.wait_for(words)
        time.sleep(0.5)
        whole = [line for line in without_numbers(screen) if line]
        for _ in range(3):
            screen.wipe()
            begun = time.monotonic()
            screen.wait_for(words, 10)
            assert time.monotonic() - begun < 5, "about one second on an idle machine"
            time.sleep(0.3)
            seen = [line for line in without_numbers(screen) if line]
            assert seen == (whole[-1:] if case in LINES else whole)
        sent = len(screen.received)
        time.sleep(3)
        assert len(screen.received) - sent < 15_000, "no more than a picture a second"


def test_a_countdown_is_a_whole_picture_every_second(site: Site) -> None:
    """Its numbers change every second: until now that alone was sent, and counted as the picture."""
    with started(site, CASES["menu that counts down"][0]) as screen:
        screen.wait_for("Machine room")
        before, begun = bytes(screen.received).count(b"Machine room"), time.monotonic()
        time.sleep(6)
        pictures = bytes(screen.received).count(b"Machine room") - before
        assert pictures >= 0.6 * (time.monotonic() - begun) - 1, pictures


def test_what_was_typed_so_far_is_there_too(site: Site) -> None:
    with started(site, CASES["boot:"][0]) as screen:
        screen.wait_for("boot:")
        screen.type("bx")
        screen.press("backspace")
        screen.type(" y=3")
        screen.press("left")
        wait_until(lambda: (screen.cursor or (0, 0))[1] == 10, 30, "the cursor on the 3")
        screen.wipe()
        screen.wait_for("boot: b y=3", 10)
        wait_until(lambda: screen.cursor == (0, 10), 30, "the cursor is there again")
        screen.press("enter")
        run = screen.finish()
        assert run.ok().result["label"] == "b" and "y=3" in run.result["cmdline"]


@pytest.mark.parametrize("size", [(80, 24), (132, 43)])
def test_a_terminal_that_knows_its_size_is_not_painted_again(site: Site, size: tuple[int, int]) -> None:
    config, words = CASES["menu that counts down"]
    serve(site, files={**tree(config), "menu.c32": b"a module"})
    with terminal.run(site, term="xterm", size=size, raw=False) as screen:
        screen.wait_for(words)
        time.sleep(0.5)
        count = bytes(screen.received).count(words.encode())
        time.sleep(3)
        assert bytes(screen.received).count(words.encode()) == count
