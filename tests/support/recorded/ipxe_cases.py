"""Recorded boots of iPXE that end otherwise on purpose, and their initrds."""

from __future__ import annotations

from tests.support.recorded.boots import Case

DIFFERENCES = {
    "menu-choose-no-timeout": "a menu that waits for ever takes what Enter would boot",
    "no-shebang": "a file of text is refused: the real one ran it as a boot program, and hung",
    "http-params": "that build had no params; the newer one, which this follows, sends them",
}
"""Cases that end otherwise on purpose, and why."""


def ramdisk(case: Case) -> bytes:
    """The recorded ramdisk; where a kernel is in it, with the file that stands for it here."""
    if case.name != "two-kernels":
        return case.expected.initrd or b""
    recorded, file = case.expected.initrd or b"", case.files["vmlinuz"]
    return recorded[:54] + b"%08x" % len(file) + recorded[62:116] + file
