"""``pypxeboot doctor``: why a guest does not boot, from the link up, each finding with what to do about it.

The host's own state is looked at first (``links/checks.py``); then the client process listens to DHCP and
boots, as far as that goes (``client/examination.py``), into files that nobody keeps. The report ends where
going on
makes no sense.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
from dataclasses import replace
from typing import Optional

from pypxeboot.config import planner
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


def act(args: argparse.Namespace, process: Optional[ClientProcess]) -> int:
    """Examine and report; without a MAC, one is made up. The exit code is that of the first failure."""
    if args.list_entries or args.output != "-" or args.output_directory is not None:
        raise UsageError("the doctor boots nothing: no -l, --output and --output-directory here")
    made_up = not (args.mac or args.vif.get("mac"))
    if made_up:
        args.mac = f"02:{secrets.token_bytes(5).hex(':')}"  # of the range that is nobody's
    plan = replace(planner.plan_of(args), examine=True, give_back=made_up, quiet=True)
    if os.geteuid() != 0:
        raise UsageError("only root can join a guest's network", hint="run it by sudo")
    report = _FindingsPage(shown=args.output_format != "json")
    if made_up:
        hint = "servers that know their guests answer --mac MAC"
        report.add(findings.warn("MAC", f"none was given: {args.mac} is made up", hint))
    for finding in checks.findings(plan.guest, args.link):
        report.add(finding)
    if not report.failed:
        try:
            with Store(None) as store:
                session.resolve(args, plan, process, store, hear=report.hear)
        except BootFailed as why:
            report.end(why.error)
        except PxeBootError as why:
            report.end(why)
    return report.close()


class _FindingsPage:
    """What was found; ``shown`` while it is found, or as JSON in the end."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown
        self._width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self._findings: list[Finding] = []

    @property
    def failed(self) -> bool:
        """Whether something ends a boot."""
        return bool(findings.exit_code(self._findings))

    def add(self, finding: Finding) -> None:
        """One more."""
        self._findings.append(finding)
        if self._shown:
            output_files.write(None, findings.format_line(finding, self._width).encode())

    def hear(self, value: object) -> None:
        """One more, in the words of the client process. Raises SchemaError."""
        finding = unpack(Finding, value)
        failed = finding.level is Level.FAIL
        if len(self._findings) >= _MOST or failed is not bool(finding.code) or finding.code > _LAST_CODE:
            raise SchemaError("a finding")
        self.add(finding)

    def end(self, error: PxeBootError) -> None:
        """The boot failed, which the client may have told already."""
        if not self.failed:
            self.add(findings.fail(_TOPICS.get(error.code, "boot"), error))

    def close(self) -> int:
        """The last line; the exit code."""
        if self._shown:
            output_files.write(None, f"{findings.verdict(self._findings)}\n".encode())
        else:
            output_files.write(None, findings.json_document(self._findings))
        return findings.exit_code(self._findings)
