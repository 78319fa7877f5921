"""``pypxeboot-virt list`` and ``status``: the domains that opt in, who boots them, and how that went last."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional
from xml.etree.ElementTree import Element

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.schema import pack
from pypxeboot.text import printable
from pypxeboot.virt import boot_files, domain_xml, hook_paths
from pypxeboot.virt.connection import Connection, DomainHandle
from pypxeboot.virt.records import marks, ongoing, record
from pypxeboot.virt.records.record import OK, DomainRecord

SCHEMA = 1
HOOKS = Path("/etc/libvirt/hooks")
_HOOK_PROGRAM = b"pypxeboot-virt-hook"
_LARGEST = 1 << 20  # bytes of a hook that is looked into


@dataclass(frozen=True)
class DomainStatus:
    """A domain: its ``state``, whether it opts in (``error``: not so that it is understood), who serves it.

    ``state`` is running, paused, off, booting, or waiting (for the next try). ``served_by`` has hook, watch,
    or neither. ``held`` are bytes of files that stay for a state file.
    """

    name: str
    uuid: str
    state: str
    opted_in: bool
    error: str
    served_by: tuple[str, ...]
    record: Optional[DomainRecord]
    held: int


def status(target: DomainHandle) -> DomainStatus:
    """Return what is known of a domain. Raises HandoverError."""
    text, root, error = target.stored_xml(), None, ""
    opted_in = domain_xml.OURS in text
    try:
        if opted_in:  # else nothing in it is ours to understand
            root = domain_xml.parse(text)
            opted_in = domain_xml.domain(root).wish is not None
    except UsageError as why:
        error = why.message
    held = boot_files.held(target.uuid)
    return DomainStatus(
        name=target.name,
        uuid=target.uuid,
        state=_state(target),
        opted_in=opted_in,
        error=error,
        served_by=()
        if root is None or error or not opted_in
        else served_by(root, persistent=target.is_persistent()),
        record=record.find(target.uuid),
        held=sum(path.stat().st_size for path in held if path.exists()),
    )


def statuses(connection: Connection) -> list[DomainStatus]:
    """Return those of all domains that opt in, or mean to. Raises HandoverError."""
    found = []
    for target in connection.targets():
        try:
            found.append(status(target))
        except (HandoverError, UsageError):
            if not target.is_gone():
                raise
    return sorted((item for item in found if item.opted_in or item.error), key=lambda item: item.name)


def served_by(root: Element, *, persistent: bool) -> tuple[str, ...]:
    """Return who boots a domain that opts in: hook, watch, both, or nobody."""
    hook = hook_paths.files(root) is not None and has_hook()
    watch = persistent and marks.somebody_watches()
    return (*(["hook"] if hook else []), *(["watch"] if watch else []))


def has_hook() -> bool:
    """Whether the hook is installed; libvirtd looks for it when it starts, and on SIGHUP."""
    for path in (HOOKS / "qemu", *sorted(HOOKS.glob("qemu.d/*"))):
        try:
            with path.open("rb") as file:
                if os.access(path, os.X_OK) and _HOOK_PROGRAM in file.read(_LARGEST):
                    return True
        except OSError:
            continue
    return False


def _state(target: DomainHandle) -> str:
    if ongoing.find(target.uuid) is not None:
        return "booting"
    if target.is_active():
        return "paused" if target.is_paused() else "running"
    return "waiting" if marks.is_retried(target.uuid) else "off"


def table(found: Sequence[DomainStatus]) -> str:
    """Return the lines of ``list``."""
    rows = [("NAME", "STATE", "BOOTED BY", "LAST BOOT", "ENTRY", "SECONDS", "RESULT")]
    for item in found:
        last = None if item.record is None else item.record.last
        shown = (
            ("never", "-", "-", "-")
            if last is None
            else (
                last.at.partition("+")[0].replace("T", " "),
                last.label or last.action or "-",
                f"{last.seconds:.1f}",
                last.result if last.result == OK else f"{last.result}: {last.message}",
            )
        )
        served = "not understood" if item.error else ", ".join(item.served_by) or "nobody"
        at, entry, seconds, result = (printable(cell, 200) for cell in shown)
        rows.append((printable(item.name, 60), item.state, served, at, entry, seconds, result))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "".join(
        " ".join((*(cell.ljust(size) for cell, size in zip(row, widths)), row[-1])).rstrip() + "\n"
        for row in rows
    )


def page(item: DomainStatus) -> str:
    """Return the lines of ``status``."""
    served = ", ".join(item.served_by) or ("nobody" if item.opted_in else "nobody: it does not opt in")
    lines = [("domain", f"{printable(item.name)} ({item.uuid})"), ("state", item.state)]
    lines.append(("booted by", f"nobody: {item.error}" if item.error else served))
    if item.record is None:
        lines.append(("last boot", "never"))
    else:
        last = item.record.last
        lines += [
            ("MAC", item.record.mac),
            ("last boot", f"{last.at}, by {last.by}, in {last.seconds:.2f} s"),
            ("result", last.result if last.result == OK else f"{last.result} ({last.code}): {last.message}"),
            ("entry", last.label or last.action),
            ("kernel", last.kernel),
        ]
        failed = ", ".join(f"{failure.count} {failure.cause}" for failure in item.record.failures)
        lines.append(("boots", f"{item.record.boots} succeeded; failed: {failed or 'none'}"))
    if item.held:
        lines.append(("kept", f"{item.held} bytes for a state file (pypxeboot-virt clean)"))
    return "".join(f"{name:10} {value}\n" for name, value in lines if value)


def document(found: Sequence[DomainStatus]) -> bytes:
    """Return them as JSON."""
    value: dict[str, Any] = {"schema": SCHEMA, "domains": pack(tuple(found))}
    return json.dumps(value, indent=1).encode() + b"\n"


def cancel(uri: Optional[str], name: str) -> str:
    """End the boot of a domain, or the wait for its next; return the line that tells. Raises PxeBootError.

    libvirt says nothing of a domain while the hook boots it, and so is asked only where no boot is under way.
    """
    by, shown = ongoing.cancel(name), printable(name)
    if by is None:
        target = Connection(uri).target(name)
        shown = printable(target.name)
        # It may wait for its turn by another word than this.
        by = ongoing.cancel(target.uuid) or ongoing.cancel(target.name)
        if by is None and marks.cancel(target.uuid):
            return f"domain {shown} is not booted, and not tried again\n"
    if by is None:
        hint = "pypxeboot-virt list shows those that are"
        raise UsageError(f"domain {shown} is not being booted", hint=hint)
    return f"the boot of domain {shown} (by {by}) is ended\n"
