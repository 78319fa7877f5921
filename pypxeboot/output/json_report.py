"""The JSON result (schema version 1), and the list of entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from pypxeboot.errors import PxeBootError
from pypxeboot.output.request import OutputRequest
from pypxeboot.result import BootResult, EntryList, ListedEntry, Request
from pypxeboot.schema import pack
from pypxeboot.text import encode

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


class EntryReport(EntryList):
    """The list of entries as JSON: each has the fields of :class:`~pypxeboot.result.ListedEntry`."""

    def __init__(self) -> None:
        self._entries: list[str] = []

    def add(self, entries: Iterable[ListedEntry]) -> None:
        """Take the next entries."""
        self._entries += [json.dumps(pack(entry), indent=1).replace("\n", "\n  ") for entry in entries]

    def clear(self) -> None:
        """Forget them all."""
        self._entries.clear()

    def render(self, config: Optional[str]) -> bytes:
        """Return the list; its entries are of the configuration ``config``, a URL."""
        listed = ",".join([f"\n  {entry}" for entry in self._entries])
        whole = _dump({"schema": SCHEMA, "config": config, "entries": []})
        return whole.replace(b"[]\n}", b"[%b\n ]\n}" % listed.encode()) if listed else whole
