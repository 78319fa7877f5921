"""``pypxeboot-virt clean``: files that nothing needs, and those of state files that are given up.

What a definition, a running domain, a saved state, a snapshot or a checkpoint names always stays. What a
guest ran by when ``virsh save`` wrote it to a file stays until its domain is named here, or ``--all`` is
said: nobody can tell whether that file is still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pypxeboot.errors import HandoverError, UsageError
from pypxeboot.text import printable, size_text
from pypxeboot.virt import boot_files, start
from pypxeboot.virt.connection import Connection


def clean(connection: Connection, names: Sequence[str], *, all_of_them: bool, really: bool) -> str:
    """Remove files; return the lines that tell which, or would be removed where ``really`` is False.

    ``names`` are domains whose state files are given up, or UUIDs of such that are gone. Raises PxeBootError.
    """
    needed = start.needed(connection)
    if needed is None:
        raise HandoverError("libvirt does not say which files it needs", hint="virsh list --all")
    uuids = set(boot_files.domains()) if all_of_them else {_uuid(connection, name) for name in names}
    lines: list[str] = []
    for uuid in boot_files.domains():
        shown, gives_up = _name(connection, uuid), uuid in uuids
        files = boot_files.unneeded(uuid, needed, gives_up=gives_up)
        verb = "removed" if really else "would remove"
        lines += [f"{shown}: {verb} {path} ({size_text(_size(path))})" for path in files]
        if really and gives_up:
            boot_files.give_up(uuid, needed)
        elif not gives_up:
            kept = set(boot_files.unneeded(uuid, needed, gives_up=True)) - set(files)
            size = size_text(sum(map(_size, kept)))
            lines += [
                f"{shown}: {size} in {len(kept)} files stay for a state file of virsh save; "
                f"pypxeboot-virt clean {shown} gives them up"
            ] * bool(kept)
    if really:
        boot_files.sweep(lambda: start.needed(connection))
    return "".join(f"{line}\n" for line in lines)


def _uuid(connection: Connection, name: str) -> str:
    if name in boot_files.domains():
        return name
    try:
        return connection.target(name).uuid
    except UsageError:
        hint = "pypxeboot-virt clean without a name tells what is kept"
        raise UsageError(f"there is no domain {printable(name)}, and no files of one", hint=hint) from None


def _name(connection: Connection, uuid: str) -> str:
    try:
        return printable(connection.target(uuid).name)
    except UsageError:
        return uuid


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
