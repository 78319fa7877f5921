"""What was found of a guest when xl first started it, kept under its UUID.

libxl reboots a domain with what it stored when that was created. But the bootloader of such a reboot may
have no ``xl create`` above it any more (xl restore, xl migrate-receive), or one whose file says something
else by now, is gone, or named another domain (xl rename). So the first start is written down, as one file a
guest, and each later one goes by that. Nobody tells when a guest is gone for good: of those that are no
domain now, the newest are kept.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import UsageError
from pypxeboot.schema import SchemaError, pack, unpack
from pypxeboot.text import printable
from pypxeboot.xen import xenstore
from pypxeboot.xen.domain_config import DomainConfig
from pypxeboot.xen.parent_xl import read_own

log = logging.getLogger(__name__)

# Its name begins with a dot, as that of no domain of pypxeboot-xl, which has its files beside it.
DIRECTORY = Path("/var/lib/pypxeboot/.guests")
_MAX_SIZE = 256 << 10  # bytes of one record; that of a guest with one vif has 300
_KEPT = 4096  # records: one file system block each, 16 MiB
_STALE = 3600.0  # s after which a file that was not finished is nobody's
_NAME = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class GuestRecord:
    """``config`` is what xl read when it created the domain, ``started`` tells which xl that was.

    ``folder`` is where it was started, which files in bootloader_args may be named by.
    """

    config: DomainConfig
    started: tuple[int, ...]
    folder: str


def load(uuid: str) -> Optional[GuestRecord]:
    """Return what is known of the guest; None if nothing is, or nothing that could be read."""
    path = DIRECTORY / uuid
    try:
        record = unpack(GuestRecord, json.loads(read_own(path, _MAX_SIZE)))
        with suppress(OSError):
            os.utime(path)  # the guest is alive
    except FileNotFoundError:
        return None
    except (OSError, UsageError, ValueError, RecursionError) as why:  # a SchemaError is a ValueError
        said = why.message if isinstance(why, UsageError) else str(why)
        log.warning("what is known of this guest cannot be read: %s: %s", path, printable(said, 200))
        return None
    return record


def keep(uuid: str, record: GuestRecord) -> None:
    """Write the record of a guest down, in place of any before. If that fails, it is told, and no more."""
    partial = DIRECTORY / f".{uuid}.{os.getpid()}"
    try:
        data = json.dumps(pack(record)).encode()
        DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        partial.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # the host may lose its power before the guest's next reboot
            partial.replace(DIRECTORY / uuid)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _forget_others()
    except (OSError, SchemaError) as why:
        said = why.strerror if isinstance(why, OSError) else str(why)
        log.warning(
            "this guest's vifs are not kept in %s (%s): after xl restore or migrate its reboot fails, unless "
            "bootloader_args have mac= and bridge=",
            DIRECTORY,
            printable(said or "", 200),
        )


def _forget_others() -> None:
    """Remove what is beyond the bound: the oldest records of guests that are no domain now."""
    names = [entry.name for entry in os.scandir(DIRECTORY)]
    if len(names) <= _KEPT:
        return
    alive = xenstore.uuids()
    ages: list[tuple[float, str]] = []
    for name in names:
        with suppress(OSError):  # another bootloader was faster
            if name in alive:
                os.utime(DIRECTORY / name)
            elif _NAME.fullmatch(name):
                ages.append(((DIRECTORY / name).stat().st_mtime, name))
            elif (DIRECTORY / name).stat().st_mtime < time.time() - _STALE:
                (DIRECTORY / name).unlink()
    for _, name in sorted(ages, reverse=True)[_KEPT:]:
        with suppress(OSError):
            (DIRECTORY / name).unlink()
