"""The command line: one parser for Xen's argv, for a person, and for the forms of 2007."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Container, Sequence
from copy import copy
from typing import Any, NoReturn

from pypxeboot import __version__
from pypxeboot.errors import UsageError
from pypxeboot.guest import check_bridge, check_interface, parse_mac, parse_uuid, parse_vif
from pypxeboot.limits import Limits
from pypxeboot.links.kinds import LINKS

XEN_FORMATS = ("simple0", "simple", "sxp")
_DIRECT_FORMATS = ("qemu", "qemu-microvm", "firecracker", "cloud-hypervisor", "libvirt")
FORMATS = (*XEN_FORMATS, "json", "shell", *_DIRECT_FORMATS)
# libxl_bootloader.c, bootloader_gotptys(): the domain's number is in the name of the output file.
_LIBXL_OUTPUT = re.compile(r"bootloader\.(\d+)\.out")
# Values that may hold anything: never a string of further options.
_FREE_TEXT = frozenset(
    "--args --append --kernel --ramdisk --label --entry --vendor-class --user-class --name".split()
)
_MAC = re.compile(r"(--)?mac=([0-9a-f]{1,2}[:-]){5}[0-9a-f]", re.IGNORECASE)
_LONGEST = 86400.0  # s; a boot that takes longer than a day is none
_LARGEST = 1 << 40  # bytes; no guest has a memory of more than a TiB to put a file into
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# What belongs to one run, or to the caller: no keys of a configuration file.
_NO_KEYS = frozenset(
    """--help --version --name --config-file --show-config --list-entries --not-really
    --output --output-format --json --verbose --debug
    --kernel --ramdisk --args --offset --isconfig --pygrub-image""".split()
)


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError."""

    def error(self, message: str) -> NoReturn:
        """Raise it."""
        raise UsageError(message, hint="pypxeboot --help lists the options")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= _LONGEST:
        raise ValueError
    return seconds


def _size(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([KMG]?)(i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError
    size = int(match[1]) * _UNITS[match[2].upper()]
    if not 0 < size <= _LARGEST:
        raise ValueError
    return size


def _board(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,100}", text):
        raise ValueError
    return text


def _client_arch(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 0xFFFF:
        raise ValueError
    return int(text)


_client_arch.__name__ = "number of an architecture"
_board.__name__ = "name of a board"
_seconds.__name__ = "number of seconds"  # argparse says "invalid ... value"
_size.__name__ = "size (512K, 200M, 2G)"


def parser() -> argparse.ArgumentParser:
    """The parser of ``pypxeboot``."""
    top = Parser(
        prog="pypxeboot",
        usage="pypxeboot [options] [mac=MAC[,bridge=BR][,...]] [DISK]",
        description="PXE-boot a guest that has no firmware: DHCP with the guest's MAC on the guest's bridge, "
        "then pxelinux.cfg, then kernel and initrd, handed over to what starts the guest.",
        epilog="pypxeboot doctor [options] says why a guest does not boot; pypxeboot explain FILE prints the "
        "timeline of a capture file.",
        allow_abbrev=False,
    )
    _identity(top.add_argument_group("identity and place"))
    _without_dhcp(top.add_argument_group("without DHCP (with DHCP these override what the server said)"))
    _choice(top.add_argument_group("choice"))
    _output(top.add_argument_group("output"))
    _old(top.add_argument_group("the options of 2007"))
    _configuration(top.add_argument_group("configuration file"))
    top.add_argument(
        "positional", nargs="*", metavar="mac=MAC,... DISK", help="a Xen vif string; the guest's disk"
    )
    return top


def _identity(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mac", type=parse_mac, help="the guest's MAC address")
    add("--uuid", type=parse_uuid, help="the guest's UUID")
    add("--name", help="the guest's name, by which its section in pypxeboot.conf is found")
    add("--hypervisor", choices=("kvm", "xen"), help="default: xen when libxl calls, else kvm")
    add("--guest-type", choices=("pv", "pvh"), help="the kind of Xen guest, which limits the command line")
    add("--bridge", type=check_bridge, help="the bridge that the guest will be connected to")
    add("--interface", type=check_interface, metavar="IF", help="the same, or a NIC")
    add("--vlan", type=int, metavar="ID", help="VLAN on a bridge that filters VLANs")
    add("--link", choices=tuple(LINKS), default="auto", help="how to join the network")
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
    add(
        "--profile", choices=("pxelinux", "efi", "ipxe", "http"), default="pxelinux", help="what DHCP is told"
    )
    add(
        "--client-arch",
        type=_client_arch,
        metavar="N",
        help="option 93 (and what option 60 says of it) instead of the profile's for --arch",
    )
    add("--vendor-class", metavar="S", help="option 60 instead of the profile's")
    add("--user-class", metavar="S", help="option 77")
    add("--smbios", action="append", default=[], metavar="type=N,KEY=VALUE,...", help="as QEMU's -smbios")


def _without_dhcp(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-4", "--ipv4", dest="family", action="store_const", const=4, help="IPv4 only")
    add("-6", "--ipv6", dest="family", action="store_const", const=6, help="IPv6 only (router and DHCPv6)")
    add("--ip", metavar="ADDR[/PREFIX]|ask", help="the guest's address: no DHCP is done")
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
    add("--http-proxy", metavar="URL", help="the web proxy, http://HOST:PORT, for all of HTTP and HTTPS")
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
    add(
        "--max-kernel",
        type=_size,
        default=Limits.kernel,
        metavar="SIZE",
        help="refuse a larger kernel (128M)",
    )
    add("--max-ramdisk", type=_size, default=Limits.ramdisk, metavar="SIZE", help="refuse more of it (1G)")
    add("--version", action="version", version=f"pypxeboot {__version__}")


def _configuration(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--config-file", metavar="FILE", help="instead of /etc/pypxeboot.conf; its drop-ins are in FILE.d")
    add("--show-config", action="store_true", help="show what holds for this guest, and who said so")


def _old(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--udhcpc", metavar="PATH", help="do DHCP with this udhcpc")
    add("--pygrub-image", metavar="IMG", help="the disk for pygrub")
    add("--config-dir", metavar="DIR", help="the directory instead of pxelinux.cfg")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The namespace of ``argv``, with ``vif`` and ``disk`` found among the positionals. Raises UsageError."""
    args = namespace(argv)
    args.disk = args.pygrub_image
    for word in args.positional:
        # In one word, or each key in one of its own, as they come to mind in bootloader_args=[...].
        if re.match(r"\s*([a-z]+=[^,]*,\s*)*mac=|\s*(bridge|vlan)=", word, re.IGNORECASE):
            args.vif.update(parse_vif(word))
            args.given |= {"mac", "bridge", "vlan"} & set(args.vif)
        elif args.disk in (None, args.pygrub_image) and not word.isspace() and word:
            args.disk = word
        else:
            raise UsageError(f"one disk too many: {word!r}")
    return args


def namespace(argv: Sequence[str]) -> argparse.Namespace:
    """The options of ``argv``; what the words in ``positional`` mean is left to the caller.

    ``given`` is the set of those that stand there, ``origins`` where others come from (``config/merge.py``).
    """
    top = parser()
    known = {name for action in top._actions for name in action.option_strings}
    defaults = defaults_of(top)
    for action in top._actions:
        if action.option_strings:
            action.default = argparse.SUPPRESS
    args = top.parse_intermixed_args(_unfolded(argv, known))
    args.given = set(vars(args)) & set(defaults)
    args.origins, args.vif = {}, {}
    for name, value in defaults.items():
        if name not in args.given:
            setattr(args, name, copy(value))
    if args.json:
        args.output_format = "json"
    domain = _LIBXL_OUTPUT.search(args.output) if args.output_format == "simple0" else None
    args.domain = None if domain is None else int(domain[1])
    args.output_format = args.output_format or "sxp"
    return args


def defaults_of(top: argparse.ArgumentParser) -> dict[str, Any]:
    """What the options of a parser are where nobody gives them."""
    suppressed = argparse.SUPPRESS  # --help and --version, which are no values
    return {a.dest: a.default for a in top._actions if a.option_strings and a.default is not suppressed}


def keys(top: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """The options that may stand in a configuration file, by their names there."""
    found = {}
    for action in top._actions:
        name = next((name for name in action.option_strings if name.startswith("--")), "")
        if name and name not in _NO_KEYS:
            found[name[2:]] = action
    return found


def _unfolded(argv: Sequence[str], known: Container[str]) -> list[str]:
    """libvirt hands ``<bootloader_args>`` over as one argument: split such a one as a shell would."""
    words: list[str] = []
    value_follows = False
    for word in argv:
        pieces = [] if value_follows else _options_in(word, known)
        if pieces and word.partition("=")[0].strip() in _FREE_TEXT:
            others = [other for other in argv if other is not word]
            pieces = pieces if _is_all_there_is(pieces, others) else []
        words += pieces or [word]
        value_follows = word in _FREE_TEXT
    return words


def _options_in(word: str, known: Container[str]) -> list[str]:
    """The words of one argument that is a whole string of options; empty if it is not."""
    if not re.match(r"\s*(-|[a-z]+=)", word) or not re.search(r"\s(-|mac=)", word):
        return []
    free = word.partition("=")[0].strip() in _FREE_TEXT
    try:
        pieces = shlex.split(word)
    except ValueError as why:
        if free:
            return []
        raise UsageError(f"cannot split {word!r}: {why}") from None
    options = [piece.partition("=")[0] for piece in pieces if piece.startswith("-")]
    return pieces if all(option in known for option in options) else []


def _is_all_there_is(pieces: Sequence[str], others: Sequence[str]) -> bool:
    """Whether a string that begins with free text, as ``--label=a mac=...``, can be nothing but options.

    libxl's own ``--args`` never is: the words in it are the kernel's.
    """
    if pieces[0].partition("=")[0] in ("--args", "--kernel", "--ramdisk"):
        return False
    if any(re.match(r"\s*(--)?mac\b", other) for other in others):
        return False
    loose = [
        piece
        for before, piece in zip(pieces, pieces[1:])
        if not piece.startswith("-") and not _MAC.match(piece) and not re.fullmatch("--[a-z-]+", before)
    ]
    return not loose and any(_MAC.match(piece) for piece in pieces)
