"""What a PXE client says of itself, what a boot file means, and where its configuration is looked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Optional
from uuid import UUID

from pypxeboot.dhcp import suboptions
from pypxeboot.errors import NoBootSource, Refused, UsageError
from pypxeboot.guest import ARCH_ALIASES, Guest
from pypxeboot.lease import Lease
from pypxeboot.plan import Plan
from pypxeboot.text import decode, encode, printable
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


# RFC 5071 options; they may also stand inside option 43 (sub-options from 208 on).
CONFIG_FILE, PATH_PREFIX = 209, 210
_VENDOR_OPTIONS = 43
_BOOT_ITEM = 71

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

_SCRIPT = re.compile(rb"#![ig]pxe[\t\n\v\f\r ]")
_CONFIG = re.compile(
    rb"^[ \t]*(default|label|kernel|linux|ui|include|menu|prompt|timeout|say|append)[ \t]+[^\s=]",
    re.IGNORECASE | re.MULTILINE,
)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_KERNEL_MAGIC = ((0x202, b"HdrS"), (0, b"\x7fELF"), (0x38, b"ARM\x64"), (0x38, b"RSC\x05"))


_NO_BOOT_FILE = {
    4: "set a boot file in DHCP (pxelinux.0 will do), or give --bootfile or --config",
    6: "set a boot file URL (option 59) in DHCPv6, or give --bootfile or --config",
}


def boot_source(
    lease: Lease,
    *,
    server: Optional[str] = None,
    bootfile: Optional[str] = None,
    config: Optional[str] = None,
    path_prefix: Optional[str] = None,
) -> BootSource:
    """What ``lease`` says about booting; the other arguments override next-server and options 67, 209, 210.

    NoBootSource if there is nothing, Refused or ConfigError if what is there cannot be used.
    """
    vendor = suboptions(lease.options.get(_VENDOR_OPTIONS, b""))
    # "The PXE client boots from the local disk": boot item of type 0 (PXE 2.1, table 2-1)
    if vendor.get(_BOOT_ITEM, b"")[:2] == b"\0\0" and not (bootfile or config):
        return BootSource(Kind.LOCAL, None, "")
    server = server or _server(lease)
    name = _usable(bootfile if bootfile is not None else lease.bootfile, "boot file name")
    kind = kind_of_name(name) if name and config is None else Kind.PXELINUX
    config = _value(config, CONFIG_FILE, lease, vendor)
    given_prefix = _value(path_prefix, PATH_PREFIX, lease, vendor)
    if not name and config is None and given_prefix is None:
        raise NoBootSource(
            "the DHCP server names no boot file",
            hint=_NO_BOOT_FILE[lease.address.version],
        )
    if config is not None and kind not in (Kind.IPXE, Kind.IPXE_BINARY):
        kind = Kind.PXELINUX  # nothing else reads option 209; to an iPXE it means nothing
    prefix = as_prefix(prefix_of(name) if given_prefix is None else given_prefix)[:NAME_MAX]
    if server is None and kind is Kind.PXELINUX:
        resolve(config or CONFIG_DIRECTORY, prefix, None)  # no name could be asked for: said once
    return BootSource(
        kind=kind,
        server=server,
        prefix=prefix,
        config_file=config,
        bootfile=parse(name, server) if name else None,
    )


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


def _server(lease: Lease) -> Optional[str]:
    """siaddr if it is there, else the DHCP server itself (core/fs/pxe/dhcp_option.c)."""
    return lease.next_server or (str(lease.server_id) if lease.server_id else None)


def _value(given: Optional[str], code: int, lease: Lease, vendor: dict[int, bytes]) -> Optional[str]:
    raw: Optional[bytes] = lease.options.get(code, vendor.get(code))
    if given is None and raw is not None:
        # Servers count a trailing NUL in, and some an end mark.
        given = decode(raw.partition(b"\0")[0].rstrip(b"\xff"))
    return None if given is None else _usable(given, f"option {code}")[:NAME_MAX]


def _usable(text: str, what: str) -> str:
    if not text.isprintable():
        raise Refused(
            f"the {what} {printable(text)!r} holds characters that no name has",
            hint="mend the DHCP server's configuration",
        )
    return text


def kind_of_name(name: str) -> Kind:
    """What a boot file's name tells about it; UNKNOWN where only its content can."""
    base = name.partition("?")[0].replace("\\", "/").rpartition("/")[2].lower()
    for kind, pattern in (
        (Kind.IPXE, _IPXE_SCRIPT),
        (Kind.PXELINUX, _PXELINUX),
        (Kind.IPXE_BINARY, _IPXE_BINARY),
        (Kind.KERNEL, _KERNEL),
        (Kind.PXELINUX, _NBP),
    ):
        if pattern.fullmatch(base):
            return kind
    return Kind.UNKNOWN


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


def config_names(
    guest: Guest, lease: Lease, arch_names: Sequence[str] = (), directory: str = CONFIG_DIRECTORY
) -> tuple[str, ...]:
    """The names below the prefix under which PXELINUX looks for a configuration, in order.

    ``arch_names`` (only what the user asked for: a PXELINUX never does) put ``default.<arch>`` and
    ``default-<arch>``, which MAAS and U-Boot know, before ``default``; if the guest is a board, U-Boot's
    names for it come before those.
    """
    mac = f"{lease.htype:02x}-" + guest.mac.lower().replace(":", "-")
    names = [*_uuid_names(guest), mac, *_address_names(lease)]
    for arch in arch_names:
        names += _board_names(arch, guest.board)
        names += [f"default{mark}{arch}" for mark in ".-"]
    return tuple(f"{directory}/{name}" for name in [*names, "default"])


def uboot_names(
    guest: Guest, lease: Lease, arch: Optional[str], directory: str = CONFIG_DIRECTORY
) -> tuple[str, ...]:
    """The same for U-Boot: the UUID as it is written, and its own names by processor, SoC and board.

    ``arch`` is the processor as the user names it, where that is not U-Boot's word for it.
    """
    uuid = [] if guest.uuid is None else [guest.uuid]
    names = [*uuid, "01-" + guest.mac.replace(":", "-"), *_address_names(lease)]
    own = _UBOOT_ARCHS.get(guest.processor, guest.arch)
    for word in dict.fromkeys((own, *([] if arch is None else [arch]))):
        names += [*_board_names(word, guest.board), f"default-{word}"]
    return tuple(f"{directory}/{name}" for name in [*names, "default"])


def soc_and_board(name: Optional[str]) -> tuple[str, str]:
    """``SOC-BOARD`` in its two parts; what has no dash is a SoC."""
    soc, _, board = (name or "").partition("-")
    return soc, board


def _board_names(arch: str, board: Optional[str]) -> list[str]:
    """``default-<arch>-<soc>-<board>``, ``default-<arch>-<soc>`` (cmd/pxe.c)."""
    soc, _name = soc_and_board(board)
    return [f"default-{arch}-{part}" for part in dict.fromkeys((board, soc)) if part]


def _address_names(lease: Lease) -> list[str]:
    """The address in hexadecimal digits, one less each time; none with IPv6, which no PXELINUX knows."""
    if lease.address.version == 6:
        return []
    address = f"{int(lease.address):08X}"
    return [address[:digits] for digits in range(8, 0, -1)]


def _uuid_names(guest: Guest) -> list[str]:
    """The UUID as firmware sends it, then as people write it.

    Firmware of KVM guests (SMBIOS 2.6) and iPXE on both hypervisors send the first three groups swapped. Xen
    PV and PVH guests have no firmware that could differ, so the same order serves them.
    """
    if guest.uuid is None or not UUID(guest.uuid).int:
        return []
    swapped = wire_uuid(guest.uuid)
    return [swapped] if swapped == guest.uuid else [swapped, guest.uuid]


def wire_uuid(uuid: str) -> str:
    """``uuid`` as PXELINUX prints it: bytes in wire order, the first three groups little-endian."""
    return str(UUID(bytes=UUID(uuid).bytes_le))


# IANA "Processor Architecture Types". 0 leads to pxelinux.0 and its configuration, the EFI numbers often to
# programs that nothing here could run; so x86 calls itself a BIOS unless a site serves EFI only. The others
# have no BIOS: U-Boot's numbers for what reads pxelinux.cfg, EFI's for iPXE. 7 is x86-64; RFC 4578 as printed
# has 9 for it, and some sites know just that: --client-arch 9.
_ARCH_CODES = {
    "pxelinux": {"x86_64": 0, "i386": 0, "arm": 21, "arm64": 22, "ppc64": 12, "s390x": 31, "riscv64": 27},
    "efi": {"x86_64": 7, "i386": 6, "arm": 10, "arm64": 11, "riscv64": 27, "loongarch64": 39},
    "ipxe": {"x86_64": 0, "i386": 0, "arm": 10, "arm64": 11, "riscv64": 27},
    "http": {"x86_64": 16, "i386": 15, "arm": 18, "arm64": 19, "riscv64": 28},
}
# CONFIG_SYS_ARCH of U-Boot.
_UBOOT_ARCHS = {"x86_64": "x86", "i386": "x86", "arm64": "arm", "riscv64": "riscv", "ppc64": "powerpc"}
_HTTP_CODES = frozenset({15, 16, 17, 18, 19, 20, 23, 24, 26, 28, 30, 38, 40})

# Option 55. 208-211 and 150 because most servers send only what was asked for; 128-135 as RFC 4578 2.4 says.
PARAMETER_REQUEST = (
    *(1, 3, 6, 12, 15, 17, 26, 28, 42, 43, 54, 60, 66, 67, 97, 119, 121),
    *range(128, 136),
    *(150, 175, 203, 208, 209, 210, 211),
)


# iPXE's own option space: 235 is its version, the others are what a script may rely on here: PXE programs (of
# which PXELINUX is one), http, https, tftp, dns, bzImage, multiboot, ELF, VLANs, menus.
IPXE_VERSION = "2.0.0"
_IPXE_OPTIONS = 175
_IPXE_FEATURES = bytes((235, 3, *map(int, IPXE_VERSION.split(".")))) + b"".join(
    bytes((feature, 1, 1)) for feature in (0x21, 0x13, 0x14, 0x15, 0x17, 0x18, 0x19, 0x22, 0x26, 0x27)
)


def arch_code(profile: str, arch: str) -> int:
    """Option 93 of a client of ``profile`` (pxelinux, efi, ipxe, http); UsageError if ``arch`` has none."""
    code = _ARCH_CODES[profile].get(ARCH_ALIASES.get(arch, arch))
    if code is None:
        raise UsageError(f"{arch!r} has no PXE architecture number for profile {profile}")
    return code


def client_arch(plan: Plan) -> int:
    """Option 93 of the client that ``plan`` describes."""
    code = plan.client_arch
    if code is None:
        return arch_code(plan.profile, plan.guest.arch)
    if plan.profile == "http" and code not in _HTTP_CODES:
        raise UsageError(f"--client-arch {code} is no architecture of HTTP boot", hint="x86-64 has 16")
    return code


def undi_version(code: int) -> tuple[int, int]:
    """UNDI major and minor: 2.1 is a BIOS, 3.10 EFI as iPXE has it, 3.1 UEFI HTTP boot."""
    if code == 0:
        return 2, 1
    return (3, 1) if code in _HTTP_CODES else (3, 10)


def vendor_class(code: int) -> str:
    """Option 60, for example ``PXEClient:Arch:00000:UNDI:002001`` (RFC 4578, PXE 2.1)."""
    major, minor = undi_version(code)
    client = "HTTPClient" if code in _HTTP_CODES else "PXEClient"
    return f"{client}:Arch:{code:05d}:UNDI:{major:03d}{minor:03d}"


def identity(guest: Guest, code: int) -> dict[int, bytes]:
    """Options 60, 93, 94 and 97: "MUST be present in all DHCP and PXE packets" (RFC 4578)."""
    options = {
        60: vendor_class(code).encode("ascii"),
        93: code.to_bytes(2, "big"),
        94: bytes((1, *undi_version(code))),
    }
    if guest.uuid is not None:  # iPXE leaves it out, too, where SMBIOS has none
        options[97] = b"\0" + UUID(guest.uuid).bytes_le
    return options


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


def uboot_source(source: BootSource, path_prefix: Optional[str]) -> BootSource:
    """``source`` as U-Boot sees it: names stand in the boot file's directory; it knows no option 210."""
    location, prefix = source.bootfile, path_prefix
    if prefix is None and location is not None:
        directory = str(location).partition("?")[0].rpartition("/")[0] + "/"
        if location.scheme == "tftp":
            directory = f"{location.host}::{''.join(location.path.rpartition('/')[:2])}"
        prefix = directory
    return replace(source, kind=Kind.PXELINUX, prefix=as_prefix(prefix or ""))


def identity_of(plan: Plan) -> dict[int, bytes]:
    """The options by which a server knows the guest, with what the administrator put in their place.

    The user class of iPXE is raw, without the lengths of RFC 3004: servers match just that.
    """
    options = identity(plan.guest, client_arch(plan))
    if plan.vendor_class is not None:
        options[60] = encode(plan.vendor_class)
    if plan.profile == "ipxe":
        options[77], options[_IPXE_OPTIONS] = b"iPXE", _IPXE_FEATURES
    if plan.user_class is not None:
        options[77] = encode(plan.user_class)
    return options


def as_ipxe(plan: Plan) -> Plan:
    """``plan`` as the iPXE that a boot file would have been."""
    return replace(plan, profile="ipxe")
