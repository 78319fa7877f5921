"""The commands of ``pypxeboot-virt`` that boot nothing: their arguments, and what they do with them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Optional

from pypxeboot.commands.command import Command
from pypxeboot.config.options import Parser
from pypxeboot.config.settings import BootSettings
from pypxeboot.errors import UsageError
from pypxeboot.host import output_files
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.virt.connection import Connection

NAMES = ("clean",)
"""The commands, in the order of ``--help``."""

_Commands = argparse._SubParsersAction  # what add_subparsers() returns


def add(commands: _Commands[Parser]) -> None:
    """Add the parsers of these commands."""
    clean = _add(
        commands,
        "clean",
        "[DOMAIN...]",
        "remove files that nothing needs, and those kept for state files of DOMAIN",
    )
    clean.add_argument("positional", nargs="*", metavar="DOMAIN", help="its name or UUID")
    clean.add_argument("--all", action="store_true", help="give up the state files of all domains")
    clean.add_argument("-n", "--dry-run", action="store_true", help="only say what would be removed")


def _add(commands: _Commands[Parser], name: str, words: str, text: str) -> Parser:
    own = commands.add_parser(
        name, usage=f"pypxeboot-virt {name} [OPTION...] {words}".rstrip(), help=text, description=text
    )
    own.set_defaults(command=name)
    own.add_argument("-c", "--connect", metavar="URI", help="the libvirt of this host to use (its default)")
    own.add_argument("-v", "--verbose", action="count", default=0, help="say what is done")
    return own


def read(found: argparse.Namespace) -> tuple[Command, BootSettings]:
    """Return the command of these arguments. Raises UsageError."""
    return Admin(_ACTIONS[found.command], found), BootSettings(verbose=found.verbose)


@dataclass(frozen=True)
class Admin(Command):
    """One of these commands: what it does, and its arguments."""

    action: Callable[[argparse.Namespace, BootSettings], int]
    found: argparse.Namespace

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Do it. Raises PxeBootError."""
        return self.action(self.found, settings)


def _print(text: str) -> None:
    output_files.write(None, text.encode())


def _clean(found: argparse.Namespace, _settings: BootSettings) -> int:
    from pypxeboot.virt.admin import clean

    if found.all and found.positional:
        raise UsageError("--all is without the names of domains")
    connection = Connection(found.connect)
    _print(clean.clean(connection, found.positional, all_of_them=found.all, really=not found.dry_run))
    return 0


_ACTIONS = {"clean": _clean}
