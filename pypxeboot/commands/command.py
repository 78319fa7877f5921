"""What every command has in common: arguments in, exit code out, and one line for what went wrong."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Optional

from pypxeboot.config import merge
from pypxeboot.config.settings import BootSettings, Toolstack
from pypxeboot.errors import Aborted, HandoverError, InternalError, PxeBootError
from pypxeboot.host.output_files import write
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE
from pypxeboot.privsep import logs, signals
from pypxeboot.result import Request
from pypxeboot.text import printable, size_text

log = logging.getLogger(__name__)

_REQUESTS_SHOWN = 24  # with an error, the last ones


class Command(Toolstack):
    """A command that works by the settings of a boot, with the arguments that are its own."""

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Do what the command is for; return the exit code. Raises PxeBootError and BootFailed.

        ``process`` is a client that runs already.
        """
        raise NotImplementedError


Read = Callable[[Sequence[str]], tuple[Command, BootSettings]]
"""What reads arguments: which command they are for, and its settings. Raises UsageError."""


def run(read: Read, argv: Sequence[str], process: Optional[ClientProcess] = None) -> int:
    """Run the command that ``argv`` names; return the exit code, the cause of a failure (``errors.py``).

    ``process`` is a client that runs already; it is the caller's to stop.
    """
    logs.configure(logs.least(argv))
    json = "--json" in argv or "--output-format=json" in argv or "--output-format json" in " ".join(argv)
    requests: Sequence[Request] = ()
    try:
        command, settings = read(argv)
        json = settings.output_format == "json"
        _set_level(settings)
        with signals.signals_raise():
            settings = merge.merge(settings, command)
            if not settings.show_config:
                return command.act(settings, process)
            write(None, merge.format_settings(settings).encode())
        return 0
    except signals.BootFailed as why:
        error, requests = why.error, why.failure.requests
    except PxeBootError as why:
        error = why
    except KeyboardInterrupt:
        error = Aborted("interrupted")
    except Exception as why:
        log.debug("where it failed", exc_info=True)
        error = InternalError.of(why)
    return report_failure(error, requests, json=json)


def _set_level(settings: BootSettings) -> None:
    # Under libxl standard error is the one log that there is of a boot at night: tell all of it.
    verbosity = settings.verbose + (0 if settings.domain is None else 1) + (2 if settings.debug else 0)
    least = logging.WARNING if settings.quiet else NOTICE
    level = least if verbosity == 0 else logging.INFO if verbosity == 1 else logging.DEBUG
    logs.set_level(level)


def report_failure(error: PxeBootError, requests: Sequence[Request] = (), *, json: bool = False) -> int:
    """Say what went wrong, after what was asked for; return the exit code.

    ``json``: say it on standard output, too.
    """
    if not log.isEnabledFor(logging.INFO):
        for request in requests[-_REQUESTS_SHOWN:]:
            if request.url in error.message and request.result in error.message:
                continue  # it is the error itself
            result = size_text(request.bytes) if request.result == "ok" else request.result
            log.error("asked for %s: %s", printable(request.url, 400), printable(result, 300))
    log.error("error: %s", printable(error.message, 2000))
    if error.hint:
        log.error("hint: %s", printable(error.hint, 2000))
    if json:
        from pypxeboot.output import json_report

        with suppress(HandoverError):  # the cause is what counts
            write(None, json_report.render_failure(error, requests))
    return error.code
