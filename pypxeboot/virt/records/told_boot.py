"""One boot of a domain, told at its end: in its record, in the journal, and among the figures."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import replace
from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, PxeBootError
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.virt.records import journal, metrics, ongoing, record
from pypxeboot.virt.records.record import OK, LastBoot

log = logging.getLogger(__name__)

_ERROR, _NOTICE = "3", "5"  # syslog(3)


class ToldBoot:
    """A boot that has begun, of the domain ``uuid``; ``by`` whom is start, run, watch or hook.

    ``figures`` is the path of their file, if there is one.
    """

    def __init__(self, uuid: str, name: str, mac: str, *, by: str, figures: Optional[str]) -> None:
        self._uuid, self._name, self._mac, self._by = uuid, name, mac, by
        self._figures = figures
        self._begin, self._ongoing = time.monotonic(), ongoing.Ongoing(uuid, name, by)

    def succeeded(self, result: Optional[BootResult], run: int) -> None:
        """Tell that it succeeded, by libvirt's number of the ``run``; ``result`` None: from the disk."""
        last = replace(self._last(OK), action=Action.LOCALBOOT.value, run=max(run, 0))
        if result is not None:
            kernel = "" if result.kernel is None else printable(result.kernel.url, 1000)
            label = printable(result.label or "", 400)
            last = replace(last, action=result.action.value, label=label, kernel=kernel)
        self._tell(last)

    def failed(self, error: PxeBootError) -> None:
        """Tell that it failed."""
        kind = next(kind for kind in type(error).__mro__ if "code" in vars(kind)).__name__
        self._tell(replace(self._last(kind), code=error.code, message=printable(error.message, 2000)))

    def _last(self, result: str) -> LastBoot:
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        return LastBoot(at, self._by, result, seconds=round(time.monotonic() - self._begin, 3))

    def _tell(self, last: LastBoot) -> None:
        self._ongoing.close()
        record.note(self._uuid, self._name, self._mac, last)
        journal.send(self._entry(last))
        if self._figures is not None:
            try:
                metrics.write(Path(self._figures), record.all_of_them())
            except HandoverError as why:
                log.warning("%s", why.message)

    def _entry(self, last: LastBoot) -> dict[str, str]:
        what = last.label or last.action
        ok = last.result == OK
        text = f"booted {what} in {last.seconds:.2f} s" if ok else f"the boot failed: {last.message}"
        return {
            "MESSAGE": f"domain {printable(self._name)}: {text}",
            "MESSAGE_ID": journal.BOOTED if ok else journal.FAILED,
            "PRIORITY": _NOTICE if ok else _ERROR,
            "SYSLOG_IDENTIFIER": "pypxeboot-virt",
            "DOMAIN_UUID": self._uuid,
            "DOMAIN_NAME": printable(self._name),
            "MAC": self._mac,
            "ENTRY": last.label,
            "KERNEL": last.kernel,
            "RESULT": last.result,
            "EXIT_CODE": str(last.code),
            "SECONDS": f"{last.seconds:.3f}",
            "BOOTED_BY": last.by,
        }
