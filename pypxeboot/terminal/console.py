"""The host side's terminal: it paints pictures, waits for keys, writes lines, and is left as it was found.

The terminal is that of standard input. Nothing is drawn on standard output or error: there the result and
the log go. Between :meth:`Console.show` and :meth:`Console.leave` a picture is up, and whoever writes lines
to the same terminal has to wait for the latter.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Optional

from pypxeboot.errors import Aborted, SignalReceived
from pypxeboot.picture import KeyPress, Picture, Terminal
from pypxeboot.terminal import terminfo
from pypxeboot.terminal.key_decoder import Decoder
from pypxeboot.terminal.render import Canvas, canvas, strokes
from pypxeboot.terminal.text_line import TextLine
from pypxeboot.text import printable

# What comes as one piece from a terminal that is a slow line away, and still feels like one key.
ESCAPE_SECONDS = 0.15
# How often the size is looked at: SIGWINCH reaches the terminal's own session only, and libxl sends none.
_TICK = 0.25
# libxl keeps the last 4096 bytes for a console that attaches later, and does not say that one did. A little
# less than the second after which a countdown changes: each of its pictures is a whole one.
_REPAINT = 0.9
# A terminal that takes nothing for so long (Ctrl-S, a stopped emulator) misses the rest of what it is sent.
_STUCK = 2.0
_KEYS = 256  # that wait to be asked for; what is typed beyond is lost, as in every keyboard buffer
_LARGEST = (500, 200)  # columns and rows that are drawn in
# Ctrl-C so often within so many seconds ends the boot even where it is a key like others: what asks for keys
# may be in a stranger's hands.
_PRESSES, _PRESSES_SECONDS = 3, 2.0


class _HungUp(Aborted):
    """The terminal is gone: its other end was closed."""

    def __init__(self) -> None:
        super().__init__("the terminal was hung up")


def find() -> Optional[Console]:
    """Open the terminal of standard input; None if it is not one, or belongs to another job of the shell."""
    try:
        if os.tcgetpgrp(0) != os.getpgrp():  # in the background: to touch it would stop this process
            return None
    except OSError:  # not the terminal that controls this process, if one at all
        if not os.isatty(0):
            return None
    descriptor = _open()
    if descriptor is None:
        return None
    try:
        return Console(descriptor, os.environ.get("TERM"), utf8=_speaks_utf8())
    except termios.error:  # it has just been hung up
        os.close(descriptor)
        return None


def _open() -> Optional[int]:
    """Open a descriptor of our own for the terminal of standard input.

    Descriptor 0 shares its flags with the shell, which must not find it non-blocking.
    """
    flags = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        return os.open(os.ttyname(0), flags)
    with suppress(OSError):  # its name is of another mount namespace
        return os.open("/proc/self/fd/0", flags)
    return None


def _speaks_utf8() -> bool:
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    locale = next(filter(None, names), "").lower()
    return locale.endswith(("utf-8", "utf8"))


class Console:
    """A terminal: ``descriptor`` is open on it, and ``name`` is its type (TERM), if known."""

    def __init__(self, descriptor: int, name: Optional[str], *, utf8: bool) -> None:
        self._descriptor = descriptor
        self._codes = terminfo.load(name)
        # A VT100 has no UTF-8; and libxl says vt100 of whatever is behind its pty.
        self._ascii_only = not utf8 or name is None or name.startswith("vt")
        self._original_modes = termios.tcgetattr(descriptor)
        self._decoder = Decoder()
        self._keys: deque[str] = deque(maxlen=_KEYS)
        self._interrupts: deque[float] = deque(maxlen=_PRESSES)  # when Ctrl-C was pressed
        self._picture: Optional[Picture] = None
        self._canvas: Optional[Canvas] = None
        self._picture_up = False
        self._touched = False
        self._keeps_ctrl_c = False  # it comes as a key, not as a signal
        self._reported_size = self._size()
        self._painted = 0.0  # when all of the picture, or of the line, was last sent
        self._line = TextLine()

    @property
    def terminal(self) -> Terminal:
        """What the terminal can do, and its size by now; libxl's pty says 0x0, which counts as 80x24."""
        columns, rows = self._size()
        codes = self._codes
        columns, rows = min(columns or 80, _LARGEST[0]), min(rows or 24, _LARGEST[1])
        return Terminal(columns, rows, colours=codes is not None and codes.colours >= 8, dumb=codes is None)

    def show(
        self,
        picture: Optional[Picture],
        seconds: Optional[float],
        *,
        interrupt: bool,
        watched: int,
        check: Callable[[], object] = lambda: None,
    ) -> KeyPress:
        """Paint ``picture``, and wait ``seconds`` for a key (None: without end).

        With ``interrupt`` Ctrl-C is not a key, and raises Aborted; so do three of them in two seconds anyway,
        and a terminal that is gone. The wait ends without a key when ``watched`` (a descriptor) can be read;
        ``check`` is called now and then.
        """
        self._set_modes(interrupt=interrupt)
        if picture is not None and self._codes is not None:
            self._picture = picture
            self._paint(repaint=self._canvas is not None and self._is_due())
        started = time.monotonic()
        key = self._key(None if seconds is None else started + seconds, watched, check)
        if interrupt and key == "ctrl-c":
            raise Aborted("interrupted at the terminal")
        return KeyPress(key, time.monotonic() - started, self.terminal)

    def heed_interrupts(self) -> None:
        """Look at what was typed while no key is waited for. Raises Aborted for Ctrl-C, as :meth:`show`."""
        with suppress(_HungUp):  # a boot needs no terminal before it asks for one again
            if self._keeps_ctrl_c and select.select([self._descriptor], [], [], 0)[0]:
                self._read()

    def print(self, text: str) -> None:
        """Write ``text`` below what is there; the control characters allowed are line feed and backspace."""
        self._set_modes(interrupt=True)
        self.leave()
        lines = ["\b".join(printable(piece, 4096) for piece in line.split("\b")) for line in text.split("\n")]
        self._write_text("\r\n".join(lines))
        if len(lines) > 1:
            self._line = TextLine()
            self._painted = time.monotonic()
        self._line.write(lines[-1])
        self._repaint_if_due()

    def leave(self) -> None:
        """Take the picture away, so that lines can be written."""
        codes, picture = self._codes, self._picture
        if codes is not None and picture is not None and self._picture_up:
            row = min(len(picture.rows), self.terminal.rows - 1)
            self._write(codes.plain + codes.show + (codes.leave or codes.move(row, 0) + codes.clear))
        self._picture = self._canvas = None
        self._picture_up = False

    def close(self) -> None:
        """Leave the terminal as it was found, and close it."""
        try:
            self._restore()
        except SignalReceived:  # a signal just now; a second one is ignored
            self._restore()
            raise
        finally:
            os.close(self._descriptor)

    def _restore(self) -> None:
        if not self._touched:
            return
        with suppress(termios.error, _HungUp):
            self.leave()
            # Keys that nobody asked for must not be commands to the shell that comes next.
            termios.tcflush(self._descriptor, termios.TCIFLUSH)
            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._original_modes)

    def _size(self) -> tuple[int, int]:
        """Return columns and rows; zeros where the terminal does not know."""
        try:
            rows, columns = struct.unpack(
                "HH", fcntl.ioctl(self._descriptor, termios.TIOCGWINSZ, bytes(8))[:4]
            )
        except OSError:
            return 0, 0
        return columns, rows

    def _set_modes(self, *, interrupt: bool) -> None:
        """Have keys come one by one and without an echo.

        Output stays as it was found: the log's lines end as they have to there. Ctrl-C is a signal where it
        ends the boot: then it also works while no key is waited for.
        """
        try:
            modes = termios.tcgetattr(self._descriptor)
        except termios.error:
            raise _HungUp from None
        wanted = [*modes[:6], list(modes[6])]
        wanted[0] &= ~(
            termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR
            | termios.IGNCR | termios.ICRNL | termios.IXON
        )  # fmt: skip
        wanted[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.IEXTEN | termios.ISIG)
        if interrupt:
            wanted[3] |= termios.ISIG
            for number in (termios.VQUIT, termios.VSUSP):
                wanted[6][number] = b"\0"
            wanted[6][termios.VINTR] = b"\x03"
        wanted[6][termios.VMIN], wanted[6][termios.VTIME] = 1, 0
        self._keeps_ctrl_c = not interrupt
        if wanted != modes:
            self._touched = True
            termios.tcsetattr(self._descriptor, termios.TCSANOW, wanted)

    def _key(self, end: Optional[float], watched: int, check: Callable[[], object]) -> Optional[str]:
        """Wait for the next key or ``resize``; None at ``end``, or when ``watched`` can be read."""
        while True:
            check()
            if self._keys:
                return self._keys.popleft()
            if self._size() != self._reported_size:
                self._reported_size, self._canvas = self._size(), None
                return "resize"
            now = time.monotonic()
            wait = ESCAPE_SECONDS if self._decoder.pending else _TICK
            wait = wait if end is None else min(wait, max(end - now, 0))
            ready, _, _ = select.select([self._descriptor, watched], [], [], wait)
            if self._descriptor in ready:
                self._read()
            elif ready or (end is not None and time.monotonic() >= end):
                return None
            elif self._decoder.pending and time.monotonic() - now >= ESCAPE_SECONDS:
                self._keys.extend(self._decoder.flush())
            else:
                self._repaint_if_due()

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            raise _HungUp
        self._count_interrupts(data.count(b"\x03"))
        room = _KEYS - len(self._keys)
        keys = self._decoder.feed(data)
        self._keys.extend(keys[:room])
        if "ctrl-l" in keys:
            self._canvas = None
            self._paint()

    def _is_due(self) -> bool:
        """Whether a console that was attached in the meantime would miss what is there."""
        return self._reported_size == (0, 0) and time.monotonic() - self._painted > _REPAINT

    def _repaint_if_due(self) -> None:
        """Send all of the picture again, or of the line in which a key is waited for."""
        if not self._is_due():
            return
        if self._picture is not None:
            self._paint(repaint=True)
        elif (again := self._line.again(self.terminal.columns)) is not None:
            self._painted = time.monotonic()
            self._write_text(again)

    def _write_text(self, text: str) -> None:
        self._write(text.encode("ascii" if self._ascii_only else "utf-8", "replace"))

    def _count_interrupts(self, pressed: int) -> None:
        """Note that Ctrl-C was pressed so often. Raises Aborted when somebody must mean it."""
        now = time.monotonic()
        self._interrupts.extend([now] * pressed)
        if len(self._interrupts) == _PRESSES and now - self._interrupts[0] <= _PRESSES_SECONDS:
            raise Aborted("interrupted at the terminal")

    def _paint(self, *, repaint: bool = False) -> None:
        """Paint what of the picture differs from the screen; ``repaint``: all of it, whatever is there."""
        picture, codes = self._picture, self._codes
        if picture is None or codes is None:
            return
        terminal = self.terminal
        wanted = canvas(picture, terminal, ascii_only=self._ascii_only)
        pieces = [codes.hide]
        if not self._picture_up:
            # A screen of its own; else the lines that are there are scrolled up, none is written over.
            pieces.append(codes.enter or codes.move(terminal.rows - 1, 0) + b"\r\n" * terminal.rows)
            self._picture_up = True
            self._line = TextLine()
        if self._canvas is None:
            pieces += [codes.plain, codes.move(0, 0), codes.clear]
        style = None
        for stroke in strokes(None if repaint else self._canvas, wanted):
            pieces.append(codes.move(stroke.row, stroke.column))
            if stroke.style != style:
                style = stroke.style
                pieces.append(codes.style(style))
            pieces.append(stroke.text.encode("utf-8", "replace"))
        pieces.append(codes.plain)
        if repaint:  # and nothing below, where a terminal has more rows
            pieces += [codes.move(terminal.rows - 1, terminal.columns - 1), codes.clear]
        if picture.cursor_row is not None:
            row, column = (
                min(picture.cursor_row, terminal.rows - 1),
                min(picture.cursor_column, terminal.columns - 1),
            )
            pieces += [codes.move(row, column), codes.show]
        if repaint or self._canvas is None:
            self._painted = time.monotonic()
        self._canvas = wanted
        self._write(b"".join(pieces))

    def _write(self, data: bytes) -> None:
        self._touched = True
        end = time.monotonic() + _STUCK
        try:
            while data:
                if not select.select([], [self._descriptor], [], max(end - time.monotonic(), 0))[1]:
                    self._canvas = None
                    return
                with suppress(BlockingIOError):
                    data = data[os.write(self._descriptor, data) :]
        except OSError:
            raise _HungUp from None
