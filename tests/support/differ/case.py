"""What a differ passes around: cases, what came of them, and what a loader has to have to be compared.

A further loader is a module with a :class:`DifferLoader`, and a row in ``__main__.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Optional, Protocol

from tests.support.ground import kernels

Texts = Mapping[str, str]
"""The files that are random, by their names under the server's root."""

# The kernels and ramdisks that are served beside them; a kernel says its tag.
KERNELS = ("k1", "k2", "k3", "sub/k1")
_SHOWN = 300  # bytes of a ramdisk, where a difference is told
RAMDISKS = {"i1": "INITRD-ONE\n", "i2": "INITRD-TWO-22\n", "sub/i1": "SUB-I1\n"}


@dataclass(frozen=True)
class Outcome:
    """What a boot came to: a kernel by its tag, with what it was handed; the local disk; else nothing.

    ``ramdisk`` is its begin, ``size`` and ``checksum`` (FNV-1a) are of all of it. ``requests`` are what a web
    server was asked for, method and path. ``endless``: it was cut off, and would have gone on for ever.
    """

    kernel: Optional[str] = None
    cmdline: str = ""
    ramdisk: bytes = b""
    size: int = 0
    checksum: int = 0
    local: bool = False
    requests: tuple[str, ...] = ()
    endless: bool = False

    def __str__(self) -> str:
        if self.kernel is None:
            what = "the local disk" if self.local else "nothing"
        else:
            what = f"{self.kernel} {self.cmdline!r} {self.size} bytes {self.ramdisk[:_SHOWN]!r}"
        return f"{what}; asked for {' '.join(self.requests)}" if self.requests else what


def booted(tag: Optional[str], cmdline: str, ramdisk: bytes, requests: tuple[str, ...] = ()) -> Outcome:
    """Return the outcome of a boot of ours."""
    begin, checksum = ramdisk[: kernels.SHOWN], kernels.checksum(ramdisk) if ramdisk else 0
    return Outcome(tag, cmdline, begin, len(ramdisk), checksum, requests=requests)


class DifferLoader(Protocol):
    """A loader, real and ours."""

    @property
    def boot_file(self) -> str:
        """What DHCP names as the boot file."""

    @property
    def http(self) -> bool:
        """Whether its files come by HTTP; then requests are compared, too."""

    def program(self) -> Mapping[str, bytes]:
        """Return the files of the real loader itself, served beside the case."""

    def make(self, random: Random) -> Texts:
        """Make a random configuration."""

    def ours(self, raw: dict[str, Any], files: Mapping[str, bytes]) -> Outcome:
        """Boot a case in pypxeboot, from a dict of files."""

    def explain(self, texts: Texts, real: Outcome, ours: Outcome) -> str:
        """Say why the two differ on purpose; nothing if no reason is known."""


def raw_case(loader: DifferLoader, texts: Texts, name: str = "differ") -> dict[str, Any]:
    """Return a case in the form of the recorded boots (``tests/data/recorded``)."""
    files = {**dict.fromkeys(KERNELS, "@kernel"), **RAMDISKS, **texts}
    files["sub/k1"] = "@kernel:sub"
    web = {"http": True, "dns": {"#": "10.77.0.1"}} if loader.http else {}
    return {
        "name": name,
        "files": files,
        "dhcp": {"filename": loader.boot_file, **web},
        "client": {},
        "keys": [],
        "observed": {
            **dict.fromkeys(("kernel", "initrds", "cmdline", "other")),
            "localboot": False,
            "requests": [],
        },
    }


def report(raw: dict[str, Any], real: Outcome, ours: Outcome) -> str:
    """Return a case with what the real loader did, as it can be recorded, and what ours did below it."""
    ramdisk = {"size": len(real.ramdisk), "data": real.ramdisk.decode("latin-1")} if real.ramdisk else None
    observed = {
        "kernel": real.kernel,
        "initrds": ramdisk,
        "cmdline": real.cmdline.encode("utf-8", "surrogateescape").decode("latin-1") if real.kernel else None,
        "localboot": real.local,
        "other": None,
        "requests": [["http", "10.77.0.1", path.partition(" ")[2], ""] for path in real.requests],
        "methods": [path.partition(" ")[0] for path in real.requests],
    }
    return f"{json.dumps({**raw, 'observed': observed}, indent=1)}\nreal: {real}\nours: {ours}"
