"""Figures for Prometheus, as a file for the textfile collector of node_exporter.

Source: "Exposition formats" of Prometheus' documentation.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from pypxeboot.errors import HandoverError
from pypxeboot.virt.records.record import OK, DomainRecord

_MODE = 0o644  # the collector is somebody else


def write(path: Path, records: Sequence[DomainRecord]) -> None:
    """Write the figures of all domains; who reads sees the old file or the new one. Raises HandoverError."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
            with os.fdopen(os.open(fresh, flags, _MODE), "w", encoding="utf-8", errors="replace") as file:
                os.fchmod(file.fileno(), _MODE)
                file.write(render(records))
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as why:
        raise HandoverError(f"cannot write {path}: {why.strerror}") from None


def render(records: Sequence[DomainRecord]) -> str:
    """Return the figures as text."""
    lines: list[str] = []

    def add(name: str, kind: str, text: str, values: Iterable[tuple[str, float]]) -> None:
        lines.extend((f"# HELP {name} {text}", f"# TYPE {name} {kind}"))
        lines.extend(f"{name}{{{labels}}} {value:.15g}" for labels, value in values)

    of = {item.uuid: f'domain="{_escaped(item.name)}",uuid="{item.uuid}"' for item in records}
    add(
        "pypxeboot_boots_total",
        "counter",
        "Network boots of the domain that succeeded.",
        ((of[item.uuid], item.boots) for item in records),
    )
    add(
        "pypxeboot_boot_failures_total",
        "counter",
        "Network boots of the domain that failed, by cause.",
        (
            (f'{of[item.uuid]},cause="{_escaped(failure.cause)}"', failure.count)
            for item in records
            for failure in item.failures
        ),
    )
    add(
        "pypxeboot_boot_seconds_total",
        "counter",
        "Seconds that the boots took which succeeded.",
        ((of[item.uuid], item.seconds) for item in records),
    )
    add(
        "pypxeboot_last_boot_success",
        "gauge",
        "Whether the last network boot of the domain succeeded.",
        ((of[item.uuid], float(item.last.result == OK)) for item in records),
    )
    add(
        "pypxeboot_last_boot_timestamp_seconds",
        "gauge",
        "When the last network boot of the domain ended.",
        ((of[item.uuid], _timestamp(item.last.at)) for item in records),
    )
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _timestamp(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
