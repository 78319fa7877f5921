"""The JSON result (schema version 1), and the list of entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Optional

from pypxeboot.artifacts import Artifacts, ListedEntry, Request
from pypxeboot.errors import PxeBootError
from pypxeboot.guest import Guest
from pypxeboot.schema import pack
from pypxeboot.text import printable

SCHEMA = 1


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def render(artifacts: Artifacts, guest: Guest) -> bytes:
    """The result of a boot."""
    packed = pack(artifacts)
    identity = {"mac": guest.mac, "uuid": guest.uuid, "arch": guest.arch}
    keys = "lease loader config label reason kernel initrds ramdisk modules dtb cmdline".split()
    keys += ["requests", "seconds", "warnings"]
    return _dump(
        {
            "schema": SCHEMA,
            "action": packed["action"],
            "guest": identity,
            **{key: packed[key] for key in keys},
        }
    )


def render_failure(error: PxeBootError, requests: Sequence[Request]) -> bytes:
    """What stands on standard output when there is no result."""
    kind = next(kind for kind in type(error).__mro__ if "code" in vars(kind)).__name__
    described = {"code": error.code, "kind": kind, "message": error.message, "hint": error.hint}
    return _dump({"schema": SCHEMA, "error": described, "requests": pack(tuple(requests))})


def render_entries(artifacts: Artifacts) -> bytes:
    """The entries of the menu, as JSON."""
    return _dump({"schema": SCHEMA, "config": artifacts.config, "entries": pack(artifacts.entries)})


def table(entries: Sequence[ListedEntry]) -> str:
    """The entries of the menu, for a person: ``*`` marks the default."""
    rows = [("", "#", "LABEL", "BOOTS")]
    for number, entry in enumerate(entries, 1):
        mark = "*" if entry.default else ""
        title = (
            f"{entry.label} ({entry.title})" if entry.title and entry.title != entry.label else entry.label
        )
        rows.append((mark, str(number), printable(title, 60), _boots(entry)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = (
        " ".join((*(cell.ljust(width) for cell, width in zip(row, widths)), row[3])).rstrip() for row in rows
    )
    return "\n".join(lines) + "\n"


def _boots(entry: ListedEntry) -> str:
    if entry.kernel is None:
        return entry.action.value
    parts: list[Optional[str]] = [entry.kernel, *(f"initrd {url}" for url in entry.initrds), entry.cmdline]
    return printable("; ".join(part for part in parts if part), 400)
