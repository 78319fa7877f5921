"""The prompt and the boot menu of a PXE server (option 43), as iPXE shows them (usr/pxemenu.c)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dhcp.pxe_options import SHOW_MENU, Item, Prompt, Services
from pypxeboot.effects import FindTerminal, Log, Print, Show, Steps
from pypxeboot.errors import Aborted
from pypxeboot.picture import KeyPress, Terminal
from pypxeboot.terminal import dialogs
from pypxeboot.terminal.forms import Dialog, DialogItem
from pypxeboot.terminal.input import User, WaitEnded

_TITLE = "PXE boot menu"


def choose(
    services: Services, label: Optional[str], patience: Optional[float], *, listing: bool = False
) -> Steps[Item]:
    """Choose the item that ``label`` names, that somebody wants, or the first one.

    A prompt is shown until its time is over, and F8 leads to the menu (table 2-1): without one, or with a
    time of 0, nobody is asked. ``patience`` is how long a menu without a time waits for a key; who wants
    everything listed (``listing``) is told of the items as well.
    """
    if listing:
        yield Log(f"{_TITLE}: --label takes {_texts(services)}, and then the entries behind it", warning=True)
    named = [item for item in services.menu if item.text == label]
    if named:
        yield _choice_log(services, named[0], "it was asked for")
        return named[0]
    prompt, first = services.prompt, services.menu[0]
    if prompt is None or prompt.seconds == 0:
        yield _choice_log(services, first, "it is the first, and the server does not let anybody choose")
        return first
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        yield _choice_log(services, first, "it is the first, and nobody chooses")
        return first
    user = User(terminal, patience)
    if prompt.seconds != SHOW_MENU and not (yield from _wants_menu(user, prompt)):
        yield _choice_log(services, first, "it is the first, and nobody asked for the menu")
        return first
    return (yield from _choose_from_menu(services, user, prompt.text))


def _choice_log(services: Services, item: Item, why: str) -> Log:
    return Log(f"{_TITLE} ({_texts(services)}): {item.text!r} is taken: {why}")


def _texts(services: Services) -> str:
    return ", ".join(repr(item.text) for item in services.menu)


def _wants_menu(user: User, prompt: Prompt) -> Steps[bool]:
    """Show the prompt for its time: F8 asks for the menu, Esc ends the boot, another key ends the wait."""
    width = len(f" ({prompt.seconds})")
    yield Print(prompt.text + " " * width)
    pressed: Optional[str] = None
    for left in range(prompt.seconds, 0, -1):
        if not user.terminal.dumb:
            yield Print("\b" * width + f" ({left})".ljust(width))
        reply: KeyPress = yield Show(None, 1.0)
        user.terminal, pressed = reply.terminal, reply.key
        if pressed not in (None, "resize"):
            break
    yield Print("\n")
    if pressed in ("escape", "ctrl-c"):
        raise Aborted("the boot was given up at the prompt of the PXE server")
    return pressed == "f8"


def _choose_from_menu(services: Services, user: User, title: str) -> Steps[Item]:
    """Show the menu until something is chosen; the item under the cursor if nobody does."""
    lines = [DialogItem(str(number), item.text) for number, item in enumerate(services.menu)]
    menu = dialogs.MenuDialog(user, Dialog(title or _TITLE, lines), 0, None)
    answer = yield from menu.choose(None)
    yield from dialogs.clear(user)
    if answer is None:
        raise Aborted("the boot menu of the PXE server was left")
    item = services.menu[int(menu.name)]
    why = "nobody chooses" if isinstance(answer, WaitEnded) else "it was chosen"
    yield _choice_log(services, item, why)
    return item
