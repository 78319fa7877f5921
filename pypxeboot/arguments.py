"""The command line: one parser for Xen's argv, for a person, and for the forms of 2007."""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Container, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import NoReturn, Optional

from pypxeboot import __version__
from pypxeboot.config import Limits
from pypxeboot.dhcp import is_host
from pypxeboot.errors import UsageError
from pypxeboot.guest import Guest, check_interface, parse_mac, parse_uuid, parse_vif
from pypxeboot.lease import Lease, without_dhcp
from pypxeboot.plan import Plan

Addresses = tuple[IPv4Address, ...]
FORMATS = ("simple0", "simple", "sxp", "json", "qemu")
# libxl_bootloader.c, bootloader_gotptys(): the domain's number is in the name of the output file.
_LIBXL_OUTPUT = re.compile(r"bootloader\.(\d+)\.out")
# Values that may hold anything: never a string of further options.
_FREE_TEXT = frozenset(
    "--args --append --kernel --ramdisk --label --entry --vendor-class --user-class".split()
)
# What every guest of the hypervisor has in its SMBIOS, whatever its machine: QEMU with SeaBIOS (chassis
# type 1, "other"), and hvmloader.
_SMBIOS = {
    "kvm": {"SYSVENDOR": "QEMU", "BIOSVENDOR": "SeaBIOS", "SYSFF": "1"},
    "xen": {"SYSVENDOR": "Xen", "SYSPRODUCT": "HVM domU", "BIOSVENDOR": "Xen", "SYSFF": "1"},
}
_TRUST_LIMIT = 128 << 10  # as much as one message to the client process takes; some sixty certificates
_LONGEST = 86400.0  # s; a boot that takes longer than a day is none
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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint="pypxeboot --help lists the options")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError
    return seconds


def _board(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,100}", text):
        raise ValueError
    return text


_board.__name__ = "name of a board"
_seconds.__name__ = "number of seconds"  # argparse says "invalid ... value"


def parser() -> argparse.ArgumentParser:
    """The parser of ``pypxeboot``."""
    top = _Parser(
        prog="pypxeboot",
        usage="pypxeboot [options] [mac=MAC[,bridge=BR][,...]] [DISK]",
        description="PXE-boot a guest that has no firmware: DHCP with the guest's MAC on the guest's bridge, "
        "then pxelinux.cfg, then kernel and initrd, handed over to what starts the guest.",
        allow_abbrev=False,
    )
    _identity(top.add_argument_group("identity and place"))
    _without_dhcp(top.add_argument_group("without DHCP (with DHCP these override what the server said)"))
    _choice(top.add_argument_group("choice"))
    _output(top.add_argument_group("output"))
    _old(top.add_argument_group("the options of 2007"))
    top.add_argument(
        "positional", nargs="*", metavar="mac=MAC,... DISK", help="a Xen vif string; the guest's disk"
    )
    return top


def _identity(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mac", help="the guest's MAC address")
    add("--uuid", help="the guest's UUID")
    add("--hypervisor", choices=("kvm", "xen"), help="default: xen when libxl calls, else kvm")
    add("--guest-type", choices=("pv", "pvh"), help="the kind of Xen guest, which limits the command line")
    add("--bridge", help="the bridge that the guest will be connected to")
    add("--interface", metavar="IF", help="the same, or a NIC")
    add("--vlan", type=int, metavar="ID", help="VLAN on a bridge that filters VLANs")
    add("--link", choices=("auto", "veth", "macvlan", "host"), default="auto", help="how to join the network")
    add(
        "--mac-wait",
        type=_seconds,
        metavar="S",
        help="how long to wait for a MAC that is alive elsewhere (20)",
    )
    add("--arch", help="processor architecture; also asks for default.ARCH and default-ARCH")
    add(
        "--board",
        type=_board,
        metavar="SOC-BOARD",
        help="also asks for default-ARCH-SOC-BOARD and default-ARCH-SOC",
    )
    add("--profile", choices=("pxelinux", "ipxe", "http"), default="pxelinux", help="what DHCP is told")
    add("--vendor-class", metavar="S", help="option 60 instead of the profile's")
    add("--user-class", metavar="S", help="option 77")
    add("--smbios", action="append", default=[], metavar="type=N,KEY=VALUE,...", help="as QEMU's -smbios")


def _without_dhcp(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--ip", metavar="ADDR[/PREFIX]", help="the guest's address: no DHCP is done")
    add("--netmask", help="its netmask, if --ip has no prefix")
    add("--gateway", help="its default gateway")
    add("--dns", action="append", default=[], metavar="ADDR", help="a name server (may be repeated)")
    add("--server", metavar="HOST", help="the boot server (next-server)")
    add("--bootfile", metavar="NAME|URL", help="the boot file (option 67)")
    add("--config", metavar="NAME|URL", help="the configuration file (option 209)")
    add("--path-prefix", metavar="P", help="in front of relative names (option 210)")
    add(
        "--dialect",
        choices=("pxelinux", "uboot"),
        default="pxelinux",
        help="whose rules the configuration follows",
    )
    add("--tls-ca", metavar="FILE", help="certificate authorities to trust for https")
    add("--trust", metavar="FILE", help="certificate authorities to trust for imgverify")


def _choice(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--label", "--entry", metavar="L", help="boot this entry (label, title or number)")
    add("-l", "--list-entries", action="store_true", help="list the entries, boot nothing")
    add(
        "-i",
        "--interactive",
        action="store_true",
        help="somebody is there to choose: a menu without a timeout waits for ever",
    )
    add("-q", "--quiet", action="store_true", help="nobody chooses: no menu is shown")
    add(
        "--menu-timeout",
        type=_seconds,
        default=Limits.menu_wait,
        metavar="S",
        help="how long a menu without a timeout waits for a key (60)",
    )
    add("--append", default="", metavar="WORDS", help="words at the end of the command line")


def _output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--output", default="-", metavar="FILE|-", help="where the result goes (standard output)")
    add("--output-format", choices=FORMATS, help="default sxp")
    add("--json", action="store_true", help="the same as --output-format json")
    add("--output-directory", metavar="DIR", help="where kernel and ramdisk go")
    add("--no-kernel-check", action="store_true", help="hand a kernel over that Xen will say it cannot boot")
    add("-n", "--not-really", action="store_true", help="decide, but download neither kernel nor initrd")
    add("--kernel", help="for pygrub: path in the guest's file system")
    add("--ramdisk", help="for pygrub: path in the guest's file system")
    add("--args", default="", help="as --append; pygrub gets it too")
    add("--runas", metavar="UID", help="the uid of the process that talks to the network")
    add("--offset", help="for pygrub: offset of the partition")
    add("--isconfig", action="store_true", help="for pygrub")
    add("--debug", action="store_true", help="for pygrub; here as -vv")
    add("--pcap", metavar="FILE", help="write the whole conversation to a capture file")
    add("-v", "--verbose", action="count", default=0, help="say what is done; twice: every packet")
    add(
        "--timeout",
        type=_seconds,
        default=Limits.timeout,
        metavar="S",
        help="deadline of the whole boot (120)",
    )
    add("--version", action="version", version=f"pypxeboot {__version__}")


def _old(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--udhcpc", metavar="PATH", help="do DHCP with this udhcpc")
    add("--pygrub-image", metavar="IMG", help="the disk for pygrub")
    add("--config-dir", metavar="DIR", help="the directory instead of pxelinux.cfg")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The namespace of ``argv``, with ``vif`` and ``disk`` found among the positionals. Raises UsageError."""
    args = namespace(argv)
    args.vif, args.disk = {}, args.pygrub_image
    for word in args.positional:
        # In one word, or each key in one of its own, as they come to mind in bootloader_args=[...].
        if re.match(r"\s*([a-z]+=[^,]*,\s*)*mac=|\s*(bridge|vlan)=", word, re.IGNORECASE):
            args.vif.update(parse_vif(word))
        elif args.disk in (None, args.pygrub_image) and not word.isspace() and word:
            args.disk = word
        else:
            raise UsageError(f"one disk too many: {word!r}")
    return args


def namespace(argv: Sequence[str]) -> argparse.Namespace:
    """The options of ``argv``; what the words in ``positional`` mean is left to the caller."""
    top = parser()
    known = {name for action in top._actions for name in action.option_strings}
    args = top.parse_intermixed_args(_unfolded(argv, known))
    if args.json:
        args.output_format = "json"
    domain = _LIBXL_OUTPUT.search(args.output) if args.output_format == "simple0" else None
    args.domain = None if domain is None else int(domain[1])
    args.output_format = args.output_format or "sxp"
    return args


def _unfolded(argv: Sequence[str], known: Container[str]) -> list[str]:
    """libvirt hands ``<bootloader_args>`` over as one argument: split such a one as a shell would."""
    words: list[str] = []
    value_follows = False
    for word in argv:
        pieces = [] if value_follows or word.partition("=")[0] in _FREE_TEXT else _options_in(word, known)
        words += pieces or [word]
        value_follows = word in _FREE_TEXT
    return words


def _options_in(word: str, known: Container[str]) -> list[str]:
    """The words of one argument that is a whole string of options; empty if it is not."""
    if not re.match(r"\s*(-|mac=)", word) or not re.search(r"\s(-|mac=)", word):
        return []
    try:
        pieces = shlex.split(word)
    except ValueError as why:
        raise UsageError(f"cannot split {word!r}: {why}") from None
    options = [piece.partition("=")[0] for piece in pieces if piece.startswith("-")]
    return pieces if all(option in known for option in options) else []


def plan_of(args: argparse.Namespace) -> Plan:
    """What is to be done. Raises UsageError."""
    guest = _guest(args)
    words = [text for text in (args.args, args.append) if text]
    if args.udhcpc is not None and not os.access(args.udhcpc, os.X_OK):
        raise UsageError(f"--udhcpc {args.udhcpc}: no such program, or not executable")
    if not args.timeout:
        raise UsageError("--timeout must be more than 0 seconds")
    if args.interactive and args.quiet:
        raise UsageError("--interactive and --quiet contradict each other")
    gateway = None if args.gateway is None else _address("--gateway", args.gateway)
    dns = tuple(_address("--dns", server) for server in args.dns)
    return Plan(
        guest=guest,
        static=_static(args, gateway, dns),
        prefix_length=None if args.netmask is None else _prefix_length(args.netmask),
        gateway=gateway,
        dns=dns,
        server=args.server,
        bootfile=args.bootfile,
        config=args.config,
        path_prefix=args.path_prefix,
        config_directory=args.config_dir,
        udhcpc=args.udhcpc,
        profile=args.profile,
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
        trust=None if args.trust is None else _trust(args.trust),
        look_inside=not args.no_kernel_check and (guest.hypervisor == "xen" or args.output_format == "json"),
        must_boot=_must_boot(args, guest),
        limits=Limits(timeout=args.timeout),
    )


def _must_boot(args: argparse.Namespace, guest: Guest) -> tuple[str, ...]:
    """As what the kernel has to boot: as what libxl will try, where it is a guest of Xen."""
    if args.no_kernel_check or guest.hypervisor != "xen":
        return ()
    return ("xen-pv", "xen-pvh") if args.guest_type is None else (f"xen-{args.guest_type}",)


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
    return Guest(
        mac=parse_mac(mac),
        uuid=None if args.uuid is None else parse_uuid(args.uuid),
        arch=args.arch or os.uname().machine.replace("aarch64", "arm64"),
        hypervisor=hypervisor,
        bridge=None if bridge is None else check_interface(bridge),
        interface=None if args.interface is None else check_interface(args.interface),
        vlan=vlan,
        board=args.board,
        smbios={**_SMBIOS[hypervisor], **_smbios(args.smbios)},
    )


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


def _static(args: argparse.Namespace, gateway: Optional[IPv4Address], dns: Addresses) -> Optional[Lease]:
    """The lease of ``--ip``, or None where DHCP is to give one."""
    if args.ip is None:
        return None
    text = args.ip if "/" in args.ip or args.netmask is None else f"{args.ip}/{args.netmask}"
    if "/" not in text:
        raise UsageError(
            f"--ip {args.ip} has no prefix", hint=f"--ip {args.ip}/24, or --netmask 255.255.255.0"
        )
    try:
        interface = IPv4Interface(text)
    except ValueError as why:
        raise UsageError(f"--ip: {why}") from None
    if not is_host(interface.ip) or not interface.network.prefixlen:
        raise UsageError(f"--ip {text} cannot be the address of a guest")
    return without_dhcp(interface.ip, interface.network.prefixlen, gateway, dns)


def _trust(name: str) -> bytes:
    """The certificates in the file of ``--trust``."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(_TRUST_LIMIT + 1)
    except OSError as why:
        raise UsageError(f"--trust {name}: {why.strerror}") from None
    if len(data) > _TRUST_LIMIT or b"-----BEGIN CERTIFICATE-----" not in data:
        raise UsageError(
            f"--trust {name}: not a file of certificates in PEM of at most {_TRUST_LIMIT >> 10} KiB"
        )
    return data


def _address(option: str, text: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except ValueError:
        address = IPv4Address(0)
    if not is_host(address):
        raise UsageError(f"{option} {text!r} is no address of a host")
    return address


def _prefix_length(netmask: str) -> int:
    try:
        return IPv4Network((0, netmask)).prefixlen
    except ValueError:
        raise UsageError(f"--netmask {netmask!r} is no netmask") from None
