"""``pypxeboot doctor``: why a guest does not boot, from the link up, each finding with what to do about it.

The host's own state is looked at first (``links/checks.py``); then the client process listens to DHCP and
boots, as far as that goes (``client/examination.py``), into files that nobody keeps. The report ends where
going on makes no sense.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pypxeboot.commands import doctor_install
from pypxeboot.commands.boot import GuestCommand
from pypxeboot.commands.command import Command
from pypxeboot.config import options, planner
from pypxeboot.config.settings import BootSettings, Toolstack
from pypxeboot.dataclass import replace
from pypxeboot.doctor import findings
from pypxeboot.doctor.findings import Finding, Level
from pypxeboot.errors import KINDS, PxeBootError, UsageError
from pypxeboot.host import output_files, session
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.links import checks
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.schema import SchemaError, unpack

_TOPICS = {3: "DHCP", 4: "boot file", 5: "config", 6: "files"}  # by the exit code of what ended a boot
_LAST_CODE = max(kind.code for kind in KINDS.values())
_MOST = 300  # findings of one client: it asks 256 files at most
_MOST_TEXT = 2 << 20  # characters of all of them, as JSON


def read(argv: Sequence[str]) -> tuple[Command, BootSettings]:
    """Read the arguments of ``pypxeboot doctor``. Raises UsageError."""
    if "--install" in argv:
        return InstallDoctor(argv), BootSettings()
    settings = options.parse(argv)
    return Doctor(settings.disk), replace(settings, disk=None)


class Doctor(GuestCommand):
    """``pypxeboot doctor``; ``guest`` names a configuration file of xl, or a domain of libvirt."""

    def __init__(self, guest: Optional[str]) -> None:
        self._guest = guest
        self._domain: Optional[Toolstack] = None

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what the guest's own configuration says of it. Raises PxeBootError."""
        guest = self._guest
        if guest is None:
            return super().identify(settings)
        if os.path.isfile(guest):  # noqa: PTH113 - its name as it was typed stands in messages
            from pypxeboot.commands import xl

            return xl.settings_of_domain(settings, guest, xl.read_file(guest))
        if "/" in guest or guest.endswith(".cfg"):
            raise UsageError(f"cannot read {guest}: there is no such file")
        from pypxeboot.virt.start import DomainStart

        self._domain = DomainStart(None, guest, supervised=False, replaces=False, paused=False, by="doctor")
        return self._domain.identify(settings)

    def locate(self, settings: BootSettings) -> BootSettings:
        """Return the settings with where the guest is connected. Raises PxeBootError."""
        return super().locate(settings) if self._domain is None else self._domain.locate(settings)

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Examine and report; without a MAC, one is made up. Return the exit code of the first failure."""
        if settings.list_entries or settings.output != "-":
            raise UsageError("the doctor boots nothing: no -l and no --output here")
        if not settings.verbose:  # the findings say all of it, and lines of a log would stand between them
            logging.getLogger("pypxeboot").setLevel(logging.ERROR)
        made_up = settings.effective_mac is None
        if made_up:  # of the range that is nobody's
            settings = replace(settings, mac=f"02:{secrets.token_bytes(5).hex(':')}")
        plan = replace(planner.plan(settings), examine=True, give_back=made_up, quiet=True)
        if os.geteuid() != 0:
            raise UsageError("only root can join a guest's network", hint="run it by sudo")
        report = _FindingsPage(shown=settings.output_format != "json")
        if made_up:
            hint = "servers that know their guests answer --mac MAC"
            report.add(findings.warn("MAC", f"none was given: {settings.mac} is made up", hint))
        for finding in checks.findings(plan.guest, settings.link):
            report.add(finding)
        if not report.failed:
            try:
                directory = settings.output_directory  # whose disk may be full: nothing stays there
                with Store(None if directory is None else Path(directory)) as store:
                    session.resolve(planner.host_plan(settings), plan, process, store, hear=report.hear)
            except BootFailed as why:
                report.end(why.error)
            except PxeBootError as why:
                report.end(why)
        return report.close()


class InstallDoctor(Command):
    """``pypxeboot doctor --install``, with its arguments."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = argv

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Report what is installed; return the exit code. Raises UsageError."""
        return doctor_install.run(self._argv)


class _FindingsPage:
    """The report: each finding is ``shown`` as it comes, or all are printed as JSON in the end."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self._findings: list[Finding] = []
        self._heard = 0  # characters

    @property
    def failed(self) -> bool:
        """Whether something ends a boot."""
        return bool(findings.exit_code(self._findings))

    def add(self, finding: Finding) -> None:
        """Add a finding, and print it if findings are shown."""
        self._findings.append(finding)
        if self._shown:
            output_files.write(None, findings.format_line(finding, self._width).encode())

    def hear(self, value: object) -> None:
        """Add a finding that the client process has sent. Raises SchemaError."""
        finding = unpack(Finding, value)
        self._heard += len(json.dumps(value))
        too_much = len(self._findings) >= _MOST or self._heard > _MOST_TEXT
        failed = finding.level is Level.FAIL
        if too_much or failed is not bool(finding.code) or finding.code > _LAST_CODE:
            raise SchemaError("a finding")
        self.add(finding)

    def end(self, error: PxeBootError) -> None:
        """Add how the boot failed, which the client may have told already."""
        if not self.failed:
            self.add(findings.fail(_TOPICS.get(error.code, "boot"), error))

    def close(self) -> int:
        """Print the verdict, or all as JSON; return the exit code."""
        if self._shown:
            output_files.write(None, f"{findings.verdict(self._findings)}\n".encode())
        else:
            output_files.write(None, findings.json_document(self._findings))
        return findings.exit_code(self._findings)
