"""The record of a domain's boots: the last one, and how many there were, in a file of the domain's own."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.schema import SchemaError, pack, unpack

DIRECTORY = Path("/var/lib/pypxeboot/domains")
_LARGEST = 1 << 20  # bytes of a record
_FRESH = 5.0  # s
OK = "ok"


@dataclass(frozen=True)
class LastBoot:
    """How a boot went.

    ``at`` is its end, in ISO 8601; ``by`` is start, run, watch or hook; ``result`` is ``ok`` or the class
    of the error (``NoLease``), whose words are ``message``, and whose exit code is ``code``; ``run`` is
    libvirt's number of the run that came of it, 0 if none did.
    """

    at: str
    by: str
    result: str
    code: int = 0
    message: str = ""
    action: str = ""
    label: str = ""
    kernel: str = ""
    seconds: float = 0.0
    run: int = 0


@dataclass(frozen=True)
class FailureCount:
    """How many boots failed by one cause, which is the name of a class of ``errors.py``."""

    cause: str
    count: int


@dataclass(frozen=True)
class DomainRecord:
    """A domain's boots: the ``last``, how many succeeded, in how many ``seconds``, and the ``failures``."""

    uuid: str
    name: str
    mac: str
    last: LastBoot
    boots: int = 0
    seconds: float = 0.0
    failures: tuple[FailureCount, ...] = ()

    def followed(self, name: str, mac: str, last: LastBoot) -> DomainRecord:
        """Return the record with one boot more."""
        if last.result == OK:
            boots, seconds = self.boots + 1, round(self.seconds + last.seconds, 3)
            return replace(self, name=name, mac=mac, last=last, boots=boots, seconds=seconds)
        counts = {item.cause: item.count for item in self.failures}
        counts[last.result] = counts.get(last.result, 0) + 1
        failures = tuple(FailureCount(cause, count) for cause, count in sorted(counts.items()))
        return replace(self, name=name, mac=mac, last=last, failures=failures)


def note(uuid: str, name: str, mac: str, last: LastBoot) -> None:
    """Add a boot to the record of a domain. A full disk costs the record, and not the boot."""
    with suppress(OSError):
        DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(DIRECTORY, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = find(uuid) or DomainRecord(uuid, name, mac, last)
            _write(before.followed(name, mac, last))
        finally:
            os.close(lock)


def find(uuid: str) -> Optional[DomainRecord]:
    """Return the record of a domain; None where there is none that can be read."""
    return _read(DIRECTORY / f"{uuid}.json")


def is_fresh(uuid: str) -> bool:
    """Whether a domain was just started, not by the hook."""
    try:
        age = time.time() - (DIRECTORY / f"{uuid}.json").stat().st_mtime
    except OSError:
        return False
    found = find(uuid) if abs(age) < _FRESH else None
    return found is not None and found.last.result == OK and found.last.run > 0


def all_of_them() -> list[DomainRecord]:
    """Return the records of all domains, by name."""
    found = [_read(path) for path in DIRECTORY.glob("*.json")]
    return sorted((item for item in found if item is not None), key=lambda item: (item.name, item.uuid))


def forget(uuid: str) -> None:
    """Remove the record of a domain that is gone."""
    with suppress(OSError):
        (DIRECTORY / f"{uuid}.json").unlink()


def _read(path: Path) -> Optional[DomainRecord]:
    try:
        with path.open("rb") as file:
            value: Any = json.loads(file.read(_LARGEST))
        return unpack(DomainRecord, value)
    except (OSError, ValueError, RecursionError, SchemaError):
        return None


def _write(record: DomainRecord) -> None:
    path = DIRECTORY / f"{record.uuid}.json"
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            json.dump(pack(record), file)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
