"""The JSON result (schema version 1), and the list of entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Optional

from pypxeboot.errors import PxeBootError
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult, ListedEntry, Request
from pypxeboot.schema import pack
from pypxeboot.text import encode, printable

SCHEMA = 1


def _dump(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode() + b"\n"


def render(result: BootResult, request: OutputRequest) -> bytes:
    """Return the result of a boot as JSON."""
    guest, packed = request.guest, pack(result)
    identity = {"mac": guest.mac, "uuid": guest.uuid, "arch": guest.arch}
    keys = "lease loader config label reason kernel initrds ramdisk modules".split()
    if result.dtb is not None:  # few guests have one
        keys.append("dtb")
    if result.failure is not None:
        keys.insert(keys.index("reason") + 1, "failure")
    keys += ["cmdline", "requests", "seconds", "warnings"]
    return _dump(
        {
            "schema": SCHEMA,
            "action": packed["action"],
            "guest": identity,
            **{key: packed[key] for key in keys},
            "sev": _sev(result),
        }
    )


def _sev(result: BootResult) -> Optional[dict[str, str]]:
    """Return the digests of QEMU's SEV hash table, for who attests a confidential guest that boots this.

    None where there are no files to hash, or multiboot modules, which the table does not know. Source:
    target/i386/sev.c, sev_add_kernel_loader_hashes(): the kernel, the initrd (of no bytes where there is
    none), the command line with the NUL at its end.
    """
    kernel, ramdisk = result.kernel, result.ramdisk
    if kernel is None or kernel.sha256 is None or result.modules:
        return None
    initrd = hashlib.sha256().hexdigest() if ramdisk is None else str(ramdisk.sha256)
    cmdline = hashlib.sha256(encode(result.cmdline) + b"\0").hexdigest()
    return {"kernel": kernel.sha256, "initrd": initrd, "cmdline": cmdline}


def render_failure(error: PxeBootError, requests: Sequence[Request]) -> bytes:
    """Return what stands on standard output when the boot failed, as JSON."""
    kind = next(kind for kind in type(error).__mro__ if "code" in vars(kind)).__name__
    described = {"code": error.code, "kind": kind, "message": error.message, "hint": error.hint}
    return _dump({"schema": SCHEMA, "error": described, "requests": pack(tuple(requests))})


def render_entries(result: BootResult) -> bytes:
    """Return the entries of the menu, as JSON."""
    return _dump({"schema": SCHEMA, "config": result.config, "entries": pack(result.entries)})


def table(entries: Sequence[ListedEntry], width: Optional[int] = None) -> str:
    """Return the entries of the menu, for a person.

    ``*`` marks the default, and the title of a submenu stands in front of those in it.

    Lines are cut at ``width`` columns, where that is given.
    """
    rows = [("", "#", "LABEL", "TITLE", "BOOTS")]
    for number, entry in enumerate(entries, 1):
        mark = "*" if entry.default else ""
        title = entry.title or entry.label
        named = title == entry.label and not entry.menu
        path = "" if named else printable(" > ".join((*entry.menu, title)), 200)
        rows.append((mark, str(number), printable(entry.label, 60), path, _boots(entry)))
    *columns, boots = map(list, zip(*rows))
    if not any(columns[3][1:]):
        columns[3][0] = ""
    elif width is not None:  # labels are to be typed, so they stay whole; titles leave room for the rest
        columns[3] = [_cut(title, max(width // 3, 10)) for title in columns[3]]
    cells = [_padded(column) for column in columns if any(column)]
    lines = [" ".join(line).rstrip() for line in zip(*cells, boots)]
    return "".join([f"{_cut(line, width)}\n" for line in lines])


def _padded(column: Sequence[str]) -> list[str]:
    size = max(map(len, column))
    return [cell.ljust(size) for cell in column]


def _cut(text: str, width: Optional[int]) -> str:
    return text if width is None or len(text) <= width else text[: max(width - 3, 0)] + "..."[:width]


def _boots(entry: ListedEntry) -> str:
    if entry.kernel is None:
        return printable(entry.meaning, 400) or entry.action.value
    parts = [entry.kernel, *[f"initrd {url}" for url in entry.initrds]]
    if entry.modules:
        parts += [f"module {module}" for module in entry.modules]
    if entry.dtb:
        parts.append(f"dtb {entry.dtb}")
    if entry.cmdline:
        parts.append(entry.cmdline)
    return printable("; ".join(parts), 400)
