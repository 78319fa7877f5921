"""``pypxeboot-virt watch`` and ``run``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Optional

from pypxeboot.commands import main as cli
from pypxeboot.commands import virt_start
from pypxeboot.config import options
from pypxeboot.errors import UsageError
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.text import printable
from pypxeboot.virt import connection, domain_xml, start, watch_state
from pypxeboot.virt.connection import Connection
from pypxeboot.virt.watch import Watcher


def main(argv: Sequence[str]) -> int:
    """``run`` or ``watch``; the exit code."""
    return cli.main(argv, parse=_parse, act=_act)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    own, words = virt_start.own_options().parse_known_args(argv[1:])
    args = options.namespace(words)  # what is wrong is told now, and not at the first boot
    wanted = 1 if argv[0] == "run" else 0
    if len(args.positional) != wanted:
        raise UsageError(
            "one domain must be named" if wanted else "no domain is named: watch is for all that opt in"
        )
    if own.print_xml or (args.interactive and not wanted):
        raise UsageError("--print-xml is for start" if own.print_xml else "nobody chooses when watch boots")
    args.connect, args.words = own.connect, words
    args.only = argv[0] == "run"
    return args


def _act(args: argparse.Namespace, _process: Optional[ClientProcess]) -> int:
    events = connection.Events()
    if not args.only:
        return Watcher(events, args.connect, args.words, watch_state.KeptMarks(), None).loop()
    target = Connection(args.connect).target(args.positional[0])
    wish = domain_xml.domain(domain_xml.parse(target.stored_xml())).wish
    if wish is not None and watch_state.somebody_watches():
        raise UsageError(
            f"pypxeboot-virt watch has domain {printable(target.name)}", hint="virsh start will do"
        )
    start.check_off(target)
    watcher = Watcher(events, args.connect, args.words, watch_state.Marks(), target.uuid)
    watcher.boot(target)
    return watcher.loop()
