"""Where a boot begins, and what a boot loader is asked with.

:class:`BootSource` is the first, with the :class:`Kind` of its boot file; :class:`BootRequest` and the
protocol :class:`Loader` are the second.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple, Optional, Protocol

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Steps
from pypxeboot.entry import BootMenu, Choice
from pypxeboot.errors import ConfigError
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease
from pypxeboot.text import printable
from pypxeboot.url import NAME_MAX, Location, as_prefix, is_absolute, parse, prefix_of, resolve

CONFIG_DIRECTORY = "pxelinux.cfg"


class Kind(str, Enum):
    """The kinds of boot files, by what is done with them; the values stand in the log.

    IPXE is a script, IPXE_BINARY a build of iPXE itself, LOCAL the guest's own disk. GRUB is a program of it,
    or shim, which starts one.
    """

    PXELINUX = "pxelinux"
    GRUB = "grub"
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
"""What :func:`kind_of_content` wants of the front of a file; the magic of a bzImage ends at 0x206.

Of a program for EFI it takes more, if there is more: the name of a loader stands somewhere behind its front.
"""

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
    unified = _is_efi(head) and re.search(rb"\.linux\0\0", head[:4096]) is not None
    return unified or any(head[at : at + len(magic)] == magic for at, magic in _KERNEL_MAGIC)


def _is_config(head: bytes) -> bool:
    return _CONFIG.search(head) is not None and not _NOT_TEXT.search(head[:HEAD_BYTES])


def _is_efi(head: bytes) -> bool:
    """Whether it is a program for EFI, whichever."""
    return head[:2] == b"MZ"


def _is_efi_ipxe(head: bytes) -> bool:
    return _is_efi(head) and (b"iPXE" in head or b"gPXE" in head) and b"GRUB" not in head


def _is_efi_syslinux(head: bytes) -> bool:
    return _is_efi(head) and b"SYSLINUX" in head.upper() and b"GRUB" not in head


def _is_bios_grub(head: bytes) -> bool:
    """Whether it is GRUB's PXE image: a jump, and its start behind it (boot/i386/pc/startup_raw.S)."""
    return re.search(rb"\xea.\x82\x00\x00", head[:4096], re.DOTALL) is not None


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
    _Rule(Kind.GRUB, r"(grub|shim|core|bootnet|bootgrub).*\.(efi|0|efi\.signed)|shim|grub\.cfg.*"),
    _Rule(Kind.KERNEL, r"(vmlinu[xz]|bzimage).*", _is_kernel),
    _Rule(Kind.IPXE_BINARY, None, _is_efi_ipxe),
    _Rule(Kind.PXELINUX, None, _is_efi_syslinux),
    _Rule(Kind.GRUB, None, _is_efi),  # shim, GRUB, or what only firmware can run: GRUB's files may be there
    _Rule(Kind.GRUB, None, _is_bios_grub),
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
    """Return what a boot file is by its first bytes: a script, a kernel, a configuration, a program.

    A network boot program cannot run here: where one is offered, the configuration that it would read is what
    counts, and where nothing tells whose it is, that is PXELINUX's.
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


def describe_content(head: bytes) -> str:
    """Say in words what a file seems to be that is not what it should be, by its first bytes."""
    for magic, offset, words in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return words
    # A far jump to itself at 0x7c00, as 0000:7cxx (PXELINUX, GRUB) or 07c0:00xx (iPXE, gPXE).
    if head[:1] == b"\xea" and (head[2:5] == b"\x7c\0\0" or head[2:5] == b"\0\xc0\x07"):
        return "a PXE network boot program, which needs firmware"
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or (
        any(head[:16:2]) and len(head) > 3 and not any(head[1:16:2])
    ):
        return "text in UTF-16"
    start = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return PAGE
    if start.startswith((b"#!ipxe", b"#!gpxe")):
        return "an iPXE script"
    if start.startswith(b"#!"):
        return "a script"
    if not any(byte < 9 or 13 < byte < 32 for byte in head[:512]):
        return "a configuration of GRUB" if _GRUB.search(head) else "JSON" if _JSON.match(start) else "text"
    if head[510:512] == b"\x55\xaa":
        return "a boot sector or a disk image"
    if not any(head):
        return "nothing but zeros"
    return f"nothing known (it begins with {head[:8].hex(' ')})"


_MAGICS = (
    (b"\x1f\x8b", 0, "a file compressed with gzip"),
    (b"070701", 0, "a cpio archive (an initrd?)"),
    (b"070702", 0, "a cpio archive (an initrd?)"),
    (b"\xfd7zXZ\0", 0, "a file compressed with xz (an initrd?)"),
    (b"\x28\xb5\x2f\xfd", 0, "a file compressed with zstd (an initrd?)"),
    (b"BZh", 0, "a file compressed with bzip2 (an initrd?)"),
    (b"\x02\x21\x4c\x18", 0, "a file compressed with lz4 (an initrd?)"),
    (b"\x04\x22\x4d\x18", 0, "a file compressed with lz4 (an initrd?)"),
    (b"\x89LZO\0", 0, "a file compressed with lzop (an initrd?)"),
    (b"hsqs", 0, "a squashfs image"),
    (b"CD001", 0x8001, "an ISO image"),
    (b"%PDF", 0, "a PDF document"),
    (b"PK\x03\x04", 0, "a ZIP archive"),
    (b"!<arch>\n", 0, "a Debian package or an archive"),
    (b"\xed\xab\xee\xdb", 0, "an RPM package"),
    (b"ustar", 257, "a tar archive"),
    (b"\xd0\x0d\xfe\xed", 0, "a device tree, or a FIT image, which is U-Boot's alone"),
    (b"MZ", 0, "an EFI program, which needs firmware"),
    (b"\xfe\x4c\x01\x23", 4, "a COM32 module"),
    (b"\xb8\xff\x4c\xcd\x21", 0, "a COM32 module"),
)
_GRUB = re.compile(rb"^[ \t]*(menuentry|submenu|insmod|linuxefi|search --|set [a-z_]+=|if \[)", re.MULTILINE)
_JSON = re.compile(rb"[\[{]\s*[\[{\"\]}]")

PAGE = "an HTML page"
PAGE_HINT = (
    "is that a page of the web server, a proxy or a portal in place of the file? curl -i shows what is "
    "said there"
)

_MENDS = {
    PAGE: PAGE_HINT,
    "a configuration of GRUB": "write one of PXELINUX beside it, or have DHCP name GRUB's own boot file",
    "an iPXE script": "have DHCP name it as the boot file (option 67), or --bootfile",
    "JSON": "is that an answer of a web service? it has to be LABEL, KERNEL and APPEND lines",
    "text in UTF-16": "save it as UTF-8, or as ASCII",
    "a file compressed with gzip": "unpack it on the server",
}


def not_a_configuration(location: Location, data: bytes) -> ConfigError:
    """Return the error that the file at ``location`` has no entry, with what it looks like and what to do."""
    what = describe_content(data)
    where = printable(str(location))
    if not data.strip():
        return ConfigError(
            f"{where} has no entry: there is nothing but blanks in it", hint="write a LABEL into it"
        )
    hint = _MENDS.get(what, "a configuration of PXELINUX has at least a LABEL with a KERNEL, and DEFAULT")
    return ConfigError(f"{where} has no entry: it looks like {what}", hint=hint)
