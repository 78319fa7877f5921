"""One operation of libvirt's hook: its log, its one line for libvirt, and its exit code."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from typing import Optional

from pypxeboot.errors import InternalError, PxeBootError, UsageError
from pypxeboot.limits import NOTICE
from pypxeboot.privsep import logs, signals
from pypxeboot.text import printable
from pypxeboot.virt import domain_xml
from pypxeboot.virt.hook.operations import handle_operation

log = logging.getLogger(__name__)

_JOURNAL = "/run/systemd/journal/stdout"
_JOURNAL_HEADER = "pypxeboot-virt-hook\n\n6\n0\n0\n0\n0\n"


def run(argv: Sequence[str], xml: bytes) -> int:
    """Handle what libvirt tells by ``argv`` and the ``xml`` of a domain; return the exit code."""
    shown = os.dup(2)
    _tell_the_journal()
    error = _handle(argv, xml)
    if error is not None:
        line = f"pypxeboot: {printable(error.message, 2000)}"
        line += f" ({printable(error.hint, 2000)})" if error.hint else ""
        os.write(shown, f"{line}\n".encode())
    return 0 if error is None else error.code


def _tell_the_journal() -> None:
    """Have standard error go there: libvirt keeps nothing of a hook that succeeds, and of others all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as journal:
        try:
            journal.connect(_JOURNAL)
            journal.sendall(_JOURNAL_HEADER.encode())
            os.dup2(journal.fileno(), 2)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _handle(argv: Sequence[str], xml: bytes) -> Optional[PxeBootError]:
    """Handle what libvirt tells; return the error, if it failed."""
    logs.configure(NOTICE)
    try:
        if len(argv) < 3:
            raise UsageError(
                "this is a hook, which libvirt runs", hint="install it as hooks/qemu.d/pypxeboot"
            )
        logs.name(printable(argv[0]))
        with signals.signals_raise():
            root = domain_xml.parse(xml.decode("utf-8", "replace"))
            changed = handle_operation(argv[1], argv[3] if len(argv) > 3 else "", root)
            if changed is not None:
                sys.stdout.buffer.write(changed.encode())
                sys.stdout.flush()
        return None
    except signals.BootFailed as why:
        error = why.error
    except PxeBootError as why:
        error = why
    except Exception as why:
        log.debug("where it failed", exc_info=True)
        error = InternalError.of(why)
    log.error("error: %s", printable(error.message, 2000))
    return error
