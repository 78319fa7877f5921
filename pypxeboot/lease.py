"""The lease: the address and options that DHCP (or the administrator in its place) gives a guest."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field, replace
from pypxeboot.text import printable

Address = Union[IPv4Address, IPv6Address]
Network = Union[IPv4Network, IPv6Network]

_EVERYWHERE: Mapping[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


class DhcpOption(IntEnum):
    """Numbers of the options of DHCPv4 that are read or sent (RFC 2132, 3397, 3442, 4578, 5071, 5859)."""

    PAD = 0
    SUBNET_MASK = 1
    ROUTER = 3
    DNS_SERVER = 6
    LOG_SERVER = 7
    HOST_NAME = 12
    DOMAIN_NAME = 15
    ROOT_PATH = 17
    INTERFACE_MTU = 26
    BROADCAST_ADDRESS = 28
    NTP_SERVER = 42
    VENDOR_OPTIONS = 43
    REQUESTED_ADDRESS = 50
    LEASE_TIME = 51
    OVERLOAD = 52
    MESSAGE_TYPE = 53
    SERVER_ID = 54
    PARAMETER_REQUEST = 55
    MESSAGE = 56
    MAX_MESSAGE_SIZE = 57
    VENDOR_CLASS = 60
    CLIENT_ID = 61
    TFTP_SERVER_NAME = 66
    BOOT_FILE = 67
    USER_CLASS = 77
    CLIENT_ARCH = 93
    CLIENT_INTERFACE = 94
    CLIENT_UUID = 97
    DOMAIN_SEARCH = 119
    CLASSLESS_ROUTES = 121
    TFTP_SERVER_ADDRESS = 150
    IPXE = 175  # an option space of its own
    ISCSI_INITIATOR = 203
    PXELINUX_MAGIC = 208
    CONFIG_FILE = 209
    PATH_PREFIX = 210
    REBOOT_TIME = 211
    END = 255


# Of these a DHCP server's own mean nothing any more beside another's boot file.
_OF_THE_BOOT_FILE = frozenset(
    {
        DhcpOption.VENDOR_OPTIONS,
        DhcpOption.VENDOR_CLASS,
        DhcpOption.TFTP_SERVER_NAME,
        DhcpOption.BOOT_FILE,
        DhcpOption.TFTP_SERVER_ADDRESS,
    }
)
# What a PXE server's answer says in place of the DHCP server's, if it says anything: vendor options, boot
# server and file, iPXE's options, those that PXELINUX reads. Addresses and names stay what DHCP says.
_OF_BOOTING = _OF_THE_BOOT_FILE | {
    *range(128, 136),  # left to PXE by RFC 4578 2.4
    DhcpOption.IPXE,
    DhcpOption.ISCSI_INITIATOR,
    *range(DhcpOption.PXELINUX_MAGIC, DhcpOption.REBOOT_TIME + 1),
}


@dataclass(frozen=True)
class PxeAnswer:
    """What a PXE server (proxyDHCP, or a boot server) says about booting.

    ``server`` is its address; the other fields are as in :class:`Lease`.
    """

    server: IPv4Address
    next_server: Optional[str] = None
    bootfile: str = ""
    options: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Lease:
    """The address of a guest and what DHCP sent with it; all its addresses are of one family.

    ``options`` holds the raw value of every option of DHCPv4, split ones joined (RFC 3396); those of DHCPv6
    have other numbers and stand in ``options6``. ``next_server`` is the server that has the boot file: an
    address, a name, or None; ``other_servers`` say what else is named as that (``option 66 says 10.0.0.4``).
    ``server_names`` are names beside that address, each with where it stands: nobody has looked them up.
    ``routes`` are network and gateway (None: on the link), those of option 121 where given (RFC 3442: then
    option 3 does not count), else the default route by the first router.
    ``seconds`` is how long the lease lasts, None for ever or without DHCP. ``htype`` is the hardware type (1:
    Ethernet), ``parameters`` are the arguments of the boot file (RFC 5970 3.2).

    ``pxe`` are the answers of PXE servers that came beside it, ``proxy`` and ``boot_server`` those that its
    boot file is from (:meth:`with_boot_answer`).
    """

    address: Address
    prefix_length: int
    routers: tuple[Address, ...] = ()
    routes: tuple[tuple[Network, Optional[Address]], ...] = ()
    dns: tuple[Address, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    server_id: Optional[Address] = None
    next_server: Optional[str] = None
    other_servers: tuple[str, ...] = ()
    server_names: tuple[tuple[str, str], ...] = ()
    bootfile: str = ""
    mtu: Optional[int] = None
    seconds: Optional[int] = None
    options: Mapping[int, bytes] = field(default_factory=dict)
    htype: int = 1
    options6: Mapping[int, bytes] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    pxe: tuple[PxeAnswer, ...] = ()
    proxy: Optional[PxeAnswer] = None
    boot_server: Optional[PxeAnswer] = None

    def with_boot_answer(self, answer: PxeAnswer) -> Lease:
        """Return this lease with what a PXE server says about booting in place of its own."""
        options = {code: value for code, value in self.options.items() if code not in _OF_THE_BOOT_FILE}
        options.update((code, value) for code, value in answer.options.items() if code in _OF_BOOTING)
        server = answer.next_server or self.next_server
        return replace(self, next_server=server, bootfile=answer.bootfile, options=options)

    @property
    def is_bootable(self) -> bool:
        """Whether there is something to boot in it: a boot file, or what PXELINUX reads without one."""
        return bool(self.bootfile or {DhcpOption.CONFIG_FILE, DhcpOption.PATH_PREFIX} & self.options.keys())

    @property
    def netmask(self) -> str:
        """The network mask in dotted form; empty for IPv6."""
        if self.address.version == 6:
            return ""
        return str(IPv4Network((0, self.prefix_length)).netmask)


def is_host(address: Address) -> bool:
    """Whether a host can have ``address``: not 0/8, 127/8, multicast, reserved or broadcast, nor ``::1``."""
    if isinstance(address, IPv4Address):
        return 0 < int(address) >> 24 < 224 and not address.is_loopback
    # In ::/32 are the unspecified address, the loopback's, and what stands for IPv4 (RFC 4291 2.5).
    return int(address) >> 96 != 0 and not address.is_multicast and address.scope_id is None


def default_route(gateway: Address) -> tuple[tuple[Network, Optional[Address]], ...]:
    """Return the routes of a lease whose only gateway is ``gateway``: the default route."""
    return ((_EVERYWHERE[gateway.version], gateway),)


def static_lease(
    address: Address, prefix_length: int, gateway: Optional[Address], dns: tuple[Address, ...]
) -> Lease:
    """Make the lease of a site without DHCP from what the administrator said."""
    return Lease(
        address=address,
        prefix_length=prefix_length,
        routers=(gateway,) if gateway else (),
        routes=default_route(gateway) if gateway else (),
        dns=dns,
        options={DhcpOption.ROUTER: gateway.packed} if gateway and gateway.version == 4 else {},
    )


def describe(lease: Lease) -> str:
    """Return a lease as text for one line of the log: address, and what it says about booting."""
    parts = [f"address {lease.address}/{lease.prefix_length}"]
    if lease.bootfile:
        parts.append(f"boot file {printable(lease.bootfile)}")
    for code, what in ((DhcpOption.CONFIG_FILE, "config file"), (DhcpOption.PATH_PREFIX, "path prefix")):
        if code in lease.options:
            parts.append(f"{what} {printable(lease.options[code])}")
    if lease.next_server:
        parts.append(f"next server {lease.next_server}")
    if lease.mtu is not None:
        parts.append(f"MTU {lease.mtu}")
    return ", ".join(parts)
