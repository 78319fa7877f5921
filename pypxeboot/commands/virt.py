"""The command ``pypxeboot-virt``: libvirt domains that boot from the network.

``start`` (virt/start.py) boots one domain; ``run`` and ``watch`` (virt/watch) have that done again
whenever a domain reboots. Nothing slow is imported before the client runs.
"""

from __future__ import annotations

import sys

from pypxeboot.config import max_boots
from pypxeboot.host import early
from pypxeboot.privsep import fork, logs
from pypxeboot.text import printable


def run() -> None:
    """Run the command with the arguments of this process."""
    fork.open_standard_streams()
    argv = sys.argv[1:]
    if "--supervised" in argv[:-1]:  # the log is of many domains
        logs.name(printable(argv[argv.index("--supervised") + 1]))
    process = early.start_client(argv, max_boots.look_up, has_mac=True) if "start" in argv[:1] else None
    try:
        from pypxeboot.commands import command, virt_domain

        sys.exit(command.run(virt_domain.read, argv, process))
    finally:
        if process is not None:
            process.stop()
