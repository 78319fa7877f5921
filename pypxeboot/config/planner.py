"""What the options of the command line ask for: the guest, and the plan of its boot."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, ip_address, ip_interface
from pathlib import Path
from typing import Optional

from pypxeboot.config.settings import COMMAND_LINE, TOOLSTACK, BootSettings
from pypxeboot.dataclass import replace
from pypxeboot.errors import UsageError
from pypxeboot.guest import Guest, Target, check_bridge, check_interface, is_routed, parse_mac, parse_uuid
from pypxeboot.lease import Address, Lease, is_host, static_lease
from pypxeboot.limits import Limits
from pypxeboot.output.formats import FORMATS
from pypxeboot.plan import BootPolicy, HostPlan, Plan
from pypxeboot.text import size_text

_TRUST_LIMIT = 128 << 10  # as much as one message to the client process takes; some sixty certificates
_AUTHORITIES_LIMIT = 4 << 20  # the bundle of a distribution has a quarter of one MiB
# Who ends the boot then, and how to give it longer.
_LIBXLS = "libxl kills a restricted bootloader then: LIBXL_BOOTLOADER_TIMEOUT=SECONDS in xl's environment"
_ASK = "ask"  # the address of who will type it
_SMBIOS_WORDS = {
    ("0", "vendor"): "BIOSVENDOR",
    ("0", "version"): "BIOSVERSION",
    ("1", "manufacturer"): "SYSVENDOR",
    ("1", "product"): "SYSPRODUCT",
    ("1", "version"): "SYSVERSION",
    ("1", "serial"): "SYSSERIAL",
    ("1", "sku"): "SYSSKU",
    ("1", "family"): "SYSFAMILY",
    ("2", "manufacturer"): "MBVENDOR",
    ("2", "product"): "MBPRODUCT",
    ("2", "version"): "MBVERSION",
    ("2", "serial"): "MBSERIAL",
    ("2", "asset"): "MBASSET",
}


def plan(settings: BootSettings) -> Plan:
    """Return what is to be done. Raises UsageError, with file and line of a wrong configuration file."""
    try:
        return _plan(settings)
    except UsageError as why:
        option = re.match("--([a-z-]+)", why.message)
        origin = settings.origins.get(option[1].replace("-", "_")) if option else None
        if origin in (None, COMMAND_LINE, TOOLSTACK):
            raise
        raise UsageError(f"{origin}: {why.message[2:]}", hint=why.hint) from None


def host_plan(settings: BootSettings) -> HostPlan:
    """Return what the host side itself is to do."""
    return HostPlan(
        link=settings.link,
        mac_wait=Limits.mac_wait if settings.mac_wait is None else settings.mac_wait,
        run_as=settings.runas,
        capture_file=settings.pcap,
        digests=FORMATS[settings.output_format].details,
        max_boots=settings.max_boots,
        policy=BootPolicy(settings.sha256, settings.cmdline_allow) if _is_verified(settings) else None,
    )


def _plan(settings: BootSettings) -> Plan:
    guest = _guest(settings)
    words = [text for text in (settings.args, settings.append) if text]
    if settings.udhcpc is not None and not os.access(settings.udhcpc, os.X_OK):
        raise UsageError(f"--udhcpc {settings.udhcpc}: no such program, or not executable")
    if not settings.timeout:
        raise UsageError("--timeout must be more than 0 seconds")
    if settings.interactive and settings.quiet:
        raise UsageError("--interactive and --quiet contradict each other")
    if settings.udhcpc is not None and settings.family == 6:
        raise UsageError("--udhcpc and --ipv6 contradict each other: udhcpc does DHCP of IPv4")
    if settings.tls_ca is not None:
        _certificates("--tls-ca", settings.tls_ca, _AUTHORITIES_LIMIT)
    if _is_verified(settings) and settings.trust is None and not settings.sha256:
        raise UsageError(
            "--verify required has nothing to verify by",
            hint="name the authorities by --trust FILE, or files by --sha256 HEX",
        )
    gateway = None if settings.gateway is None else _address("--gateway", settings.gateway)
    dns = tuple(_address("--dns", server) for server in settings.dns)
    return Plan(
        guest=guest,
        static=_static(settings, gateway, dns),
        by_hand=settings.ip == _ASK,
        prefix_length=None if settings.netmask is None else _prefix_length(settings.netmask),
        gateway=gateway,
        dns=dns,
        server=settings.server,
        bootfile=settings.bootfile,
        config=settings.config,
        path_prefix=settings.path_prefix,
        config_directory=settings.config_dir,
        udhcpc=settings.udhcpc,
        family=settings.family,
        profile=settings.profile,
        client_arch=settings.client_arch,
        vendor_class=settings.vendor_class,
        user_class=settings.user_class,
        arch_given=settings.arch is not None or settings.board is not None,
        dialect=settings.dialect,
        label=settings.label,
        boots_after_failed_script=settings.on_script_failure == "disk",
        append=" ".join(words),
        interactive=settings.interactive,
        quiet=settings.quiet,
        patience=None if settings.interactive else settings.menu_timeout,
        download=not (settings.not_really or settings.list_entries),
        list_entries=settings.list_entries,
        # The client was started before this process went where xl was once started.
        ca_file=None if settings.tls_ca is None else str(Path(settings.tls_ca).absolute()),
        http_proxy=settings.http_proxy,
        trust=None if settings.trust is None else _certificates("--trust", settings.trust, _TRUST_LIMIT),
        signatures=_is_verified(settings)
        and settings.trust is not None
        and not (settings.not_really or settings.list_entries),
        look_inside=not settings.no_kernel_check
        and (guest.hypervisor == "xen" or FORMATS[settings.output_format].details),
        must_boot=_must_boot(settings, guest),
        processor="" if settings.no_kernel_check else guest.processor,
        target=_target(settings, guest),
        limits=_limits(settings, guest.memory),
    )


def _limits(settings: BootSettings, memory: Optional[int]) -> Limits:
    """Return the limits of a boot, whose guest has so many MiB of memory, if anybody knows."""
    limits = Limits(kernel=settings.max_kernel, ramdisk=settings.max_ramdisk, timeout=settings.timeout)
    if memory is not None and memory << 20 < limits.ramdisk:
        hint = (
            f"the guest has {size_text(memory << 20)} of memory, and kernel and ramdisk have to fit into it: "
            "give it more (memory= of xl, <memory> of libvirt, --memory MIB)"
        )
        limits = replace(limits, ramdisk=memory << 20, more_ramdisk=hint)
    if settings.time_left is None or settings.time_left >= limits.timeout:
        return limits
    return replace(limits, timeout=settings.time_left, longer=_LIBXLS)


def _is_verified(settings: BootSettings) -> bool:
    """Whether everything that boots has to be vouched for."""
    return settings.verify == "required"


def _must_boot(settings: BootSettings, guest: Guest) -> tuple[str, ...]:
    """Return as what the kernel has to boot: for a guest of Xen, as what libxl will try."""
    if settings.no_kernel_check or guest.hypervisor != "xen":
        return ()
    pv = ("xen-pv", "xen-pv32") if settings.pv32 or settings.pvshim else ("xen-pv",)
    if settings.guest_type is None or (settings.guest_type == "pvh" and settings.pvshim is None):
        return (*pv, "xen-pvh")
    return ("xen-pvh",) if settings.guest_type == "pvh" and not settings.pvshim else pv


def _target(settings: BootSettings, guest: Guest) -> Optional[Target]:
    """Return the virtual machine monitor for which the kernel has to be right, as the output format tells."""
    monitor = FORMATS[settings.output_format].monitor
    if monitor is None or settings.no_kernel_check or guest.hypervisor == "xen":
        return None
    target = Target(monitor, guest.processor)
    target.check()
    return target


def _guest(settings: BootSettings) -> Guest:
    mac = settings.effective_mac
    if mac is None:
        raise UsageError(
            "no MAC address was given",
            hint="--mac 00:16:3e:01:02:03, or mac=00:16:3e:01:02:03 as an argument (Xen: in bootloader_args)",
        )
    bridge = settings.effective_bridge
    interface = settings.interface or (settings.vif.get("gatewaydev") if is_routed(settings.vif) else None)
    vlan = settings.vlan if settings.vlan is not None else _vlan(settings.vif.get("vlan"))
    if vlan is not None and not 0 < vlan < 4095:
        raise UsageError(f"{vlan} is not a VLAN: 1 to 4094")
    hypervisor = settings.hypervisor or ("kvm" if settings.domain is None else "xen")
    guest = Guest(
        mac=parse_mac(mac),
        uuid=None if settings.uuid is None else parse_uuid(settings.uuid),
        arch=settings.arch or os.uname().machine.replace("aarch64", "arm64"),
        hypervisor=hypervisor,
        bridge=None if bridge is None else check_bridge(bridge),
        interface=None if interface is None else check_interface(interface),
        vlan=vlan,
        board=settings.board,
        memory=settings.memory,
    )
    return replace(
        guest, smbios={**FORMATS[settings.output_format].smbios_of(guest), **_smbios(settings.smbios)}
    )


def _vlan(text: Optional[str]) -> Optional[int]:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,4}", text):
        raise UsageError(f"{text!r} is not a VLAN")
    return int(text)


def _smbios(specs: Sequence[str]) -> dict[str, str]:
    """Return QEMU's ``-smbios type=1,manufacturer=...`` by the names that SYSAPPEND gives these strings."""
    found: dict[str, str] = {}
    for spec in specs:
        # QEMU doubles a comma that belongs to a value.
        pieces = [piece.replace("\0", ",") for piece in spec.replace(",,", "\0").split(",")]
        pairs = dict(piece.partition("=")[::2] for piece in pieces)
        kind = pairs.pop("type", "")
        if kind not in ("0", "1", "2", "3"):
            raise UsageError(f"--smbios {spec!r} is of no type known here", hint="type=0, 1, 2 or 3")
        for key, value in pairs.items():
            name = _SMBIOS_WORDS.get((kind, key))
            if name is not None:
                found[name] = value
    return found


def _static(settings: BootSettings, gateway: Optional[Address], dns: tuple[Address, ...]) -> Optional[Lease]:
    """Return the lease of ``--ip``, or None where DHCP is to give one."""
    ip = settings.ip
    if ip is None or ip == _ASK:
        return None
    text = ip if "/" in ip or settings.netmask is None else f"{ip}/{settings.netmask}"
    if "/" not in text:
        example = "/64" if ":" in text else "/24, or --netmask 255.255.255.0"
        raise UsageError(f"--ip {ip} has no prefix", hint=f"--ip {ip}{example}")
    try:
        interface = ip_interface(text)
    except ValueError as why:
        raise UsageError(f"--ip: {why}") from None
    version = interface.version
    if settings.family not in (None, version):
        raise UsageError(f"--ip {text} is of IPv{version}: --ipv{settings.family} contradicts it")
    if gateway is not None and gateway.version != version:
        raise UsageError(f"--gateway {gateway} is not of one family with --ip {text}")
    if not is_host(interface.ip) or not interface.network.prefixlen:
        raise UsageError(f"--ip {text} cannot be the address of a guest")
    return static_lease(interface.ip, interface.network.prefixlen, gateway, dns)


def _certificates(option: str, name: str, limit: int) -> bytes:
    """Return the certificates in the file that ``option`` names. Raises UsageError."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as why:
        raise UsageError(f"{option} {name}: {why.strerror}") from None
    if len(data) > limit or b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(f"{option} {name}: not a file of certificates in PEM of at most {limit >> 10} KiB")
    return data


def _address(option: str, text: str) -> Address:
    try:
        address = ip_address(text)
        if is_host(address):
            return address
    except ValueError:
        pass
    raise UsageError(f"{option} {text!r} is not an address of a host")


def _prefix_length(netmask: str) -> int:
    try:
        return IPv4Network((0, netmask)).prefixlen
    except ValueError:
        raise UsageError(f"--netmask {netmask!r} is not a netmask") from None
