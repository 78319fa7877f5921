"""The command ``pypxeboot-virt``: libvirt domains that boot from the network.

``start`` (virt/start.py) boots one domain; ``run`` and ``watch`` (virt/watch) have that done again
whenever a domain reboots. Nothing slow is imported before the client runs.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypxeboot.commands.command import Read


def run() -> None:
    """Run the command with the arguments of this process."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # not in the middle of an import; commands heed it as others
    from pypxeboot.commands import supervised
    from pypxeboot.privsep import streams

    streams.open_standard_streams()
    sys.exit(supervised.run(sys.argv[1:], _find_read))


def _find_read() -> Read:
    from pypxeboot.commands import virt_domain

    return virt_domain.read
