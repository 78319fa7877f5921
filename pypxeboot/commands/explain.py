"""``pypxeboot explain FILE``: the timeline of a capture, made by a process that may do nothing but read it.

The bytes in a capture are a network's, or of whoever sent the file: they are taken apart by a process of its
own, locked up as the client of a boot is, which hands back lines of text.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Optional

from pypxeboot.commands import report
from pypxeboot.commands.command import report_failure
from pypxeboot.config.argument_parser import Parser
from pypxeboot.errors import PxeBootError
from pypxeboot.explain.reader import read_timeline
from pypxeboot.explain.waterfall import text_lines
from pypxeboot.host import output_files
from pypxeboot.limits import NOTICE
from pypxeboot.privsep import logs, signals
from pypxeboot.text import printable


def parser() -> Parser:
    """Return the parser of the command."""
    top = Parser(
        prog="pypxeboot explain",
        description="Prints the timeline of a capture file (pcap or pcapng, of --pcap or of tcpdump): for "
        "each client what it asked and was answered over DHCP, ARP, DNS, TFTP and HTTP, what silence means, "
        "and in the last line a verdict.",
        allow_abbrev=False,
    )
    top.add_argument("file", metavar="FILE", help="the capture; - is standard input")
    top.add_argument("--html", metavar="OUT", help="write it as one page with a waterfall, too")
    top.add_argument("--waterfall", action="store_true", help="draw it in characters, off a terminal as well")
    return top


def run(argv: Sequence[str]) -> int:
    """Run the command with these arguments; return the exit code."""
    logs.configure(NOTICE)
    try:
        found = parser().parse_args(argv)
        with signals.signals_raise():
            _explain(found.file, found.html, waterfall=found.waterfall or sys.stdout.isatty())
        return 0
    except PxeBootError as why:
        return report_failure(why)


def _explain(file: str, html: Optional[str], *, waterfall: bool) -> None:
    told = read_timeline(file)
    lines = [printable(line, 2000) for line in told.lines]
    if waterfall and lines:
        columns = shutil.get_terminal_size().columns
        lines[-1:] = [*text_lines(told.bars, columns), lines[-1]]
    output_files.write(None, "".join(f"{line}\n" for line in lines).encode())
    if html is not None:
        report.write_page(html, report.page_of_capture(told, file))
    if told.damage:
        raise PxeBootError(f"{file}: {printable(told.damage)}", hint="what was read stands above")
