"""PXELINUX: what it does with its configuration when nobody, a label, or somebody at the terminal chooses.

The rules are those of PXELINUX 6.04 (com32/elflink/ldlinux: ldlinux.c, execute.c, kernel.c).
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.bootsource import BootRequest
from pypxeboot.effects import FindTerminal, Steps
from pypxeboot.entry import BootMenu, Choice
from pypxeboot.picture import Terminal
from pypxeboot.syslinux.loader.current_config import CurrentConfig
from pypxeboot.syslinux.loader.unattended import UnattendedBoot
from pypxeboot.url import Location


def entries(request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
    """List what there is to choose from, in the menu if one is shown, else at the prompt.

    With the main configuration's location. Nothing is loaded.
    """
    current = CurrentConfig(request)
    yield from current.find()
    if current.config.is_empty:
        raise current.no_default()
    return current.location, (yield from current.catalog.list_entries())


def boot(request: BootRequest) -> Steps[Choice]:
    """Find the configuration, and boot what it says, what its label names, or what somebody chooses.

    A named ``arch`` adds ``default.<arch>`` to the search. Raises NoBootSource if there is no configuration,
    ConfigError if nothing in it boots, and what the driver says of an entry that cannot be loaded.
    """
    current = CurrentConfig(request)
    yield from current.find()
    if request.label is not None:
        return (yield from UnattendedBoot(current, request.append).boot_label(request.label))
    terminal: Optional[Terminal] = yield FindTerminal()
    if terminal is None:
        return (yield from UnattendedBoot(current, request.append).boot())
    # A boot without a terminal need not wait for these.
    from pypxeboot.syslinux.loader.interactive import InteractiveBoot
    from pypxeboot.terminal.input import User

    user = User(terminal, request.patience)
    return (yield from InteractiveBoot(current, request.append, user).boot())
