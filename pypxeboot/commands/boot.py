"""``pypxeboot``: boot one guest, and write the result."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from pypxeboot.commands.command import Command
from pypxeboot.config import argument_parser, options, planner
from pypxeboot.config.settings import BootSettings
from pypxeboot.entry import Action
from pypxeboot.errors import NoBootSource, UsageError
from pypxeboot.host.output_files import Report, Store, write
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.host.turns import resolve
from pypxeboot.output.formats import FORMATS
from pypxeboot.output.request import OutputRequest
from pypxeboot.plan import Plan
from pypxeboot.result import BootResult, EntryList
from pypxeboot.text import printable, size_text

if TYPE_CHECKING:
    from pypxeboot.commands.report import BootReport
    from pypxeboot.xen.identity import KnownDomain

log = logging.getLogger(__name__)

# xl's child sleeps for a second and then starts xenconsole (xl_vmcontrol.c, autoconnect_console).
_CONSOLE_SECONDS = 2.5
_STARTED = time.monotonic()


class GuestCommand(Command):
    """A command about the one guest that its arguments tell of, or the domain that libxl makes."""

    _known: Optional[KnownDomain] = None

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what xenstore and xl tell of the domain."""
        if settings.domain is None:
            return settings
        from pypxeboot.xen import identity

        found, self._known = identity.identify(settings, settings.domain)
        return found

    def locate(self, settings: BootSettings) -> BootSettings:
        """Return the settings with the vif of the domain. Raises UsageError."""
        if self._known is None:
            return settings
        from pypxeboot.xen import identity

        return identity.find_vif(settings, self._known)


def read(argv: Sequence[str]) -> tuple[Command, BootSettings]:
    """Read the arguments of ``pypxeboot``. Raises UsageError."""
    return Boot(), options.parse(argv)


class Boot(GuestCommand):
    """``pypxeboot``."""

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Boot the guest, and write the result where the settings say. Raises PxeBootError and BootFailed."""
        foreign = sorted({"retry", "metrics"} & settings.given)
        if foreign:
            raise UsageError(f"--{foreign[0]} is for pypxeboot-virt")
        if settings.report is None:
            return self._boot(settings, process, None)
        from pypxeboot.commands import report

        with report.reported(settings) as (settings, page):
            return self._boot(settings, process, page)

    def _boot(
        self, settings: BootSettings, process: Optional[ClientProcess], page: Optional[BootReport]
    ) -> int:
        plan = planner.plan(settings)
        by_hand = _is_by_hand(settings)
        entries = _new_list(settings) if plan.list_entries else None
        output = None if settings.output == "-" else Report(Path(settings.output))
        directory = None if settings.output_directory is None else Path(settings.output_directory)
        succeeded = False
        try:
            with Store(directory) as store:
                if directory is not None and plan.download:
                    store.directory  # noqa: B018 - a wrong one is told before the network is asked
                result = resolve(planner.host_plan(settings), plan, process, store, entries)
                # A disk that was named is pygrub's to boot, and its result is that of a program.
                by_hand = by_hand and (result.action is not Action.LOCALBOOT or settings.disk is None)
                keep = not by_hand or settings.keep or directory is not None
                if page is not None:
                    page.result, page.directory = result, _directory_of(result) if keep else None
                if entries is not None:
                    write(output, entries.render(result.config))
                elif by_hand:
                    _summarize(result, keep=keep)
                else:
                    _hand_over(settings, plan, result, output)
                if keep:
                    store.keep()
                succeeded = True
        finally:
            if output is not None:
                if not succeeded:
                    output.discard()
                output.close()
        return 0


def _is_by_hand(settings: BootSettings) -> bool:
    """Whether a person reads the result on a terminal, and no program: nobody is going to boot it."""
    asked = settings.given & {"output", "output_format"}
    return not asked and settings.domain is None and not settings.list_entries and sys.stdout.isatty()


def _directory_of(result: BootResult) -> Optional[str]:
    kernel = result.kernel
    return str(Path(kernel.path).parent) if kernel is not None and kernel.path else None


def _summarize(result: BootResult, *, keep: bool) -> None:
    """Print the result for a person; the files stay if ``keep`` says so."""
    from pypxeboot.output import summary

    place = _directory_of(result) if keep else None
    colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") not in ("", "dumb")
    write(None, summary.render(result, place, colours=colours).encode())


def _new_list(settings: BootSettings) -> EntryList:
    """Return the list that entries are to be told in."""
    if settings.output_format == "json":
        from pypxeboot.output.json_report import EntryReport

        return EntryReport()
    from pypxeboot.output.entry_table import EntryTable

    on_terminal = settings.output == "-" and sys.stdout.isatty()
    return EntryTable(argument_parser.terminal_width() if on_terminal else None)


def _hand_over(settings: BootSettings, plan: Plan, result: BootResult, output: Optional[Report]) -> None:
    data = _render(settings, plan, result, output)
    if data is not None:
        write(output, data)
    _tell(settings, result)
    if settings.domain is not None:
        _await_console()


def _await_console() -> None:
    """``xl create -c`` hangs if its bootloader ends before the console, a second later, is attached."""
    from pypxeboot.xen import parent_xl

    xl = parent_xl.find()
    if xl is not None and xl.attaches_console:
        time.sleep(max(0.0, _CONSOLE_SECONDS - (time.monotonic() - _STARTED)))


def _render(
    settings: BootSettings, plan: Plan, result: BootResult, output: Optional[Report]
) -> Optional[bytes]:
    """Return the bytes of the result, or None where another program has written them."""
    form = FORMATS[settings.output_format]
    local = result.action is Action.LOCALBOOT
    if result.action in (Action.REBOOT, Action.POWEROFF) and not form.tells_any_action:
        raise NoBootSource(
            f"the entry says {result.action.value}: nothing boots",
            hint="--output-format shell or json tells it to scripts",
        )
    if local and form.for_xen:
        return _run_pygrub(settings, output)
    if local and form.needs_disk and settings.disk is None:
        raise NoBootSource(
            "the entry says local disk, and no disk was given", hint="name it as last argument"
        )
    request = OutputRequest(plan.guest, form.name, settings.guest_type, settings.disk)
    return form.render(result, request)


def _run_pygrub(settings: BootSettings, output: Optional[Report]) -> Optional[bytes]:
    """Have pygrub boot the guest's disk; return its result, or None where it has written that itself."""
    from pypxeboot.xen import pygrub

    path = None if output is None else Path(settings.output)
    if output is not None:
        output.appear()
    directory = None if settings.output_directory is None else Path(settings.output_directory)
    result = pygrub.run(_pygrub_arguments(settings), settings.disk, settings.output_format, path, directory)
    return result if output is None else None


def _pygrub_arguments(settings: BootSettings) -> list[str]:
    """Return the options of pygrub among ours, as libxl gave them."""
    words = [
        f"--{name}={value}"
        for name in ("kernel", "ramdisk", "args", "runas", "offset")
        if (value := getattr(settings, name))
    ]
    # Its menu needs a terminal, and draws on the one where its result would go.
    quiet = settings.quiet or settings.output == "-" or not sys.stdin.isatty()
    words += ["--quiet"] if quiet and not settings.label else []
    words += [f"--{name}" for name in ("isconfig", "debug", "interactive") if getattr(settings, name)]
    words += ["--not-really"] if settings.not_really else []
    words += [f"--output={settings.output}", f"--output-format={settings.output_format}"]
    if settings.output_directory is not None:
        words.append(f"--output-directory={settings.output_directory}")
    return words


def _tell(settings: BootSettings, result: BootResult) -> None:
    where = "standard output" if settings.output == "-" else settings.output
    kernel, ramdisk = result.kernel, result.ramdisk
    if result.action is not Action.BOOT or kernel is None:
        log.info("handed over: %s, as %s to %s", result.action.value, settings.output_format, where)
        return
    log.info("handed over as %s to %s after %.2f s", settings.output_format, where, result.seconds.total)
    if kernel.path is not None and kernel.size is not None:
        log.info("kernel %s, %s", kernel.path, size_text(kernel.size))
    if ramdisk is not None and ramdisk.path is not None and ramdisk.size is not None:
        log.info("ramdisk %s, %s", ramdisk.path, size_text(ramdisk.size))
    log.info("command line: %s", printable(result.cmdline, 8192))
