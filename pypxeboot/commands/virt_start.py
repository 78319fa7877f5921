"""``pypxeboot-virt start``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Optional

from pypxeboot.commands import main as cli
from pypxeboot.config import options
from pypxeboot.errors import UsageError
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.virt import boot, connection, domain_xml, smbios
from pypxeboot.virt.start import host_smbios, locate_interface, start_domain

# Options of pypxeboot that say where its result goes: here that is libvirt.
_NOT_HERE = ("output", "output_directory", "list_entries", "not_really", "udhcpc", "config_dir")


def main(argv: Sequence[str], process: Optional[ClientProcess]) -> int:
    """Run it; the exit code. ``process`` is a client that runs already."""
    return cli.main(argv, process, parse=_parse, act=start_domain, toolstack=locate_interface)


def own_options() -> argparse.ArgumentParser:
    """The parser of what ``pypxeboot`` itself does not know."""
    own = options.Parser(add_help=False, allow_abbrev=False)
    own.add_argument("-c", "--connect", metavar="URI")
    own.add_argument("--print-xml", action="store_true")
    # Of virt/watch.py: it waits for the reboot of the domain of that name, whose lines in the log it names;
    # it found the domain started by other means.
    own.add_argument("--supervised", metavar="NAME")
    own.add_argument("--replace", action="store_true")
    return own


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of pypxeboot for a domain of libvirt's. Raises PxeBootError."""
    if not argv or argv[0] != "start":
        raise UsageError("the commands are start, run and watch", hint="pypxeboot-virt start DOMAIN")
    own, words = own_options().parse_known_args(argv[1:])
    args = options.namespace(words)
    if len(args.positional) != 1:
        raise UsageError("one domain must be named", hint="pypxeboot-virt start DOMAIN")
    refused = [name for name in _NOT_HERE if name in args.given]
    if refused:
        name = refused[0].replace("_", "-")
        raise UsageError(f"--{name} is for pypxeboot itself")
    args.supervised, args.replace, args.print_xml = own.supervised is not None, own.replace, own.print_xml
    args.connection = connection.Connection(own.connect)
    args.target = args.connection.target(args.positional[0])
    args.stored = domain_xml.parse(args.target.stored_xml())
    args.about = domain_xml.domain(args.stored)
    boot.describe(args, args.about, smbios.words(args.stored, host_smbios(args)))
    return args
