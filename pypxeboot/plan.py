"""What is to be done: the plan of one boot, and the order in which the client process is given it."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass, field, replace
from pypxeboot.guest import Guest, Target
from pypxeboot.lease import Address, Lease, default_route
from pypxeboot.limits import Limits


@dataclass(frozen=True)
class Plan:
    """What the administrator asked for; None or empty leaves it to DHCP and to the configuration.

    The fields are the options of the command line in the forms that the client needs.
    """

    guest: Guest
    # The address, and what overrides DHCP.
    static: Optional[Lease] = None  # no DHCP
    by_hand: bool = False  # no DHCP: the user at the terminal types the address
    prefix_length: Optional[int] = None
    gateway: Optional[Address] = None
    dns: tuple[Address, ...] = ()
    server: Optional[str] = None
    bootfile: Optional[str] = None
    config: Optional[str] = None
    path_prefix: Optional[str] = None
    config_directory: Optional[str] = None  # in place of pxelinux.cfg
    # DHCP: who does it, and what it is told of the client.
    udhcpc: Optional[str] = None  # the program that does DHCP
    family: Optional[int] = None  # 4, 6; None: IPv4, and IPv6 where that does not boot
    profile: str = "pxelinux"  # efi, ipxe, http
    client_arch: Optional[int] = None  # option 93, RFC 4578
    vendor_class: Optional[str] = None
    user_class: Optional[str] = None
    # Which entry boots, and how.
    arch_given: bool = False  # the guest's architecture was named, and is not the default
    dialect: str = "pxelinux"  # who reads the configuration: pxelinux, uboot or grub
    label: Optional[str] = None
    boots_after_failed_script: bool = True  # from the local disk, as an iPXE leaves it to the next device
    append: str = ""  # goes to the end of the kernel's command line
    interactive: bool = False
    quiet: bool = False
    patience: Optional[float] = Limits.menu_wait  # s that a menu without a timeout waits; None: for ever
    download: bool = True
    list_entries: bool = False
    # Files and kernels.
    ca_file: Optional[str] = None  # authorities of https
    http_proxy: Optional[str] = None
    trust: Optional[bytes] = None  # PEM certificates of the authorities whose signatures iPXE scripts trust
    signatures: bool = False  # download the detached signature of each file that boots, too
    look_inside: bool = False  # unpack the kernel to see who can boot it
    must_boot: tuple[str, ...] = ()  # refuse a kernel that surely boots as none of these (xen-pv, xen-pvh)
    processor: str = ""  # refuse a kernel that is for another; empty: any will do
    target: Optional[Target] = None  # the kernel is unpacked for it if need be
    # The doctor.
    examine: bool = False  # report findings on the way
    give_back: bool = False  # release the lease in the end
    limits: Limits = field(default_factory=Limits)

    def with_overrides(self, lease: Lease) -> Lease:
        """Return ``lease`` with the administrator's netmask, gateway and name servers of its family."""
        version = lease.address.version
        if self.prefix_length is not None and version == 4:
            lease = replace(lease, prefix_length=self.prefix_length)
        if self.gateway is not None and self.gateway.version == version:
            options = {**lease.options, 3: self.gateway.packed} if version == 4 else lease.options
            routes = default_route(self.gateway)
            lease = replace(lease, routers=(self.gateway,), routes=routes, options=options)
        dns = tuple(server for server in self.dns if server.version == version)
        return replace(lease, dns=dns) if dns else lease

    @property
    def does_dhcp(self) -> bool:
        """Whether the address comes by DHCP."""
        return self.static is None and not self.by_hand

    @property
    def may_ask(self) -> bool:
        """Whether the user at the terminal may choose."""
        return not self.quiet and self.label is None and not self.list_entries

    @property
    def says_what_to_boot(self) -> bool:
        """Whether the administrator named the boot file or the configuration: DHCP only gives an address."""
        return self.bootfile is not None or self.config is not None


@dataclass(frozen=True)
class BootPolicy:
    """What verified boot demands: files that are vouched for, and a command line of the host's own.

    ``digests`` are the SHA-256 (hexadecimal) of files that need no signature; ``words`` names what may stand
    on the command line beside the administrator's words: ip, BOOTIF, SYSUUID.
    """

    digests: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class HostPlan:
    """What the host side itself does for a boot, which is nothing that the client needs to know."""

    link: str = "auto"  # how the guest's network is joined: a row of links/kinds.py
    mac_wait: float = Limits.mac_wait  # s that a MAC which is alive elsewhere is waited for
    run_as: Optional[str] = None  # the user of the client process, a name or a number; None: nobody
    capture_file: Optional[str] = None  # path of the capture
    digests: bool = False  # compute those of the files that are handed over
    policy: Optional[BootPolicy] = None  # None: whatever the network has to boot is booted
    max_boots: Optional[int] = None  # that this host runs at a time; None: as it has room for, 0: any number


@dataclass(frozen=True)
class Order:
    """The first message of the host side to the client process: the plan, and how to run.

    The client becomes user ``uid`` and group ``gid``. ``deadline`` is of :func:`time.monotonic`,
    ``log_level`` of :mod:`logging`; ``own_network``: in a network namespace of its own; ``shows_progress``:
    a line that moves can be shown.
    """

    plan: Plan
    uid: int
    gid: int
    deadline: float
    log_level: int
    own_network: bool
    shows_progress: bool = False
