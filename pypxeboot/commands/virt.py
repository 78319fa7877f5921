"""The command ``pypxeboot-virt``: libvirt domains that boot from the network.

``start`` (virt/start.py) boots one domain; ``run`` and ``watch`` (virt/watch.py) have that done again
whenever a domain reboots. Nothing slow is imported before the client runs.
"""

from __future__ import annotations

import sys

from pypxeboot import __version__
from pypxeboot.host import spawn
from pypxeboot.privsep import fork, logs
from pypxeboot.text import printable

USAGE = """\
usage: pypxeboot-virt start [OPTION...] DOMAIN    boot it from the network, and start it with what that gave
       pypxeboot-virt run [OPTION...] DOMAIN      the same, again at each reboot, until it is off
       pypxeboot-virt watch [OPTION...]           the same for all domains that opt in

  -c, --connect URI    the libvirt of this host to use (its default)
      --print-xml      start: print the XML that would start the domain, and leave kernel and initrd for it

All other OPTIONs are those of pypxeboot: --label, -i, -v, --json, --timeout ... See pypxeboot-virt(8).
"""


def run() -> None:
    """Run the command with the arguments of this process."""
    fork.open_standard_streams()
    argv = sys.argv[1:]
    if not {"--help", "-h"}.isdisjoint(argv):
        sys.stdout.write(USAGE)
        sys.exit(0)
    if argv == ["--version"]:
        sys.stdout.write(f"pypxeboot-virt {__version__}\n")
        sys.exit(0)
    if argv[:1] in (["run"], ["watch"]):
        from pypxeboot.commands import virt_watch

        sys.exit(virt_watch.main(argv))
    if "--supervised" in argv[:-1]:  # the log is of many domains
        logs.name(printable(argv[argv.index("--supervised") + 1]))
    process = spawn.start_early(argv, told=argv[:1] == ["start"])
    try:
        from pypxeboot.commands import virt_start

        sys.exit(virt_start.main(argv, process))
    finally:
        if process is not None:
            process.stop()
