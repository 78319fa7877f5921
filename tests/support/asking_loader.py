"""pypxeboot with a loader that does as its configuration says, line by line, to try the terminal out.

    show TEXT       a picture of TEXT in its second row, and wait for a key
    blink TEXT      the same in colours and looks of all kinds
    keys            as show, and for ever; each key is shown; ends with q
    print TEXT      TEXT and a line feed
    log TEXT        a line for the log
    sleep SECONDS
    read SECONDS    print the key that comes within SECONDS, Ctrl-C too

Then entry ``a`` is booted.
"""  # fmt: skip

from __future__ import annotations

from dataclasses import replace

from pypxeboot.__main__ import run
from pypxeboot.bootsource import BootRequest
from pypxeboot.effects import FindTerminal, Log, Print, Show, Sleep, Steps
from pypxeboot.entry import Choice
from pypxeboot.picture import KeyPress, Picture, Row, Span, Terminal
from pypxeboot.syslinux.loader import boot as ldlinux
from pypxeboot.text import printable

_REAL = ldlinux.boot


def boot(request: BootRequest) -> Steps[Choice]:
    """In place of ``syslinux.loader.boot.boot``."""
    terminal = yield FindTerminal()
    yield Log(f"the terminal: {terminal}", warning=True)
    if terminal is not None:
        for line in request.append.split(";"):
            yield from _do(terminal, *line.strip().partition(" ")[::2])
    return (yield from _REAL(replace(request, label="a", append="")))


def picture(text: str, style: str = "") -> Picture:
    """A bar on top, and ``text`` with the cursor behind it."""
    return Picture((Row((Span("=" * 40),)), Row((Span(text, style),))), 1, len(text))


def _do(terminal: Terminal, word: str, text: str) -> Steps[None]:
    if word == "show":
        pressed: KeyPress = yield Show(picture(text))
        yield Log(f"key {pressed.key}", warning=True)
    elif word == "blink":
        yield Show(picture(text, "1;37;44"))
    elif word == "keys":
        shown = [f"of {terminal.columns}x{terminal.rows}"]
        while True:
            pressed = yield Show(picture(" ".join(shown[-6:])))
            shown.append(f"{pressed.key}" if pressed.key != "resize" else f"now {pressed.terminal.columns}")
            if pressed.key == "q":
                return
    elif word == "print":
        yield Print(text + "\n")
    elif word == "log":
        yield Log(printable(text), warning=True)
    elif word == "sleep":
        yield Sleep(float(text))
    elif word == "read":
        pressed = yield Show(None, float(text), interrupt=False)
        yield Print(f"read {pressed.key}\n")


if __name__ == "__main__":
    ldlinux.boot = boot
    run()
