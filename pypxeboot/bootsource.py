"""Where a boot begins, and what a boot loader is asked with.

:class:`BootSource` is the first, with the :class:`Kind` of its boot file; :class:`BootRequest` and the
protocol :class:`Loader` are the second.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple, Optional, Protocol

from pypxeboot.effects import Steps
from pypxeboot.entry import BootMenu, Choice
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.url import NAME_MAX, Location, as_prefix, is_absolute, parse, prefix_of, resolve

CONFIG_DIRECTORY = "pxelinux.cfg"


class Kind(str, Enum):
    """The kinds of boot files, by what is done with them; the values stand in the log.

    IPXE is a script, IPXE_BINARY a build of iPXE itself, LOCAL the guest's own disk.
    """

    PXELINUX = "pxelinux"
    IPXE = "ipxe"
    IPXE_BINARY = "ipxe-binary"
    CONFIG = "configuration of pxelinux"
    KERNEL = "kernel"
    LOCAL = "local"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class BootSource:
    """Where a boot begins: the boot file, and what the names in a configuration are relative to.

    ``server`` (an address or a name) has the files whose names give no server; ``prefix`` is PXELINUX's
    current directory, ``config_file`` the value of option 209, ``config_directory`` the directory below the
    prefix in which each guest has its configuration.
    """

    kind: Kind
    server: Optional[str]
    prefix: str
    config_file: Optional[str] = None
    bootfile: Optional[Location] = None
    config_directory: str = CONFIG_DIRECTORY


@dataclass(frozen=True)
class BootRequest:
    """One boot, as a loader is asked for it.

    ``arch`` is set only where the user named an architecture; the guest always has one. ``append`` goes to
    the end of the command line. ``label`` names the entry to boot; without it somebody at the terminal
    chooses, or the configuration does. ``patience`` is how many seconds a question that would wait for ever
    waits for the first key, None for ever. ``interactive``: the user asked for the menu (``-i``).
    """

    source: BootSource
    guest: Guest
    lease: Lease
    arch: Optional[str] = None
    append: str = ""
    label: Optional[str] = None
    patience: Optional[float] = None
    interactive: bool = False


class Loader(Protocol):
    """A boot loader: a module ``boot.py`` with these two functions, and a row in ``client/loaders.py``."""

    def boot(self, request: BootRequest) -> Steps[Choice]:
        """Find what to boot, and have its files loaded.

        Raises NoBootSource if there is no configuration, and ConfigError if it boots nothing.
        """

    def entries(self, request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
        """List what there is to choose from, and the file that says so; nothing is loaded."""


HEAD_BYTES = 1024
"""What :func:`kind_of_content` wants of the front of a file; the magic of a bzImage ends at 0x206."""

_SCRIPT = re.compile(rb"#![ig]pxe[\t\n\v\f\r ]")
_CONFIG = re.compile(
    rb"^[ \t]*(default|label|kernel|linux|ui|include|menu|prompt|timeout|say|append)[ \t]+[^\s=]",
    re.IGNORECASE | re.MULTILINE,
)
_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_KERNEL_MAGIC = ((0x202, b"HdrS"), (0, b"\x7fELF"), (0x38, b"ARM\x64"), (0x38, b"RSC\x05"))


def _is_script(head: bytes) -> bool:
    """Whether iPXE takes it for a script, which "nothing else decides" (image/script.c)."""
    return _SCRIPT.match(head) is not None


def _is_kernel(head: bytes) -> bool:
    return any(head[at : at + len(magic)] == magic for at, magic in _KERNEL_MAGIC)


def _is_config(head: bytes) -> bool:
    return _CONFIG.search(head) is not None and not _NOT_TEXT.search(head[:HEAD_BYTES])


class _Rule(NamedTuple):
    """How boot files of one kind are recognised.

    ``name`` is a regular expression for the whole of the file's name, in lower case and without its folder;
    ``content`` decides by the first bytes. None: names, or contents, do not tell this kind.
    """

    kind: Kind
    name: Optional[str] = None
    content: Optional[Callable[[bytes], bool]] = None


# A new loader, or another name that its builds have, is a row here; the first row that fits counts. The names
# are those of each loader's own builds, and of the packages that ship them.
_RULES = (
    _Rule(Kind.IPXE, r".*\.(ipxe|gpxe)", _is_script),
    _Rule(Kind.PXELINUX, r".*pxelinux.*|syslinux.*\.(efi|e32|e64)"),
    _Rule(Kind.IPXE_BINARY, r"(undionly|ipxe|gpxe|snponly|snp|netboot\.xyz).*\.(efi|0|bin)"),
    _Rule(Kind.IPXE_BINARY, r".*\.(k*pxe|lkrn|krn|dsk)"),
    _Rule(Kind.KERNEL, r"(vmlinu[xz]|bzimage).*", _is_kernel),
    _Rule(Kind.CONFIG, None, _is_config),
    _Rule(Kind.PXELINUX, r".*\.(0|n12|com)"),  # some network boot program
)


def source_of_chained(
    source: BootSource, name: str, config: Optional[str], prefix: Optional[str]
) -> BootSource:
    """Return where a PXELINUX begins that the one of ``source`` starts by ``name``.

    ``config`` and ``prefix`` are the options 209 and 210 that it is started with, if any.
    """
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
    """Return what a boot file is by its name or URL; UNKNOWN where only its content can tell."""
    base = name.partition("?")[0].replace("\\", "/").rpartition("/")[2].lower()
    for rule in _RULES:
        if rule.name is not None and re.fullmatch(rule.name, base):
            return rule.kind
    return Kind.UNKNOWN


def kind_of_content(head: bytes) -> Kind:
    """Return what a boot file is by its first HEAD_BYTES: a script, a kernel, a configuration, else PXELINUX.

    What is none of the three is a network boot program, which cannot run here: where one is offered, the
    configuration that it would read is what counts.
    """
    return next((rule.kind for rule in _RULES if rule.content and rule.content(head)), Kind.PXELINUX)


def server_and_prefix(config: str) -> tuple[Optional[str], Optional[str]]:
    """Return the server and path prefix that the URL of a configuration implies, where nothing names them.

    The files that it names lie beside it, or beside the ``pxelinux.cfg`` that it lies in. Both are None where
    ``config`` is not a URL.
    """
    scheme, separator, rest = config.partition("://")
    if not separator:
        return None, None
    directory, _slash, _name = rest.partition("?")[0].rpartition("/")
    if directory.endswith(f"/{CONFIG_DIRECTORY}"):
        directory = directory[: -len(CONFIG_DIRECTORY) - 1]
    return parse(config, None).host, f"{scheme}://{directory or rest}/"
