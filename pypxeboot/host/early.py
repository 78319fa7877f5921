"""Start the client process of an ordinary boot first of all, by a mere look at the arguments.

This is the way into every command, so it imports what a boot uses only where there is one.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Optional

from pypxeboot.errors import Aborted

if TYPE_CHECKING:
    from pypxeboot.host.admission import Place
    from pypxeboot.host.spawn import ClientProcess

_NO_BOOT = ("explain", "--help", "--version", "--show-config")
_EXAMINES = "doctor"


def start_client(
    argv: Sequence[str],
    limit: Callable[[Sequence[str]], Optional[int]],
    *,
    has_mac: bool = False,
    waits: Callable[[], object] = lambda: None,
) -> Optional[ClientProcess]:
    """Start the client of a boot that ``argv`` asks for, when it is its turn; None where there may be none.

    ``limit`` says how many boot at a time (as for :func:`admission.enter`), ``has_mac``: there will be a MAC,
    whatever ``argv`` says. ``waits`` is called where it has to wait for its turn.
    """
    text = " ".join(argv)
    has_mac = has_mac or "mac" in text or "bootloader." in text  # or libxl's configuration may tell it
    if os.geteuid() != 0 or not has_mac or "-h" in argv or any(word in text for word in _NO_BOOT):
        return None
    place = None if argv[:1] == [_EXAMINES] else _place(argv, limit(argv), waits)
    gc.disable()  # nothing of what is imported is garbage: a tenth of the start; the boot itself enables it
    from pypxeboot.host import spawn

    process = spawn.start(place)
    if place is not None:
        place.pass_on_when_idle()
    return process


def _place(argv: Sequence[str], limit: Optional[int], waits: Callable[[], object]) -> Optional[Place]:
    """Wait for the turn of a boot, of which nothing is known yet but ``argv``."""
    import logging

    from pypxeboot.host import admission
    from pypxeboot.privsep import logs, signals

    logs.configure(logs.least(argv))
    try:
        with signals.signals_raise(last=False):
            return admission.enter(limit, waits)
    except Aborted as why:
        logging.getLogger(__name__).error("error: %s while it waited for its turn", why)
        raise SystemExit(Aborted.code) from None
