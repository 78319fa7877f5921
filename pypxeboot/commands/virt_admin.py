"""The commands of ``pypxeboot-virt`` that boot nothing: their arguments, and what they do with them."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from typing import Optional

from pypxeboot.commands.command import Command
from pypxeboot.config.argument_parser import Parser
from pypxeboot.config.settings import BootSettings
from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.host import output_files
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.virt.admin import domains
from pypxeboot.virt.connection import MIGRATION_FLAGS, Connection, MigrationOptions

NAMES = ("list", "status", "check", "cancel", "migrate", "clean")
"""The commands, in the order of ``--help``."""

_AS_VIRSH = "as of virsh migrate"

_Commands = argparse._SubParsersAction  # what add_subparsers() returns


def add(commands: _Commands[Parser]) -> None:
    """Add the parsers of these commands."""
    for name, words, text in (
        ("list", "", "list the domains that opt in: booted by whom, when, what, and how that went"),
        ("status", "DOMAIN", "say what is known of DOMAIN and of its boots"),
        ("check", "DOMAIN", "say what of DOMAIN's definition will surprise"),
        ("cancel", "DOMAIN", "end the boot of DOMAIN that is under way, or the wait for its next"),
    ):
        own = _add(commands, name, words, text)
        own.add_argument("positional", nargs="*", metavar=words or "DOMAIN", help="its name or UUID")
        if name != "cancel":
            own.add_argument("--json", action="store_true", help="print it as JSON")
    migrate = _add(
        commands, "migrate", "DOMAIN DESTURI", "migrate DOMAIN, with the kernel and initrd that it runs by"
    )
    migrate.add_argument("positional", nargs="*", metavar="DOMAIN DESTURI", help="as of virsh migrate")
    for name in MIGRATION_FLAGS:
        migrate.add_argument(f"--{name}", action="append_const", dest="words", const=name, help=_AS_VIRSH)
    migrate.add_argument("--migrateuri", metavar="URI", help="where QEMU there is reached: tcp://HOST")
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
    if found.command == "list" and found.positional:
        raise UsageError("list is for all domains", hint="pypxeboot-virt status DOMAIN")
    if found.command in ("status", "check", "cancel") and len(found.positional) != 1:
        raise UsageError("one domain must be named", hint=f"pypxeboot-virt {found.command} DOMAIN")
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


def _list(found: argparse.Namespace, _settings: BootSettings) -> int:
    statuses = domains.statuses(Connection(found.connect))
    _print(domains.document(statuses).decode() if found.json else domains.table(statuses))
    return 0


def _status(found: argparse.Namespace, _settings: BootSettings) -> int:
    status = domains.status(Connection(found.connect).target(found.positional[0]))
    _print(domains.document([status]).decode() if found.json else domains.page(status))
    return 0


def _check(found: argparse.Namespace, settings: BootSettings) -> int:
    from pypxeboot.doctor import findings
    from pypxeboot.virt.admin import check

    connection = Connection(found.connect)
    said = list(check.findings(connection, connection.target(found.positional[0]), settings))
    if found.json:
        _print(findings.json_document(said).decode())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        _print(
            "".join(findings.format_line(finding, width) for finding in said) + f"{findings.verdict(said)}\n"
        )
    return findings.exit_code(said)


def _cancel(found: argparse.Namespace, _settings: BootSettings) -> int:
    _print(domains.cancel(found.connect, found.positional[0]))
    return 0


def _migrate(found: argparse.Namespace, _settings: BootSettings) -> int:
    from pypxeboot.virt.admin import migrate

    if len(found.positional) != 2:
        raise UsageError("a domain and a URI must be named", hint="pypxeboot-virt migrate DOMAIN DESTURI")
    name, uri = found.positional
    options = MigrationOptions(frozenset(found.words or ()), found.migrateuri)
    _print(migrate.migrate(Connection(found.connect).target(name), uri, options))
    return 0


def _clean(found: argparse.Namespace, _settings: BootSettings) -> int:
    from pypxeboot.virt.admin import clean

    if found.all and found.positional:
        raise UsageError("--all is without the names of domains")
    connection = Connection(found.connect)
    _print(clean.clean(connection, found.positional, all_of_them=found.all, really=not found.dry_run))
    return 0


_ACTIONS = {
    "list": _list,
    "status": _status,
    "check": _check,
    "cancel": _cancel,
    "migrate": _migrate,
    "clean": _clean,
}
