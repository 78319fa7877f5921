"""``pypxeboot-virt start`` in a process of its own: a new one, or a fork of one that has all imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from pypxeboot.config import max_boots
from pypxeboot.errors import UsageError
from pypxeboot.host import early
from pypxeboot.privsep import logs
from pypxeboot.text import printable

if TYPE_CHECKING:
    import argparse

    from pypxeboot.commands.command import Read


def run(argv: Sequence[str], find_read: Callable[[], Read]) -> int:
    """Run the command of ``argv``; return the exit code. Nothing slow is imported before the client runs.

    ``find_read`` returns what reads the arguments; it may be slow.
    """
    for word in argv:
        if word.startswith("--supervised="):  # the log is of many domains
            logs.name(printable(_uuid_and_name(word)[1]))
    with ExitStack() as undo:
        process = None
        if "start" in argv[:1]:
            process = early.start_client(
                argv, max_boots.look_up, has_mac=True, waits=lambda: undo.enter_context(_noted(argv))
            )
        if process is not None:
            undo.callback(process.stop)
        from pypxeboot.commands import command

        return command.run(find_read(), argv, process)


def add_domain(own: argparse.ArgumentParser, word: str) -> None:
    """Add the arguments that say which domain it is; ``word`` stands for it in the usage."""
    own.add_argument("-c", "--connect", metavar="URI", help="the libvirt of this host to use (its default)")
    own.add_argument("positional", nargs="*", default=[], metavar=word or "DOMAIN", help="its name or UUID")


def add_start(own: argparse.ArgumentParser) -> None:
    """Add the options that only ``start`` has."""
    from argparse import SUPPRESS

    own.add_argument(
        "--print-xml",
        action="store_true",
        help="print the XML that would start the domain, and leave kernel and initrd for it",
    )
    own.add_argument("--paused", action="store_true", help="the domain begins paused: virsh resume")
    # Of virt/watch: it waits for the reboot of that domain, which may be renamed, and whose lines in the log
    # it names; it found the domain started by other means.
    own.add_argument("--supervised", type=_uuid_and_name, metavar="UUID/NAME", help=SUPPRESS)
    own.add_argument("--replace", action="store_true", help=SUPPRESS)
    own.add_argument("--by", choices=("run", "watch"), help=SUPPRESS)


def _uuid_and_name(text: str) -> tuple[str, str]:
    uuid, _, name = text.partition("/")
    return uuid, name


@contextmanager
def _noted(argv: Sequence[str]) -> Iterator[None]:
    """Note, so that it can be cancelled, that a domain is to be booted, of which only ``argv`` is known.

    Many may wait, so nothing of libvirt is imported.
    """
    from pypxeboot.config import options
    from pypxeboot.virt.records import ongoing

    parser = options.BootParser()
    add_domain(parser, "")
    add_start(parser)
    note = None
    with suppress(UsageError):  # who reads all of it tells
        found = parser.parse_args(options.unfold(argv[1:]))
        names = [found.supervised[1]] if hasattr(found, "supervised") else found.positional
        if len(names) == 1:
            note = ongoing.wait(names[0], getattr(found, "by", "start"))
    try:
        yield
    finally:
        if note is not None:
            note.close()
