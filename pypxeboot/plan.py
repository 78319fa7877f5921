"""What is to be done: the order of one boot, as the host side gives it to the client process."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Optional

from pypxeboot.guest import Guest
from pypxeboot.lease import Address, Lease, default_route
from pypxeboot.limits import Limits
from pypxeboot.target import Target


@dataclass(frozen=True)
class Plan:
    """What the administrator asked for; None or empty leaves it to DHCP and to the configuration.

    ``patience`` is how many seconds a menu without a timeout of its own waits for a key; None: for ever.
    ``trust`` holds the certificates (PEM) of the authorities whose signatures count in iPXE scripts.
    ``examine`` has the client tell what it finds on the way, ``give_back`` release the lease in the end.
    """

    guest: Guest
    static: Optional[Lease] = None
    by_hand: bool = False  # no DHCP: whoever sits at the terminal types the address
    prefix_length: Optional[int] = None
    gateway: Optional[Address] = None
    dns: tuple[Address, ...] = ()
    server: Optional[str] = None
    bootfile: Optional[str] = None
    config: Optional[str] = None
    path_prefix: Optional[str] = None
    config_directory: Optional[str] = None
    udhcpc: Optional[str] = None
    family: Optional[int] = None  # 4, 6; None: IPv4, and IPv6 where that does not boot
    profile: str = "pxelinux"
    client_arch: Optional[int] = None
    vendor_class: Optional[str] = None
    user_class: Optional[str] = None
    arch_given: bool = False
    dialect: str = "pxelinux"
    label: Optional[str] = None
    append: str = ""
    interactive: bool = False
    quiet: bool = False
    patience: Optional[float] = Limits.menu_wait
    download: bool = True
    list_entries: bool = False
    ca_file: Optional[str] = None
    http_proxy: Optional[str] = None
    trust: Optional[bytes] = None
    look_inside: bool = False  # unpack the kernel to see who can boot it
    must_boot: tuple[str, ...] = ()  # refuse a kernel that surely boots as none of these (xen-pv, xen-pvh)
    examine: bool = False
    give_back: bool = False
    target: Optional[Target] = None  # the kernel is unpacked for it if need be
    limits: Limits = field(default_factory=Limits)

    def with_overrides(self, lease: Lease) -> Lease:
        """``lease`` with what the administrator knows better: what is of its family."""
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
        """Whether an address comes by DHCP."""
        return self.static is None and not self.by_hand

    @property
    def may_ask(self) -> bool:
        """Whether somebody at a terminal may choose."""
        return not self.quiet and self.label is None and not self.list_entries

    @property
    def says_what_to_boot(self) -> bool:
        """Whether DHCP is asked for an address only."""
        return self.bootfile is not None or self.config is not None


@dataclass(frozen=True)
class Order:
    """The first message to the client process.

    ``uid`` and ``gid`` are who it becomes, ``deadline`` is of :func:`time.monotonic`, ``log_level`` of
    :mod:`logging`.
    """

    plan: Plan
    uid: int
    gid: int
    deadline: float
    log_level: int
