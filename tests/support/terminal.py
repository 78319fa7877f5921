"""pypxeboot on a terminal: a pty, a terminal emulator (pyte) that shows what is on it, and keys.

    with terminal.run(site, "-i", term="vt100") as screen:
        screen.wait_for("boot:")
        screen.press("down", "enter")
        run = screen.finish()

As it stands the terminal is the one that libxl gives its bootloaders: a raw pty of 0x0 cells, TERM=vt100.
"""  # fmt: skip

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from typing import Any, Optional

import pyte

from tests.support.ground import BRIDGE, MAC, Run, Site, wait_until

KEYS = {
    "enter": b"\r", "tab": b"\t", "escape": b"\x1b", "backspace": b"\x7f", "delete": b"\x1b[3~",
    "insert": b"\x1b[2~", "up": b"\x1b[A", "down": b"\x1b[B", "right": b"\x1b[C", "left": b"\x1b[D",
    "home": b"\x1b[1~", "end": b"\x1b[4~", "page-up": b"\x1b[5~", "page-down": b"\x1b[6~",
    **{f"f{n}": b"\x1bO" + b"PQRS"[n - 1 : n] for n in range(1, 5)},
    **{f"f{n}": b"\x1b[%d~" % code for n, code in zip(range(5, 13), (15, 17, 18, 19, 20, 21, 23, 24))},
    **{f"ctrl-{letter}": bytes([ord(letter) - 0x60]) for letter in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip


class Terminal:
    """A pty with an emulator behind it, apart from what runs there."""

    def __init__(self, size: tuple[int, int] = (0, 0), *, raw: bool = True) -> None:
        self.size = (size[0] or 80, size[1] or 24)
        self._master, self.slave = pty.openpty()
        if raw:
            tty.setraw(self.slave)
        self.resize(*size)
        self._screen = pyte.Screen(*self.size)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._stop, self._stopped = os.pipe()
        self.received = bytearray()
        """Everything that was sent to the terminal, as it was sent."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._stop not in (ready := select.select([self._master, self._stop], [], [])[0]):
            try:
                data = os.read(self._master, 65536) if ready else b""
            except OSError:
                return
            with self._lock:
                self.received += data
                self._stream.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        """Another size, as the user of an emulator makes it."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if hasattr(self, "_screen") and columns:
            with self._lock:
                self._screen.resize(rows, columns)

    def wipe(self) -> None:
        """The emulator forgets what is on it: somebody else has just attached to the same pty."""
        with self._lock:
            self._screen.reset()

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, row by row."""
        with self._lock:
            return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """The same in one piece."""
        return "\n".join(self.lines)

    @property
    def cursor(self) -> Optional[tuple[int, int]]:
        """Row and column of the cursor, None if it is hidden."""
        with self._lock:
            found = self._screen.cursor
            return None if found.hidden else (found.y, found.x)

    def look(self, row: int, column: int) -> Any:
        """The character there with its looks (``fg``, ``bg``, ``bold``, ``reverse`` ...)."""
        with self._lock:
            return self._screen.buffer[row][column]

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Until ``text`` is on the screen."""
        self._wait(lambda: text in self.text, text, seconds)

    def wait_gone(self, text: str, seconds: float = 30) -> None:
        """Until it no longer is."""
        self._wait(lambda: text not in self.text, f"{text} gone", seconds)

    def _wait(self, condition: Any, what: str, seconds: float) -> None:
        try:
            wait_until(condition, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is\n{self.text}") from None

    def press(self, *keys: str) -> None:
        """Press keys, by name or character, one after the other."""
        for key in keys:
            self.send(KEYS[key] if key in KEYS else key.encode())

    def type(self, text: str) -> None:
        """Type ``text``."""
        self.send(text.encode())

    def send(self, data: bytes) -> None:
        """These bytes, as a terminal sends them."""
        os.write(self._master, data)

    def modes(self) -> list[Any]:
        """What ``stty`` shows of the terminal."""
        return termios.tcgetattr(self.slave)

    def hold(self) -> None:
        """Take nothing any more, as after Ctrl-S."""
        os.write(self._stopped, b"x")
        self._reader.join()

    def go_on(self) -> None:
        """Take it all again."""
        os.read(self._stop, 1)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def hang_up(self) -> None:
        """The terminal goes away."""
        self.hold()
        os.close(self._master)
        self._master = -1

    def close(self) -> None:
        """Be rid of it."""
        if self._master >= 0:
            self.hang_up()
        for descriptor in (self.slave, self._stop, self._stopped):
            os.close(descriptor)

    def popen(self) -> dict[str, Any]:
        """For Popen: standard input is the terminal, which is that of a session of its own."""

        def control() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        return {"stdin": self.slave, "start_new_session": True, "preexec_fn": control}


class Screen(Terminal):
    """The terminal of one run."""

    def __init__(self, argv: Sequence[str], size: tuple[int, int], *, raw: bool) -> None:
        super().__init__(size, raw=raw)
        self.found = self.modes()
        self._argv, self._begin = argv, time.monotonic()
        self.process: subprocess.Popen[bytes]

    def finish(self, timeout: float = 60) -> Run:
        """Wait for the end, and give what came of it."""
        try:
            stdout, stderr = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self.text}") from None
        text = (stderr or b"").decode("utf-8", "replace")
        return Run(self._argv, self.process.returncode, stdout, text, time.monotonic() - self._begin)


@contextlib.contextmanager
def run(
    site: Site,
    *args: str,
    term: Optional[str] = "vt100",
    size: tuple[int, int] = (0, 0),
    raw: bool = True,
    locale: str = "C.UTF-8",
    log_on_terminal: bool = False,
    before: Sequence[str] = (),
    program: Sequence[str] = ("-m", "pypxeboot"),
) -> Iterator[Screen]:
    """A run for the site's guest, result as JSON, on a terminal of ``size`` (columns, rows); None: no TERM.

    With ``log_on_terminal`` standard error is the terminal too, as under libxl.
    """
    base = ("--json", "--mac", MAC, "--bridge", BRIDGE, "--output-directory", str(site.out))
    argv = [*base, *args]
    screen = Screen(argv, size, raw=raw)
    more = {"stderr": screen.slave} if log_on_terminal else {}
    setting = ["env", "-u", "TERM"] if term is None else ["env", f"TERM={term}"]
    screen.process = site.start(
        *argv, env={"LC_ALL": locale}, program=program, before=[*before, *setting], **screen.popen(), **more
    )
    try:
        yield screen
    finally:
        screen.process.kill()
        screen.process.wait()
        screen.close()
