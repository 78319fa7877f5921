"""What a PXE client says of itself: the options by which DHCP servers tell one from another."""

from __future__ import annotations

from pypxeboot.dataclass import replace
from pypxeboot.errors import UsageError
from pypxeboot.guest import ARCH_ALIASES, Guest, uuid_octets
from pypxeboot.lease import DhcpOption
from pypxeboot.plan import Plan
from pypxeboot.text import encode

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
_HTTP_CODES = frozenset({15, 16, 17, 18, 19, 20, 23, 24, 26, 28, 30, 38, 40})

# Option 55. Those of PXELINUX and iPXE are in it since most servers send only what was asked for.
PARAMETER_REQUEST = bytes(
    (
        DhcpOption.SUBNET_MASK,
        DhcpOption.ROUTER,
        DhcpOption.DNS_SERVER,
        DhcpOption.LOG_SERVER,  # ${syslog} of iPXE
        DhcpOption.HOST_NAME,
        DhcpOption.DOMAIN_NAME,
        DhcpOption.ROOT_PATH,
        DhcpOption.INTERFACE_MTU,
        DhcpOption.BROADCAST_ADDRESS,
        DhcpOption.NTP_SERVER,
        DhcpOption.VENDOR_OPTIONS,
        DhcpOption.SERVER_ID,
        DhcpOption.VENDOR_CLASS,
        DhcpOption.TFTP_SERVER_NAME,
        DhcpOption.BOOT_FILE,
        DhcpOption.CLIENT_UUID,
        DhcpOption.DOMAIN_SEARCH,
        DhcpOption.CLASSLESS_ROUTES,
        *range(128, 136),  # RFC 4578 2.4
        DhcpOption.TFTP_SERVER_ADDRESS,
        DhcpOption.IPXE,
        DhcpOption.ISCSI_INITIATOR,
        DhcpOption.PXELINUX_MAGIC,
        DhcpOption.CONFIG_FILE,
        DhcpOption.PATH_PREFIX,
        DhcpOption.REBOOT_TIME,
    )
)


# iPXE's own option space: 235 is its version, the others are what a script may rely on here: PXE programs (of
# which PXELINUX is one), http, https, tftp, dns, bzImage, multiboot, ELF, VLANs, menus.
IPXE_VERSION = "2.0.0"
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
        raise UsageError(f"--client-arch {code} is not an architecture of HTTP boot", hint="x86-64 has 16")
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
    options: dict[int, bytes] = {
        DhcpOption.VENDOR_CLASS: vendor_class(code).encode("ascii"),
        DhcpOption.CLIENT_ARCH: code.to_bytes(2, "big"),
        DhcpOption.CLIENT_INTERFACE: bytes((1, *undi_version(code))),
    }
    if guest.uuid is not None:  # iPXE leaves it out, too, where SMBIOS has none
        options[DhcpOption.CLIENT_UUID] = b"\0" + uuid_octets(guest.uuid, in_wire_order=True)
    return options


def identity_of(plan: Plan) -> dict[int, bytes]:
    """Return the options by which a server knows the guest, with what the administrator put in their place.

    The user class of iPXE is raw, without the lengths of RFC 3004: servers match just that.
    """
    options = identity(plan.guest, client_arch(plan))
    if plan.vendor_class is not None:
        options[DhcpOption.VENDOR_CLASS] = encode(plan.vendor_class)
    if plan.profile == "ipxe":
        options[DhcpOption.USER_CLASS], options[DhcpOption.IPXE] = b"iPXE", _IPXE_FEATURES
    if plan.user_class is not None:
        options[DhcpOption.USER_CLASS] = encode(plan.user_class)
    return options


def as_ipxe(plan: Plan) -> Plan:
    """``plan`` as the iPXE that a boot file would have been."""
    return replace(plan, profile="ipxe")
