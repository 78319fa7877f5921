"""A person boots from menus that real servers serve: on a pty, and in a real terminal multiplexer."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import terminal
from tests.support.ground import BRIDGE, MAC, UUID, Site, tools, wait_until
from tests.support.ground.simple import serve, tree

MENU = """\
UI menu.c32
MENU TITLE Machine room
LABEL disk
  MENU LABEL ^Local disk
  LOCALBOOT 0
LABEL first
  MENU LABEL ^First system
  KERNEL vmlinuz
  APPEND x=1
LABEL second
  MENU LABEL S^econd system
  KERNEL other
  APPEND y=2
"""


@dataclass
class Tmux:
    """A tmux of its own, with a shell in a window of 80x24."""

    socket: str

    def run(self, *words: str) -> str:
        """A command of tmux, and what it prints."""
        argv = [tools.need("tmux"), "-S", self.socket, *words]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout

    def screen(self) -> str:
        """What stands on the screen."""
        return self.run("capture-pane", "-p")

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names."""
        self.run("send-keys", *keys)

    def wait_for(self, text: str, seconds: float = 30) -> str:
        """The screen, once ``text`` is on it."""
        wait_until(lambda: text in self.screen(), seconds, f"{text} in\n{self.screen()}")
        return self.screen()


@pytest.fixture
def tmux(short_tmp: Path) -> Iterator[Tmux]:
    built = Tmux(str(short_tmp / "tmux"))
    env = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    argv = [tools.need("tmux"), "-f", "/dev/null", "-u", "-S", built.socket]
    shell = ["env", "PS1=shell: ", "bash", "--norc"]
    subprocess.run([*argv, "new-session", "-d", "-x", "80", "-y", "24", *shell], env=env, check=True)
    built.wait_for("shell:")
    try:
        yield built
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            built.run("kill-server")


def command(site: Site, *words: str) -> str:
    """The words of a run for a shell; its result goes to a file."""
    argv = [
        "ip", "netns", "exec", site.hyp, "env", f"PYTHONPATH={tools.ROOT}", sys.executable, "-m", "pypxeboot",
        "--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out),
        "--output", str(site.directory / "result"), *words,
    ]  # fmt: skip
    script = site.directory / "run"
    script.write_text(" ".join(argv) + "\n")
    return f"bash {script}"


def test_a_menu_on_the_console_of_a_xen_guest(site: Site) -> None:
    """As libxl runs a bootloader: everything on one raw pty of no size, to which "xl console" comes late."""
    serve(site, files={**tree(MENU), "menu.c32": b"a module"})
    output = site.directory / "bootloader.7.out"
    libxl = [f"--output={output}", "--output-format=simple0", f"--output-directory={site.out}"]
    screen = terminal.Screen(libxl, (0, 0), raw=True)
    ends = {**screen.popen(), "stdout": screen.slave, "stderr": screen.slave}
    words = [*libxl, "--uuid", UUID, "--guest-type", "pvh", f"mac={MAC},bridge={BRIDGE}", "/dev/null"]
    screen.process = site.start(*words, env={"TERM": "vt100"}, **ends)
    try:
        screen.wait_for("Machine room")
        screen.wipe()
        screen.wait_for("Machine room", 10)
        assert "pypxeboot" not in screen.text and screen.lines[0].strip() == "+" + "-" * 58 + "+"
        screen.press("e")
        wait_until(lambda: screen.look(5, 12).reverse, 30, "the bar on the entry of that hotkey")
        screen.press("enter")
        assert screen.process.wait(30) == 0, screen.text
        screen.wait_for("handed over as simple0")
        assert output.read_text().startswith("kernel ") and "y=2" in output.read_text()
        lines = bytes(screen.received).rpartition(b"\x1b[J")[2].split(b"\r\n")
        assert len(lines) > 3 and all(line.startswith(b"pypxeboot: ") for line in lines[:-1]), lines
        assert screen.modes() == screen.found
    finally:
        screen.process.kill()
        screen.process.wait()
        screen.close()


def test_a_menu_that_waits_for_ever_is_not_waited_for_without_i(site: Site) -> None:
    serve(site, files={**tree(MENU.replace("LOCALBOOT 0", "KERNEL vmlinuz")), "menu.c32": b"a module"})
    with terminal.run(site, "--menu-timeout", "2") as screen:
        screen.wait_for("Machine room")
        run = screen.finish()
        assert run.ok().result["reason"] == "waits-forever"
        assert screen.modes() == screen.found


def test_a_menu_in_tmux(site: Site, tmux: Tmux) -> None:
    serve(site, files={**tree(MENU), "menu.c32": b"a module"})
    tmux.run("send-keys", "-l", command(site, "-i", "-v"))
    tmux.keys("Enter")
    screen = tmux.wait_for("Machine room")
    lines = screen.split("\n")
    assert lines[0].strip() == "┌" + "─" * 58 + "┐", screen
    assert "Press [Tab] to edit options" in lines[17]
    assert "pypxeboot:" not in screen, "the log's lines are on the other screen"
    tmux.keys("Down", "Down", "Tab")
    tmux.wait_for("> other y=2")
    tmux.keys("-l", " single")
    tmux.wait_for("y=2 single")
    tmux.keys("Enter")
    screen = tmux.wait_for("handed over as json")
    assert "Machine room" not in screen, "the shell's screen is back, with the log"
    result = json.loads((site.directory / "result").read_text())
    assert (result["label"], result["reason"]) == ("second", "chosen")
    assert result["cmdline"].split()[1:] == ["y=2", "single"]
    tmux.keys("-l", "echo typed")
    tmux.wait_for("shell: echo typed")
    tmux.keys("Enter")
    tmux.wait_for("\ntyped")
