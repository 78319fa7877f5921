"""The command ``pypxeboot``: arguments in, exit code out. The one module that prints."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Optional

from pypxeboot.commands.boot import boot_guest
from pypxeboot.config import merge, options
from pypxeboot.errors import Aborted, HandoverError, PxeBootError
from pypxeboot.host.output_files import write
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE
from pypxeboot.privsep import logs, signals
from pypxeboot.result import Request
from pypxeboot.text import printable, size_text

log = logging.getLogger(__name__)


_STORY_LINES = 24  # requests shown with an error, the last ones


def main(
    argv: Sequence[str],
    process: Optional[ClientProcess] = None,
    *,
    parse: Callable[[Sequence[str]], argparse.Namespace] = options.parse,
    act: Optional[Callable[[argparse.Namespace, Optional[ClientProcess]], Optional[int]]] = None,
    toolstack: Optional[Callable[[argparse.Namespace], None]] = None,
) -> int:
    """Run ``pypxeboot`` with ``argv``; the exit code says the cause (``errors.py``).

    ``process`` is a client that runs already; it is the caller's to stop. Another command of the project has
    its own ``parse``, and ``act`` in place of boot and handover, which may give an exit code of its own;
    ``toolstack`` is for :func:`merge.complete`.
    """
    logs.configure(NOTICE)
    args: Optional[argparse.Namespace] = None
    try:
        args = parse(argv)
        _set_level(args)
        with signals.signals_raise():
            _settle(args, toolstack)
            if not args.show_config:
                return (act or boot_guest)(args, process) or 0
            write(None, merge.shown(args).encode())
        return 0
    except signals.BootFailed as why:
        return failed(why.error, why.failure.requests, json=_wants_json(argv, args))
    except PxeBootError as why:
        return failed(why, json=_wants_json(argv, args))
    except KeyboardInterrupt:
        return failed(Aborted("interrupted"), json=_wants_json(argv, args))
    except Exception as why:
        log.debug("where it failed", exc_info=True)
        what = f"{type(why).__name__}: {printable(str(why))}"
        error = PxeBootError(f"internal error: {what}", hint="-vv shows where; please report it")
        return failed(error, json=_wants_json(argv, args))


def _wants_json(argv: Sequence[str], args: Optional[argparse.Namespace]) -> bool:
    """Whether a failure is to be told as JSON, also where the arguments themselves are wrong."""
    if args is not None:
        return bool(args.output_format == "json")
    return "--json" in argv or "--output-format=json" in argv or "--output-format json" in " ".join(argv)


def _settle(args: argparse.Namespace, toolstack: Optional[Callable[[argparse.Namespace], None]]) -> None:
    """Find out who the guest is, and what holds for it."""
    if args.domain is None:
        merge.complete(args, toolstack)
        return
    from pypxeboot.xen import identity

    identity.read_xenstore(args)
    merge.complete(args, identity.find_vif)


def _set_level(args: argparse.Namespace) -> None:
    # Under libxl standard error is the one log that there is of a boot at night: tell all of it.
    verbosity = args.verbose + (0 if args.domain is None else 1) + (2 if args.debug else 0)
    level = NOTICE if verbosity == 0 else logging.INFO if verbosity == 1 else logging.DEBUG
    logging.getLogger("pypxeboot").setLevel(level)


def failed(
    error: PxeBootError,
    requests: Sequence[Request] = (),
    *,
    json: bool = False,
) -> int:
    """Say what went wrong, after what was asked for, with ``json`` on standard output too; the exit code."""
    if not log.isEnabledFor(logging.INFO):
        for request in requests[-_STORY_LINES:]:
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
