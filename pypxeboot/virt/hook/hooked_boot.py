"""What the hook had a domain boot: it stands in the metadata of the run, and so in all that is made of that.

A state file, a snapshot, a checkpoint, a migrating guest and a dumped XML name by it the files that they need
(:mod:`pypxeboot.virt.boot_files`), while the domain itself names the same few for each of its boots.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.dataclass import dataclass
from pypxeboot.errors import HandoverError
from pypxeboot.virt import arrival, boot_files, live_xml
from pypxeboot.virt.hook import files as hook_files
from pypxeboot.virt.hook_paths import HookFiles
from pypxeboot.virt.records import marks

_BY = "hook"
_DEFINITIONS, _SNAPSHOTS = Path("/etc/libvirt/qemu"), Path("/var/lib/libvirt/qemu/snapshot")
_LARGEST = 1 << 20  # bytes of a note


@dataclass(frozen=True)
class HookedBoot:
    """The files of one boot: ``config`` is for QEMU's -readconfig; no ``kernel`` is the local disk."""

    kernel: Optional[str]
    initrd: Optional[str]
    config: Optional[str]

    @property
    def paths(self) -> list[str]:
        """Return the paths of all these files."""
        return [path for path in (self.kernel, self.initrd, self.config) if path is not None]

    def put(self, files: HookFiles) -> None:
        """Put them where the domain's XML names them. Raises HandoverError."""
        hook_files.remove(files)
        if files.config is not None and self.config is not None:
            hook_files.put(self.config, files.config)
        if self.kernel is not None and files.direct:
            hook_files.put(self.kernel, files.kernel)
        if self.initrd is not None and files.direct and files.initrd is not None:
            hook_files.put(self.initrd, files.initrd)


def of(root: Element) -> Optional[HookedBoot]:
    """Return what the XML of a run tells of its boot; None where it was not the hook's, or not told yet.

    Whoever may define a domain can write that, too: files elsewhere are not ours to hand over.
    """
    told = live_xml.told(root)
    if told is None or told.get("by") != _BY:
        return None
    found = HookedBoot(told.get("kernel-file"), told.get("initrd-file"), told.get("config-file"))
    return found if all(map(boot_files.is_one, found.paths)) else None


def is_of_a_snapshot(former: HookedBoot, name: str) -> bool:
    """Whether a domain that starts by an XML of a run goes on from a snapshot.

    libvirt does not say so. But the snapshot names the run, and the definition does not: somebody may have
    defined what he dumped.
    """
    named = former.paths[-1] if former.paths else None
    if named is None or _names(_DEFINITIONS / f"{name}.xml", named):
        return False
    return any(_names(path, named) for path in (_SNAPSHOTS / name).glob("*.xml"))


def is_defined(name: str) -> bool:
    """Whether a domain has a definition that outlives its run."""
    return (_DEFINITIONS / f"{name}.xml").exists()


def _names(path: Path, named: str) -> bool:
    try:
        return named in path.read_text(errors="replace")
    except OSError:
        return False


def note(uuid: str, made: HookedBoot, details: Mapping[str, str]) -> None:
    """Note a boot, until the domain itself can tell of it. Raises HandoverError."""
    files = {"kernel-file": made.kernel, "initrd-file": made.initrd, "config-file": made.config}
    told = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), "by": _BY, **details}
    told.update({name: path for name, path in files.items() if path is not None})
    try:
        if made.config is not None:
            told["config-sha256"] = arrival.sha256(Path(made.config))
        marks.HOOK.mkdir(mode=0o700, parents=True, exist_ok=True)
        _path(uuid).write_text(json.dumps(told))
    except OSError as why:
        raise HandoverError(f"cannot write {_path(uuid)}: {why.strerror}") from None


def find(uuid: str) -> Optional[dict[str, str]]:
    """Return what is noted of a boot of which the domain does not tell yet."""
    try:
        with _path(uuid).open("rb") as file:
            value = json.loads(file.read(_LARGEST))
    except (OSError, ValueError):
        return None
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, dict) else None


def forget(uuid: str) -> None:
    """Take the note of a boot: the domain tells of it, or is off."""
    with suppress(OSError):
        _path(uuid).unlink()


def _path(uuid: str) -> Path:
    return marks.HOOK / f"{uuid}.json"
