"""What is to be done: the order of one boot, as the host side gives it to the client process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from pypxeboot.config import Limits
from pypxeboot.guest import Guest
from pypxeboot.lease import Lease


@dataclass(frozen=True)
class Plan:
    """What the administrator asked for; None or empty leaves it to DHCP and to the configuration."""

    guest: Guest
    static: Optional[Lease] = None
    server: Optional[str] = None
    bootfile: Optional[str] = None
    config: Optional[str] = None
    path_prefix: Optional[str] = None
    config_directory: Optional[str] = None
    udhcpc: Optional[str] = None
    profile: str = "pxelinux"
    vendor_class: Optional[str] = None
    user_class: Optional[str] = None
    arch_given: bool = False
    label: Optional[str] = None
    append: str = ""
    interactive: bool = False
    download: bool = True
    list_entries: bool = False
    ca_file: Optional[str] = None
    limits: Limits = field(default_factory=Limits)

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
