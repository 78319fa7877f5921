"""The settings of one boot: a field for each option of the command line, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from pypxeboot.config.retry import Retry
from pypxeboot.dataclass import dataclass, field, field_names, replace
from pypxeboot.guest import parse_mac, parse_uuid
from pypxeboot.limits import Limits

COMMAND_LINE, TOOLSTACK = "command line", "toolstack"
"""Origins of values; others are places in a configuration file, ``/etc/pypxeboot.conf:12``."""
# Of each pair one excludes the other: who gives one speaks for both.
_RIVALS = {"bridge": "interface", "interface": "bridge", "interactive": "quiet", "quiet": "interactive"}


@dataclass(frozen=True)
class BootSettings:
    """What was asked for, option by option, in the form that the parser gives (``config/options.py``).

    None, empty or False where nobody said anything and there is no default. ``vif`` has the keys of a Xen vif
    string (mac, bridge, vlan, script). ``origins`` tells of each value that is no default where it stands.
    """

    # The guest, and where it is connected.
    mac: Optional[str] = None
    uuid: Optional[str] = None
    name: Optional[str] = None
    hypervisor: Optional[str] = None
    guest_type: Optional[str] = None  # pv, pvh
    memory: Optional[int] = None  # MiB
    bridge: Optional[str] = None
    interface: Optional[str] = None
    vlan: Optional[int] = None
    link: str = "auto"
    mac_wait: Optional[float] = None  # s
    arch: Optional[str] = None
    board: Optional[str] = None
    smbios: tuple[str, ...] = ()  # as QEMU's -smbios
    vif: Mapping[str, Any] = field(default_factory=dict)
    disk: Optional[str] = None
    domain: Optional[int] = None  # the number of the domain that libxl makes
    former_name: Optional[str] = None  # that of the domain when it was first started, if it is another
    pvshim: Optional[bool] = False  # the PVH guest is a Xen that runs a PV kernel; None: not known
    pv32: bool = True  # this Xen runs PV guests of 32 bits
    time_left: Optional[float] = None  # s until the toolstack ends the boot; None: it does not
    # What DHCP is told, and what is in its place.
    profile: str = "pxelinux"
    client_arch: Optional[int] = None
    vendor_class: Optional[str] = None
    user_class: Optional[str] = None
    family: Optional[int] = None  # 4, 6
    ip: Optional[str] = None
    netmask: Optional[str] = None
    gateway: Optional[str] = None
    dns: tuple[str, ...] = ()
    server: Optional[str] = None
    bootfile: Optional[str] = None
    config: Optional[str] = None
    path_prefix: Optional[str] = None
    config_dir: Optional[str] = None
    dialect: str = "pxelinux"
    udhcpc: Optional[str] = None
    tls_ca: Optional[str] = None
    http_proxy: Optional[str] = None
    trust: Optional[str] = None
    # Verified boot.
    verify: Optional[str] = None  # required, off
    sha256: tuple[str, ...] = ()
    cmdline_allow: tuple[str, ...] = ()
    # Which entry boots.
    label: Optional[str] = None
    list_entries: bool = False
    interactive: bool = False
    quiet: bool = False
    menu_timeout: float = Limits.menu_wait  # s
    retry: Optional[Retry] = None
    on_script_failure: str = "disk"  # disk, error
    append: str = ""
    args: str = ""
    # Where the result goes, and what is said on the way.
    output: str = "-"
    output_format: str = "sxp"
    output_directory: Optional[str] = None
    keep: bool = False
    no_kernel_check: bool = False
    not_really: bool = False
    pcap: Optional[str] = None
    metrics: Optional[str] = None
    report: Optional[str] = None
    verbose: int = 0
    debug: bool = False
    runas: Optional[str] = None
    timeout: float = Limits.timeout  # s
    max_kernel: int = Limits.kernel  # bytes
    max_ramdisk: int = Limits.ramdisk  # bytes
    max_boots: Optional[int] = None  # that this host runs at a time; 0: any number
    # For pygrub alone.
    kernel: Optional[str] = None
    ramdisk: Optional[str] = None
    offset: Optional[str] = None
    isconfig: bool = False
    pygrub_image: Optional[str] = None
    # The configuration files.
    config_file: Optional[str] = None
    show_config: bool = False
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def given(self) -> frozenset[str]:
        """The fields that the command line says."""
        return frozenset(name for name, origin in self.origins.items() if origin == COMMAND_LINE)

    @property
    def effective_mac(self) -> Optional[str]:
        """The guest's MAC address, of the option or else of the vif."""
        return self.mac or self.vif.get("mac")

    @property
    def effective_bridge(self) -> Optional[str]:
        """The guest's bridge, of the option or else of the vif, which an interface overrides."""
        return self.bridge or (None if self.interface else self.vif.get("bridge"))

    def identity(self) -> tuple[Optional[str], Optional[str], Optional[str], Optional[str]]:
        """Return MAC, UUID, name and former name, as far as they are known. Raises UsageError."""
        mac = self.effective_mac
        return mac and parse_mac(mac), self.uuid and parse_uuid(self.uuid), self.name, self.former_name

    def fields_of_toolstack(self) -> set[str]:
        """Return the fields that the toolstack speaks for."""
        names = {name for name, origin in self.origins.items() if origin == TOOLSTACK}
        names |= {name for name in ("mac", "bridge", "vlan") if self.vif.get(name)}
        return names | rivals(names)

    def changed(self, origins: Mapping[str, str], values: Mapping[str, Any]) -> BootSettings:
        """Return the settings with ``values``, which come from ``origins``; keys are names of fields."""
        return replace(self, **values, origins={**self.origins, **origins})

    def with_toolstack(self, before: BootSettings, after: BootSettings) -> BootSettings:
        """Return the settings with what a toolstack made of ``before``: all in which ``after`` differs."""
        names = set(field_names(type(after))) - {"origins"}
        values = {
            name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)
        }
        return self.changed(dict.fromkeys(values.keys() - {"vif", "disk"} - self.given, TOOLSTACK), values)


class Toolstack:
    """What knows of the guest beside the command line and the configuration files: nothing, here.

    Both methods return the settings with what they know; they leave alone what was given.
    """

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with who the guest is. Raises PxeBootError."""
        return settings

    def locate(self, settings: BootSettings) -> BootSettings:
        """Return the settings with where it is connected, unless its section says so. Raises PxeBootError."""
        return settings


def rivals(names: Iterable[str]) -> set[str]:
    """Return the fields that are excluded where those of ``names`` are given."""
    return {_RIVALS[name] for name in names if name in _RIVALS}
