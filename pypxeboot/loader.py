"""What every boot loader offers, and what it is asked with: :class:`Loader` and :class:`BootRequest`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol

from pypxeboot.bootsource import BootSource
from pypxeboot.effects import Steps
from pypxeboot.entry import BootMenu, Choice
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.url import Location


@dataclass(frozen=True)
class BootRequest:
    """One boot, as a loader is asked for it.

    ``arch`` is set only where the user named an architecture; the guest always has one. ``append`` goes to
    the end of the command line. ``label`` names the entry to boot; without it somebody at the terminal
    chooses, or the configuration does. ``patience`` is how many seconds a question that would wait for ever
    waits for the first key, None for ever. ``interactive``: the user asked for the menu (``-i``).
    """

    source: BootSource
    guest: Guest
    lease: Lease
    arch: Optional[str] = None
    append: str = ""
    label: Optional[str] = None
    patience: Optional[float] = None
    interactive: bool = False


class Loader(Protocol):
    """A boot loader: a module ``boot.py`` with these two functions, and a row in ``client/loaders.py``."""

    def boot(self, request: BootRequest) -> Steps[Choice]:
        """Find what to boot, and have its files loaded.

        Raises NoBootSource if there is no configuration, and ConfigError if it boots nothing.
        """

    def entries(self, request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
        """List what there is to choose from, and the file that says so; nothing is loaded."""
