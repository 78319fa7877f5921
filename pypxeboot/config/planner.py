"""What the options of the command line ask for: the guest, and the plan of its boot."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_interface
from pathlib import Path
from typing import Optional

from pypxeboot.errors import UsageError
from pypxeboot.fetch.http import proxy
from pypxeboot.guest import Guest, check_bridge, check_interface, parse_mac, parse_uuid
from pypxeboot.lease import Address, Lease, is_host, static_lease
from pypxeboot.limits import Limits
from pypxeboot.plan import Plan
from pypxeboot.target import NAMES, Target

# What every guest of the hypervisor has in its SMBIOS, whatever its machine: QEMU with SeaBIOS (chassis
# type 1, "other"), and hvmloader. Cloud Hypervisor: arch/src/x86_64/smbios.rs.
_SMBIOS = {
    "kvm": {"SYSVENDOR": "QEMU", "BIOSVENDOR": "SeaBIOS", "SYSFF": "1"},
    "xen": {"SYSVENDOR": "Xen", "SYSPRODUCT": "HVM domU", "BIOSVENDOR": "Xen", "SYSFF": "1"},
    "cloud-hypervisor": {
        "SYSVENDOR": "Cloud Hypervisor",
        "SYSPRODUCT": "cloud-hypervisor",
        "BIOSVENDOR": "cloud-hypervisor",
        "BIOSVERSION": "0",
    },
}
_NO_SMBIOS = ("firecracker", "qemu-microvm")
_TRUST_LIMIT = 128 << 10  # as much as one message to the client process takes; some sixty certificates
_AUTHORITIES_LIMIT = 4 << 20  # the bundle of a distribution has a quarter of one MiB
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


def plan_of(args: argparse.Namespace) -> Plan:
    """What is to be done. Raises UsageError, with file and line where a configuration file is wrong."""
    try:
        return _plan_of(args)
    except UsageError as why:
        option = re.match("--([a-z-]+)", why.message)
        origin = args.origins.get(option[1].replace("-", "_")) if option else None
        if origin is None:
            raise
        raise UsageError(f"{origin}: {why.message[2:]}", hint=why.hint) from None


def _plan_of(args: argparse.Namespace) -> Plan:
    guest = _guest(args)
    words = [text for text in (args.args, args.append) if text]
    if args.udhcpc is not None and not os.access(args.udhcpc, os.X_OK):
        raise UsageError(f"--udhcpc {args.udhcpc}: no such program, or not executable")
    if not args.timeout:
        raise UsageError("--timeout must be more than 0 seconds")
    if args.http_proxy is not None:
        proxy.address(args.http_proxy)
    if args.interactive and args.quiet:
        raise UsageError("--interactive and --quiet contradict each other")
    if args.udhcpc is not None and args.family == 6:
        raise UsageError("--udhcpc and --ipv6 contradict each other: udhcpc does DHCP of IPv4")
    if args.tls_ca is not None:
        _certificates("--tls-ca", args.tls_ca, _AUTHORITIES_LIMIT)
    gateway = None if args.gateway is None else _address("--gateway", args.gateway)
    dns = tuple(_address("--dns", server) for server in args.dns)
    return Plan(
        guest=guest,
        static=_static(args, gateway, dns),
        by_hand=args.ip == _ASK,
        prefix_length=None if args.netmask is None else _prefix_length(args.netmask),
        gateway=gateway,
        dns=dns,
        server=args.server,
        bootfile=args.bootfile,
        config=args.config,
        path_prefix=args.path_prefix,
        config_directory=args.config_dir,
        udhcpc=args.udhcpc,
        family=args.family,
        profile=args.profile,
        client_arch=args.client_arch,
        vendor_class=args.vendor_class,
        user_class=args.user_class,
        arch_given=args.arch is not None or args.board is not None,
        dialect=args.dialect,
        label=args.label,
        append=" ".join(words),
        interactive=args.interactive,
        quiet=args.quiet,
        patience=None if args.interactive else args.menu_timeout,
        download=not (args.not_really or args.list_entries),
        list_entries=args.list_entries,
        ca_file=args.tls_ca,
        http_proxy=args.http_proxy,
        trust=None if args.trust is None else _certificates("--trust", args.trust, _TRUST_LIMIT),
        look_inside=not args.no_kernel_check and (guest.hypervisor == "xen" or args.output_format == "json"),
        must_boot=_must_boot(args, guest),
        target=_target(args, guest),
        limits=Limits(kernel=args.max_kernel, ramdisk=args.max_ramdisk, timeout=args.timeout),
    )


def _must_boot(args: argparse.Namespace, guest: Guest) -> tuple[str, ...]:
    """As what the kernel has to boot: as what libxl will try, where it is a guest of Xen."""
    if args.no_kernel_check or guest.hypervisor != "xen":
        return ()
    return ("xen-pv", "xen-pvh") if args.guest_type is None else (f"xen-{args.guest_type}",)


def _target(args: argparse.Namespace, guest: Guest) -> Optional[Target]:
    """The virtual machine monitor for which the kernel has to be right, as the output format tells it."""
    name = {"qemu-microvm": "qemu", "libvirt": "qemu"}.get(args.output_format, args.output_format)
    if name not in NAMES or args.no_kernel_check or guest.hypervisor == "xen":
        return None
    target = Target(name, guest.processor)
    target.check()
    return target


def _guest(args: argparse.Namespace) -> Guest:
    mac = args.mac or args.vif.get("mac")
    if mac is None:
        raise UsageError(
            "no MAC address was given",
            hint="--mac 00:16:3e:01:02:03, or mac=00:16:3e:01:02:03 as an argument (Xen: in bootloader_args)",
        )
    bridge = args.bridge or (None if args.interface else args.vif.get("bridge"))
    vlan = args.vlan if args.vlan is not None else _vlan(args.vif.get("vlan"))
    if vlan is not None and not 0 < vlan < 4095:
        raise UsageError(f"{vlan} is no VLAN: 1 to 4094")
    hypervisor = args.hypervisor or ("kvm" if args.domain is None else "xen")
    guest = Guest(
        mac=parse_mac(mac),
        uuid=None if args.uuid is None else parse_uuid(args.uuid),
        arch=args.arch or os.uname().machine.replace("aarch64", "arm64"),
        hypervisor=hypervisor,
        bridge=None if bridge is None else check_bridge(bridge),
        interface=None if args.interface is None else check_interface(args.interface),
        vlan=vlan,
        board=args.board,
    )
    return replace(guest, smbios={**_own_smbios(args.output_format, guest), **_smbios(args.smbios)})


def _own_smbios(form: str, guest: Guest) -> dict[str, str]:
    """What the guest that is started by the output format ``form`` finds in its SMBIOS by itself."""
    if guest.hypervisor == "kvm" and (form in _NO_SMBIOS or guest.processor not in ("x86_64", "i386")):
        return {}  # on other processors it comes with UEFI only
    return _SMBIOS.get(form, _SMBIOS[guest.hypervisor])


def _vlan(text: Optional[str]) -> Optional[int]:
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,4}", text):
        raise UsageError(f"{text!r} is no VLAN")
    return int(text)


def _smbios(specs: Sequence[str]) -> dict[str, str]:
    """QEMU's ``-smbios type=1,manufacturer=...`` as the names that SYSAPPEND gives these strings."""
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


def _static(
    args: argparse.Namespace, gateway: Optional[Address], dns: tuple[Address, ...]
) -> Optional[Lease]:
    """The lease of ``--ip``, or None where DHCP is to give one."""
    if args.ip in (None, _ASK):
        return None
    text = args.ip if "/" in args.ip or args.netmask is None else f"{args.ip}/{args.netmask}"
    if "/" not in text:
        example = "/64" if ":" in text else "/24, or --netmask 255.255.255.0"
        raise UsageError(f"--ip {args.ip} has no prefix", hint=f"--ip {args.ip}{example}")
    try:
        interface = ip_interface(text)
    except ValueError as why:
        raise UsageError(f"--ip: {why}") from None
    version = interface.version
    if args.family not in (None, version):
        raise UsageError(f"--ip {text} is of IPv{version}: --ipv{args.family} contradicts it")
    if gateway is not None and gateway.version != version:
        raise UsageError(f"--gateway {gateway} is not of one family with --ip {text}")
    if not is_host(interface.ip) or not interface.network.prefixlen:
        raise UsageError(f"--ip {text} cannot be the address of a guest")
    return static_lease(interface.ip, interface.network.prefixlen, gateway, dns)


def _certificates(option: str, name: str, limit: int) -> bytes:
    """The certificates in the file that ``option`` names."""
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
    raise UsageError(f"{option} {text!r} is no address of a host")


def _prefix_length(netmask: str) -> int:
    try:
        return IPv4Network((0, netmask)).prefixlen
    except ValueError:
        raise UsageError(f"--netmask {netmask!r} is no netmask") from None
