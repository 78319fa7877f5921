"""``pypxeboot explain FILE``: the timeline of a capture, made by a process that may do nothing but read it.

The bytes in a capture are a network's, or of whoever sent the file: they are taken apart by a process of its
own, locked up as the client of a boot is, which hands back lines of text.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pypxeboot.commands import main
from pypxeboot.errors import PxeBootError, UsageError
from pypxeboot.explain.reader import read_timeline
from pypxeboot.host import output_files
from pypxeboot.limits import NOTICE
from pypxeboot.privsep import logs
from pypxeboot.text import printable

_USAGE = """\
usage: pypxeboot explain FILE

Prints the timeline of a capture file (pcap or pcapng, of --pcap or of tcpdump): for each client what it asked
and was answered over DHCP, ARP, DNS, TFTP and HTTP, what silence means, and in the last line a verdict.
"""


def run(argv: Sequence[str]) -> int:
    """Run the command with these arguments; the exit code."""
    logs.configure(NOTICE)
    if argv in (["-h"], ["--help"]):
        sys.stdout.write(_USAGE)
        return 0
    try:
        if len(argv) != 1 or (argv[0].startswith("-") and argv[0] != "-"):
            raise UsageError("explain takes one capture file", hint="pypxeboot explain FILE")
        told = read_timeline(argv[0])
        text = "".join(f"{printable(line, 2000)}\n" for line in told.lines)
        output_files.write(None, text.encode())
        if told.damage:
            raise PxeBootError(f"{argv[0]}: {printable(told.damage)}", hint="what was read stands above")
        return 0
    except PxeBootError as why:
        return main.failed(why)
    except KeyboardInterrupt:
        return main.failed(PxeBootError("interrupted"))
