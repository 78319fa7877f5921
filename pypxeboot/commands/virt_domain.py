"""``pypxeboot-virt start``, ``run`` and ``watch``: their arguments, and what they do with them.

The other commands of ``pypxeboot-virt``, which boot nothing, are those of ``virt_admin.py``.
"""

from __future__ import annotations

import argparse
import importlib
import logging
from collections.abc import Sequence
from contextlib import closing
from functools import cache, partial
from typing import Any, Optional, cast

from pypxeboot import __version__
from pypxeboot.commands import supervised, virt_admin
from pypxeboot.commands.command import Command
from pypxeboot.config import options
from pypxeboot.config.argument_parser import Parser
from pypxeboot.config.settings import BootSettings
from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.host import spawn
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.links import kinds
from pypxeboot.privsep import fork_socket, logs
from pypxeboot.privsep.fork_server import ForkServer
from pypxeboot.text import printable
from pypxeboot.virt import connection, domain_xml, start
from pypxeboot.virt.connection import Connection
from pypxeboot.virt.records import marks
from pypxeboot.virt.start import DomainStart
from pypxeboot.virt.watch.boots import Boots
from pypxeboot.virt.watch.watcher import Watcher

# Options of pypxeboot that say where its result goes: here that is libvirt.
_NOT_HERE = ("output", "output_directory", "list_entries", "not_really", "udhcpc", "config_dir")


@cache
def parser() -> Parser:
    """Return the parser of ``pypxeboot-virt``."""
    top = Parser(
        prog="pypxeboot-virt",
        usage="pypxeboot-virt start|run [OPTION...] DOMAIN\n       pypxeboot-virt watch [OPTION...]\n"
        f"       pypxeboot-virt {'|'.join(virt_admin.NAMES)} [OPTION...] [DOMAIN...]",
        description="libvirt domains that boot from the network. See pypxeboot-virt(8).",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"pypxeboot-virt {__version__}")
    kind = cast("type[Parser]", _sub_parser)
    commands = top.add_subparsers(metavar="COMMAND", required=True, parser_class=kind)
    start = _add(
        commands, "start", "DOMAIN", "boot DOMAIN from the network, and start it with what that gave"
    )
    supervised.add_start(start)
    _add(commands, "run", "DOMAIN", "the same, again at each reboot, until it is off")
    _add(commands, "watch", "", "the same for all domains that opt in")
    virt_admin.add(commands)
    return top


def _sub_parser(**kwargs: Any) -> Parser:
    if kwargs["prog"].rpartition(" ")[2] in virt_admin.NAMES:
        return Parser(allow_abbrev=False, **kwargs)
    return options.BootParser(**kwargs)


def _add(commands: argparse._SubParsersAction[Parser], name: str, word: str, text: str) -> Parser:
    own = commands.add_parser(
        name, usage=f"pypxeboot-virt {name} [OPTION...] {word}".rstrip(), help=text, description=text
    )
    own.set_defaults(command=name)
    supervised.add_domain(own, word)
    return own


def read(argv: Sequence[str]) -> tuple[Command, BootSettings]:
    """Read the arguments of ``pypxeboot-virt``. Raises UsageError."""
    found = parser().parse_args(options.unfold(argv))
    if found.command in virt_admin.NAMES:
        return virt_admin.read(found)
    settings, uri, names = options.settings_of(found), getattr(found, "connect", None), found.positional
    if found.command == "watch":
        if names:
            raise UsageError("no domain is named: watch is for all that opt in")
        if settings.interactive:
            raise UsageError("nobody chooses when watch boots")
        return Watch(uri, argv[1:]), settings
    uuid, _name = found.supervised if hasattr(found, "supervised") else ("", "")
    if len(names) != 1 and not uuid:
        raise UsageError("one domain must be named", hint=f"pypxeboot-virt {found.command} DOMAIN")
    if found.command == "run":
        return Run(uri, argv[1:], names[0]), settings
    refused = [name for name in _NOT_HERE if name in settings.given]
    if refused:
        raise UsageError(f"--{refused[0].replace('_', '-')} is for pypxeboot itself")
    domain = DomainStart(
        uri,
        uuid or names[0],
        supervised=bool(uuid),
        replaces=hasattr(found, "replace"),
        paused=hasattr(found, "paused"),
        by=getattr(found, "by", "start"),
    )
    return Start(domain, print_xml=hasattr(found, "print_xml")), settings


@dataclass(frozen=True)
class Start(Command):
    """``pypxeboot-virt start``."""

    domain: DomainStart
    print_xml: bool

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what the domain's XML says of the guest. Raises PxeBootError."""
        return self.domain.identify(settings)

    def locate(self, settings: BootSettings) -> BootSettings:
        """Return the settings with where the guest will be connected. Raises PxeBootError."""
        return self.domain.locate(settings)

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Boot the domain, and start it or print its XML. Raises PxeBootError and BootFailed."""
        if self.print_xml:
            self.domain.print_xml(settings, process)
        else:
            self.domain.run(settings, process)
        return 0


@dataclass(frozen=True)
class Watch(Command):
    """``pypxeboot-virt watch``; ``words`` are options for each boot."""

    uri: Optional[str]
    words: Sequence[str]

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Have every domain that opts in booted, until a signal comes. Raises PxeBootError."""
        from pypxeboot.commands import hook_operation

        boot = partial(supervised.run, find_read=lambda: read)
        server = ForkServer(prepare, boot, hook_operation.run)
        try:
            events = connection.event_loop()
            boots = Boots(self.words, by="watch", server=server, limit=settings.max_boots)
            kept = marks.KeptMarks()
            server.listen(fork_socket.PATH)
            return Watcher(events, self.uri, settings, boots, kept, None).loop()
        finally:
            server.stop()


def prepare() -> None:
    """Import what boots of domains use, the client's part and what is found by name."""
    spawn.prepare()
    logs.set_level(logging.WARNING)  # as --quiet has it
    for name in {name.partition(".")[0] for names in kinds.LINKS.values() for name in names}:
        importlib.import_module(f"pypxeboot.links.{name}")
    read(["start", "--quiet", "DOMAIN"])  # parsers are made once
    options.parse(["--quiet", "--mac", "52:54:00:00:00:01", "--bridge", "br0"])


@dataclass(frozen=True)
class Run(Command):
    """``pypxeboot-virt run``; ``words`` are options for each boot, with the domain among them."""

    uri: Optional[str]
    words: Sequence[str]
    name: str

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Have the domain booted, now and whenever it reboots, until it is off. Raises PxeBootError."""
        events = connection.event_loop()
        target = Connection(self.uri).target(self.name)
        wish = domain_xml.domain(domain_xml.parse(target.stored_xml())).wish
        if wish is not None and marks.somebody_watches():
            raise UsageError(
                f"pypxeboot-virt watch has domain {printable(target.name)}", hint="virsh start will do"
            )
        start.check_off(target)
        boots = Boots(self.words, by="run", limit=settings.max_boots)
        with closing(marks.RunMarks(target.uuid)) as waits:
            watcher = Watcher(events, self.uri, settings, boots, waits, target.uuid)
            watcher.boot(target)
            return watcher.loop()
