"""What a boot file is: a loader, a script, a configuration, a kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import Optional

from pypxeboot.url import NAME_MAX, Location, as_prefix, is_absolute, parse, prefix_of, resolve

CONFIG_DIRECTORY = "pxelinux.cfg"


class Kind(str, Enum):
    """What the boot file is."""

    PXELINUX = "pxelinux"
    IPXE = "ipxe"
    IPXE_BINARY = "ipxe-binary"
    CONFIG = "configuration of pxelinux"
    KERNEL = "kernel"
    LOCAL = "local"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BootSource:
    """Where a boot begins.

    ``server`` is what names without a server mean (an address or a name), ``prefix`` PXELINUX's current
    directory, ``config_file`` the value of option 209; ``config_directory`` holds the files for each guest.
    """

    kind: Kind
    server: Optional[str]
    prefix: str
    config_file: Optional[str] = None
    bootfile: Optional[Location] = None
    config_directory: str = CONFIG_DIRECTORY


# As much of a boot file as `judge` looks at: the magic of a bzImage ends at 0x206.
JUDGE_BYTES = 1024

# Names tell most boot files: the ones of each loader's own builds, and of the packages that ship them.
_IPXE_SCRIPT = re.compile(r".*\.(ipxe|gpxe)")
_PXELINUX = re.compile(r".*pxelinux.*|syslinux.*\.(efi|e32|e64)")
_IPXE_BINARY = re.compile(
    r"(undionly|ipxe|gpxe|snponly|snp|netboot\.xyz).*\.(efi|0|bin)|.*\.(k*pxe|lkrn|krn|dsk)"
)
_KERNEL = re.compile(r"(vmlinu[xz]|bzimage).*")
_NBP = re.compile(r".*\.(0|n12|com)")
# The first that matches counts.
_KINDS = (
    (Kind.IPXE, _IPXE_SCRIPT),
    (Kind.PXELINUX, _PXELINUX),
    (Kind.IPXE_BINARY, _IPXE_BINARY),
    (Kind.KERNEL, _KERNEL),
    (Kind.PXELINUX, _NBP),
)

_SCRIPT = re.compile(rb"#![ig]pxe[\t\n\v\f\r ]")
_CONFIG = re.compile(
    rb"^[ \t]*(default|label|kernel|linux|ui|include|menu|prompt|timeout|say|append)[ \t]+[^\s=]",
    re.IGNORECASE | re.MULTILINE,
)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_KERNEL_MAGIC = ((0x202, b"HdrS"), (0, b"\x7fELF"), (0x38, b"ARM\x64"), (0x38, b"RSC\x05"))


def chained(source: BootSource, name: str, config: Optional[str], prefix: Optional[str]) -> BootSource:
    """Where the PXELINUX named ``name`` begins when another one starts it with options 209 and 210."""
    location = resolve(name, source.prefix, source.server)
    path = name.partition("::")[2] if is_absolute(name) and "://" not in name else name
    server = location.host if location.scheme == "tftp" else source.server
    return replace(
        source,
        server=server,
        prefix=as_prefix(prefix_of(path) if prefix is None else prefix)[:NAME_MAX],
        config_file=config,
        bootfile=location,
    )


def kind_of_name(name: str) -> Kind:
    """What a boot file's name tells about it; UNKNOWN where only its content can."""
    base = name.partition("?")[0].replace("\\", "/").rpartition("/")[2].lower()
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(base)), Kind.UNKNOWN)


def judge(data: bytes) -> Kind:
    """What a boot file is, by its first JUDGE_BYTES: a script, a kernel, a configuration, else a program.

    "#!ipxe or #!gpxe followed by whitespace; nothing else decides." (iPXE, image/script.c) A bootstrap
    program cannot run here; where one is offered, the configuration it would read is what counts.
    """
    if _SCRIPT.match(data):
        return Kind.IPXE
    if any(data[at : at + len(magic)] == magic for at, magic in _KERNEL_MAGIC):
        return Kind.KERNEL
    if _CONFIG.search(data) and not _NO_TEXT.search(data[:JUDGE_BYTES]):
        return Kind.CONFIG
    return Kind.PXELINUX


def beside(config: str) -> tuple[Optional[str], Optional[str]]:
    """Server and path prefix that the URL of a configuration implies, where nothing else names them.

    Files lie beside it, or beside the ``pxelinux.cfg`` that it lies in; both are None for what is no URL.
    """
    scheme, separator, rest = config.partition("://")
    if not separator:
        return None, None
    directory, _slash, _name = rest.partition("?")[0].rpartition("/")
    if directory.endswith(f"/{CONFIG_DIRECTORY}"):
        directory = directory[: -len(CONFIG_DIRECTORY) - 1]
    return parse(config, None).host, f"{scheme}://{directory or rest}/"
