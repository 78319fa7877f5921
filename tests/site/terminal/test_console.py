"""The terminal: what is painted on it, keys from it, and that it is left as it was found."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
from collections.abc import Iterator
from typing import Any, Optional

import pytest

from tests.support import asking_loader, terminal
from tests.support.ground import BRIDGE, MAC, Run, Site, wait_until
from tests.support.ground.simple import serve
from tests.support.terminal import Screen

XTERM: dict[str, Any] = {"term": "xterm-256color", "size": (80, 24), "raw": False}


@contextlib.contextmanager
def asked(site: Site, steps: str, *args: str, **how: Any) -> Iterator[Screen]:
    """A run whose loader goes through ``steps`` (see asking_loader.py)."""
    serve(site)
    with terminal.run(
        site, "--append", steps, *args, program=["-m", asking_loader.__name__], **how
    ) as screen:
        yield screen


def finished(screen: Screen) -> Run:
    """The result of a run that booted, and left the terminal as it was."""
    run = screen.finish()
    assert run.ok().result["label"] == "a"
    check_restored(screen)
    return run


def check_restored(screen: Screen) -> None:
    assert screen.modes() == screen.found
    assert screen.cursor is not None, "it is hidden"


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"log_on_terminal": True},
        {"raw": False, "log_on_terminal": True},
        XTERM,
        {**XTERM, "term": "linux", "log_on_terminal": True},
        {**XTERM, "term": "xterm", "locale": "C"},
        {**XTERM, "term": "vt220", "size": (132, 43)},
    ],
)
def test_keys_and_pictures(site: Site, how: dict[str, Any]) -> None:
    with asked(site, "keys;print good bye", **how) as screen:
        screen.wait_for("of {}x{}".format(*screen.size))
        assert screen.lines[0] == "=" * 40, "the top row, from its left edge"
        screen.press("up", "f10", "x", "é")
        utf8 = how.get("term", "vt").startswith(("xterm", "linux"))
        screen.wait_for("up f10 x é" if utf8 and "locale" not in how else "up f10 x e")
        assert screen.cursor == (1, len(screen.lines[1]))
        screen.press("escape")
        screen.wait_for("escape")
        screen.press("q")
        finished(screen)
        assert "good bye" in screen.text


@pytest.mark.parametrize(
    "term", ["dumb", None, "", "../x", "/etc/passwd", "x" * 300, "nobody-knows-me", "a\x1b[2J"]
)
def test_terminals_without_a_cursor_get_lines(site: Site, term: Optional[str]) -> None:
    with asked(site, "print one;print two;read 30", term=term) as screen:
        screen.wait_for("two")
        assert screen.lines[0] == "one"
        assert b"\x1b" not in screen.received
        # While a key is waited for Ctrl-C is one; before, it ends the boot.
        wait_until(lambda: not screen.modes()[3] & termios.ISIG, 30, "the wait for a key")
        screen.press("ctrl-c")
        screen.wait_for("read ctrl-c")
        assert "dumb=True" in finished(screen).stderr


def test_a_pty_of_no_size_is_painted_again_for_who_attaches_later(site: Site) -> None:
    with asked(site, "keys") as screen:
        screen.wait_for("of 80x24")
        screen.wipe()
        screen.wait_for("of 80x24", 10)
        screen.press("q")
        finished(screen)


def test_ctrl_l_paints_all_of_it_again(site: Site) -> None:
    with asked(site, "keys", **XTERM) as screen:
        screen.wait_for("of 80x24")
        screen.wipe()
        screen.press("ctrl-l")
        screen.wait_for("=" * 40)
        screen.press("q")
        finished(screen)


def test_a_resize(site: Site) -> None:
    with asked(site, "keys", **XTERM) as screen:
        screen.wait_for("of 80x24")
        screen.resize(40, 10)
        screen.wait_for("now 40")
        screen.press("q")
        finished(screen)


def test_ctrl_c_ends_the_boot(site: Site) -> None:
    for raw in (True, False):
        with asked(site, "keys", raw=raw) as screen:
            screen.wait_for("of 80x24")
            screen.press("ctrl-c")
            run = screen.finish()
            assert run.rc == 8, str(run)
            check_restored(screen)
    site.assert_nothing_left(within=10)


def test_ctrl_c_while_no_key_is_waited_for(site: Site) -> None:
    with asked(site, "print here;sleep 60") as screen:
        screen.wait_for("here")
        screen.press("ctrl-c")
        run = screen.finish(30)
        assert run.rc == 8, str(run)
        check_restored(screen)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals(site: Site, number: signal.Signals) -> None:
    with asked(site, "keys", **XTERM) as screen:
        screen.wait_for("of 80x24")
        screen.process.send_signal(number)
        assert screen.finish().rc == 8
        check_restored(screen)
    site.assert_nothing_left(within=10)


def test_a_client_that_is_killed(site: Site) -> None:
    with asked(site, "keys") as screen:
        screen.wait_for("of 80x24")
        (client,) = site.run_pids() - {screen.process.pid}
        os.kill(client, signal.SIGKILL)
        run = screen.finish(20)
        assert run.rc == 1 and "ended without a result" in run.stderr, str(run)
        check_restored(screen)
    site.assert_nothing_left(within=10)


def test_waiting_for_a_person_does_not_count(site: Site) -> None:
    """Nine seconds of a boot that must be done in eight."""
    with asked(site, "read 9", "--timeout", "8") as screen:
        run = finished(screen)
        assert run.seconds > 9
        seconds = run.result["seconds"]
        assert seconds["total"] > 9 > 8 > seconds["config"], "nor is it the servers' time"


def test_an_error(site: Site) -> None:
    with asked(site, "show one;sleep 1000") as screen:
        screen.wait_for("one")
        screen.press("x")
        run = screen.finish()
        assert run.rc == 6 and "a sleep of 1000 s" in run.stderr, str(run)
        check_restored(screen)


def test_a_terminal_that_hangs_up(site: Site) -> None:
    with asked(site, "keys") as screen:
        screen.wait_for("of 80x24")
        screen.hang_up()
        assert screen.finish(20).rc == 8
    site.assert_nothing_left(within=10)


def test_a_flood_of_keys(site: Site) -> None:
    with asked(site, "keys") as screen:
        screen.wait_for("of 80x24")
        for _ in range(20):
            screen.send(b"\x1b[A\x00\xffx\x1b[9;9;" * 50)

        def ended() -> bool:
            screen.send(b"q")  # one that comes while others wait is lost
            return screen.process.poll() is not None

        wait_until(ended, 60, "the end")
        finished(screen)


def test_log_lines_stay(site: Site) -> None:
    """Those before, between and behind pictures, on a terminal with a screen beside and on one without."""
    for how in ({}, XTERM):
        with asked(site, "show one;log between;show two", log_on_terminal=True, **how) as screen:
            screen.wait_for("one")
            assert "pypxeboot" not in screen.text, "a line in the picture"
            screen.press("x")
            screen.wait_for("two")
            assert "pypxeboot" not in screen.text and "one" not in screen.text
            screen.press("y")
            finished(screen)
            log = screen.received.decode()
            order = [log.index(text) for text in ("the terminal:", "one", "key x", "between", "two", "key y")]
            assert order == sorted(order)
            lines = [line for line in log.splitlines(keepends=True) if "pypxeboot: " in line]
            assert all(line.endswith("\r\n") for line in lines)


def test_text_of_strangers_cannot_steer_the_terminal(site: Site) -> None:
    hostile = "a\x1b[2Jb\x07\u202ec\x9bd"
    with asked(site, f"show {hostile};print {hostile};log {hostile}", log_on_terminal=True) as screen:
        screen.wait_for(r"a\x1b[2Jb\x07\u202ec\x9bd")
        screen.press("x")
        finished(screen)
        assert screen.text.count(r"a\x1b[2Jb\x07\u202ec\x9bd") == 3, "picture, line, log"
        assert not set(b"\x07\x9b") & set(screen.received) and b"\x1b[2J" not in screen.received


def test_looks(site: Site) -> None:
    for term, blue in (("linux", "blue"), ("vt100", "default")):
        with asked(site, "blink title", term=term, size=(80, 24)) as screen:
            screen.wait_for("title")
            look = screen.look(1, 0)
            assert (look.bold, look.bg) == (True, blue)
            assert not screen.look(0, 0).bold
            screen.press("x")
            finished(screen)


@pytest.mark.parametrize("words", [["-q"], ["--label", "b"], ["-l"]])
def test_nobody_is_asked(site: Site, words: list[str]) -> None:
    with asked(site, "keys", *words) as screen:
        screen.finish().ok()
        assert screen.received == b""


def test_no_terminal(site: Site) -> None:
    serve(site)
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    closed = ["bash", "-c", '"$0" "$@" <&-']
    for words, before, warned in (
        (["-i"], [], True),
        (["-i"], closed, True),
        ([], [], False),
        (["-i", "--label", "b"], [], False),
    ):
        run = site.pypxeboot(*base, *words, before=before, program=["-m", asking_loader.__name__])
        assert run.ok().result["label"] == "a"
        assert any("not a terminal of this job" in warning for warning in run.result["warnings"]) == warned


def test_a_job_in_the_background_has_no_terminal(site: Site) -> None:
    """To touch it would stop the job."""
    job = ["bash", "-mc", '"$0" "$@" & wait $!']
    with asked(site, "keys", before=job, raw=False) as screen:
        assert "the terminal: None" in screen.finish(30).ok().stderr
        assert screen.received == b""
