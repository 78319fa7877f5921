"""A guest that goes on here, restored or migrated: its files have to be here, and its reboots work."""

from __future__ import annotations

import hashlib
from pathlib import Path
from xml.etree.ElementTree import Element

from pypxeboot.errors import Refused
from pypxeboot.virt import boot_files, live_xml

_BLOCK = 1 << 20  # bytes
_FILES = ("kernel", "initrd", "config")


def check_files(root: Element) -> None:
    """Raise Refused where a file of the boot that the XML of a run tells of is not here, or is another."""
    told = live_xml.told(root) or {}
    for name in _FILES:
        path, digest = (
            told.get(f"{name}-file") or root.findtext(f"os/{name}") or "",
            told.get(f"{name}-sha256"),
        )
        if digest is None or Path(path).parent.parent != boot_files.DIRECTORY:
            continue
        try:
            found = sha256(Path(path))
        except OSError as why:
            raise Refused(
                f"the {name} that the guest was booted with, {path}, is not on this host: {why.strerror}",
                hint=f"pypxeboot-virt migrate sends it; its SHA-256 is {digest}",
            ) from None
        if found != digest:
            raise Refused(
                f"{path} is not the {name} that the guest was booted with: its SHA-256 is {found}",
                hint=f"pypxeboot-virt migrate sends the right one, whose SHA-256 is {digest}",
            )


def ends_at_reboot(root: Element) -> bool:
    """Whether a guest ends where it reboots, for somebody who waited for that when it was booted."""
    told = live_xml.told(root)
    before = "" if told is None else told.get("on_reboot", "restart")
    return bool(before) and root.findtext("on_reboot", before) != before


def reboots_by_itself(root: Element) -> bool:
    """Have such a guest reboot by itself; return whether that is new."""
    element = root.find("on_reboot")
    if element is None or not ends_at_reboot(root):
        return False
    element.text = (live_xml.told(root) or {}).get("on_reboot", "restart")
    return True


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
    return found.hexdigest()
