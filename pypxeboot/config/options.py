"""The command line: one parser for Xen's argv, for a person, and for the forms of 2007."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from functools import cache
from typing import Any, Callable

from pypxeboot import __version__
from pypxeboot.config.argument_parser import Parser
from pypxeboot.config.max_boots import parse_max_boots
from pypxeboot.config.retry import parse_retry
from pypxeboot.config.settings import COMMAND_LINE, BootSettings
from pypxeboot.dataclass import field_names
from pypxeboot.errors import UsageError
from pypxeboot.guest import check_bridge, check_interface, parse_mac, parse_uuid, parse_vif
from pypxeboot.links.kinds import LINKS
from pypxeboot.output.formats import FORMATS

# libxl_bootloader.c, bootloader_gotptys(): the domain's number is in the name of the output file.
_LIBXL_OUTPUT = re.compile(r"bootloader\.(\d+)\.out")
# Values that may hold anything: never a string of further options.
_FREE_TEXT = frozenset(
    """--args --default_args --extra_args --append --kernel --ramdisk --label --entry
    --vendor-class --user-class --name""".split()
)
_MAC = re.compile(r"(--)?mac=([0-9a-f]{1,2}[:-]){5}[0-9a-f]", re.IGNORECASE)
_LONGEST = 86400.0  # s; a boot that takes longer than a day is none
_LARGEST = 1 << 40  # bytes; no guest has a memory of more than a TiB to put a file into
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
# What belongs to one run, or to the caller: no keys of a configuration file.
_NO_KEYS = frozenset(
    """--help --version --name --config-file --show-config --list-entries --not-really
    --output --output-format --json --keep --verbose --debug
    --vm --default_args --extra_args --kernel --ramdisk --args --offset --isconfig --pygrub-image""".split()
)


_Add = Callable[..., None]


class BootParser(Parser):
    """The parser of what a boot may be told, for every command that boots; ``values`` are its options.

    ``kwargs`` are those of ArgumentParser. What is not given is not in what it finds: defaults are those of
    :class:`BootSettings`. Words that are no options may stand between options, below a sub-command too.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **kwargs)
        self.values: list[argparse.Action] = []
        self._intermixing = False
        _identity(self.group("identity and place"))
        _without_dhcp(self.group("without DHCP (with DHCP these override what the server said)"))
        _verified(self.group("verified boot"))
        _choice(self.group("choice"))
        _output(self.group("output"))
        _old(self.group("the options of 2007"))
        _configuration(self.group("configuration file"))
        self.add_argument("--version", action="version", version=f"{self.prog.split()[0]} {__version__}")

    def group(self, title: str) -> _Add:
        """Add a group of options; return what adds an option to it, as ``add_argument`` does."""
        group = self.add_argument_group(title)

        def add(*names: str, **kwargs: Any) -> None:
            self.values.append(group.add_argument(*names, **kwargs))

        return add

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as ArgumentParser does, with words that are no options wherever they stand."""
        if self._intermixing:  # which parses twice: options, then words
            return super().parse_known_args(args, namespace)
        self._intermixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._intermixing = False


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


def _memory(text: str) -> int:
    """Return a memory in MiB; a bare number is one, as QEMU and xl have it."""
    size = int(text) if re.fullmatch("[0-9]{1,9}", text.strip()) else _size(text) >> 20
    if not 0 < size <= _LARGEST >> 20:
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


def _digest(text: str) -> str:
    if not re.fullmatch("[0-9A-Fa-f]{64}", text):
        raise ValueError
    return text.lower()


def _http_proxy(text: str) -> str:
    from pypxeboot.fetch.http import proxy

    try:
        proxy.address(text)
    except UsageError as why:
        raise UsageError(f"argument --http-proxy: {why.message}") from None
    return text


parse_retry.__name__ = "retry (no, or SECONDS[,LONGEST[,FOR]])"
parse_max_boots.__name__ = "number of boots (1 to 1000, or no)"
_digest.__name__ = "SHA-256 (64 hexadecimal digits)"
_client_arch.__name__ = "number of an architecture"
_board.__name__ = "name of a board"
_seconds.__name__ = "number of seconds"  # argparse says "invalid ... value"
_memory.__name__ = "memory (a number of MiB, or 2G)"
_size.__name__ = "size (512K, 200M, 2G)"


@cache
def parser() -> BootParser:
    """Return the parser of ``pypxeboot``."""
    top = BootParser(
        prog="pypxeboot",
        usage="pypxeboot [options] [mac=MAC[,bridge=BR][,...]] [DISK]",
        description="PXE-boot a guest that has no firmware: DHCP with the guest's MAC on the guest's bridge, "
        "then pxelinux.cfg, then kernel and initrd, handed over to what starts the guest.",
        epilog="pypxeboot doctor [options] says why a guest does not boot; pypxeboot explain FILE prints the "
        "timeline of a capture file.",
    )
    top.add_argument(
        "positional",
        nargs="*",
        default=[],
        metavar="mac=MAC,... DISK",
        help="a Xen vif string; the guest's disk",
    )
    return top


def _identity(add: _Add) -> None:
    add("--mac", type=parse_mac, help="the guest's MAC address")
    add("--uuid", "--vm", type=parse_uuid, help="the guest's UUID; --vm as XAPI says it")
    add("--name", help="the guest's name, by which its section in pypxeboot.conf is found")
    add("--hypervisor", choices=("kvm", "xen"), help="default: xen when libxl calls, else kvm")
    add("--guest-type", choices=("pv", "pvh"), help="the kind of Xen guest, which limits the command line")
    add(
        "-m", "--memory", type=_memory, metavar="MIB", help="the guest's memory: what does not fit is refused"
    )
    add("--bridge", type=check_bridge, help="the bridge that the guest will be connected to")
    add("--interface", type=check_interface, metavar="IF", help="the same, or a NIC")
    add("--vlan", type=int, metavar="ID", help="VLAN on a bridge that filters VLANs")
    add("--link", choices=tuple(LINKS), help="how to join the network")
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
    add("--profile", choices=("pxelinux", "efi", "ipxe", "http"), help="what DHCP is told")
    add(
        "--client-arch",
        type=_client_arch,
        metavar="N",
        help="option 93 (and what option 60 says of it) instead of the profile's for --arch",
    )
    add("--vendor-class", metavar="S", help="option 60 instead of the profile's")
    add("--user-class", metavar="S", help="option 77")
    add("--smbios", action="append", metavar="type=N,KEY=VALUE,...", help="as QEMU's -smbios")


def _without_dhcp(add: _Add) -> None:
    add("-4", "--ipv4", dest="family", action="store_const", const=4, help="IPv4 only")
    add("-6", "--ipv6", dest="family", action="store_const", const=6, help="IPv6 only (router and DHCPv6)")
    add("--ip", metavar="ADDR[/PREFIX]|ask", help="the guest's address: no DHCP is done")
    add("--netmask", help="its netmask, if --ip has no prefix")
    add("--gateway", help="its default gateway")
    add("--dns", action="append", metavar="ADDR", help="a name server (may be repeated)")
    add("--server", metavar="HOST", help="the boot server (next-server)")
    add("--bootfile", metavar="NAME|URL", help="the boot file (option 67)")
    add("--config", metavar="NAME|URL", help="the configuration file (option 209)")
    add("--path-prefix", metavar="P", help="in front of relative names (option 210)")
    add(
        "--dialect",
        choices=("pxelinux", "uboot", "grub"),
        help="whose rules the configuration follows",
    )
    add("--tls-ca", metavar="FILE", help="certificate authorities to trust for https")
    add(
        "--http-proxy",
        type=_http_proxy,
        metavar="URL",
        help="the web proxy, http://HOST:PORT, for all of HTTP and HTTPS",
    )


def _verified(add: _Add) -> None:
    add(
        "--verify",
        choices=("required", "off"),
        help="required: every file is vouched for, and the command line is that of --append",
    )
    add("--trust", metavar="FILE", help="certificate authorities to trust for signatures, imgverify's too")
    add(
        "--sha256",
        type=_digest,
        action="append",
        metavar="HEX",
        help="the digest of a file that needs no signature (may be repeated)",
    )
    add(
        "--cmdline-allow",
        choices=("ip", "BOOTIF", "SYSUUID"),
        action="append",
        help="a word of the guest's that is added to the command line (may be repeated)",
    )


def _choice(add: _Add) -> None:
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
        metavar="S",
        help="how long a menu without a timeout waits for a key (60)",
    )
    add(
        "--retry",
        type=parse_retry,
        metavar="S[,MAX[,FOR]]",
        help="try a boot that failed again: after how many seconds, at most, for how long (or no)",
    )
    add(
        "--on-script-failure",
        choices=("disk", "error"),
        help="what an iPXE script that failed leaves the guest to (disk, as firmware does)",
    )
    add("--append", metavar="WORDS", help="words at the end of the command line")


def _output(add: _Add) -> None:
    add("--output", metavar="FILE|-", help="where the result goes (standard output)")
    add("--output-format", choices=tuple(FORMATS), help="default sxp")
    add("--json", action="store_true", help="the same as --output-format json")
    add("--output-directory", metavar="DIR", help="where kernel and ramdisk go")
    add("--keep", action="store_true", help="by hand, on a terminal: leave kernel and ramdisk there")
    add("--no-kernel-check", action="store_true", help="hand a kernel over that Xen will say it cannot boot")
    add("-n", "--not-really", action="store_true", help="decide, but download neither kernel nor initrd")
    add("--kernel", help="for pygrub: path in the guest's file system")
    add("--ramdisk", help="for pygrub: path in the guest's file system")
    add("--args", help="as --append; pygrub gets it too")
    add("--default_args", "--extra_args", dest="xapi_args", action="append", help="XAPI's --args")
    add("--runas", metavar="UID", help="the uid of the process that talks to the network")
    add("--offset", help="for pygrub: offset of the partition")
    add("--isconfig", action="store_true", help="for pygrub")
    add("--debug", action="store_true", help="for pygrub; here as -vv")
    add("--pcap", metavar="FILE", help="write the whole conversation to a capture file")
    add("--metrics", metavar="FILE", help="of pypxeboot-virt: write figures for node_exporter's collector")
    add("--report", metavar="FILE", help="write a page (HTML) about the boot, with a waterfall of it")
    add("-v", "--verbose", action="count", help="say what is done; twice: every packet")
    add(
        "--timeout",
        type=_seconds,
        metavar="S",
        help="deadline of the whole boot (120)",
    )
    add(
        "--max-kernel",
        type=_size,
        metavar="SIZE",
        help="refuse a larger kernel (128M)",
    )
    add("--max-ramdisk", type=_size, metavar="SIZE", help="refuse more than that beside the kernel (1G)")
    add(
        "--max-boots",
        type=parse_max_boots,
        metavar="N|no",
        help="wait until fewer boots than that are under way on this host (as it has room for)",
    )


def _configuration(add: _Add) -> None:
    add("--config-file", metavar="FILE", help="instead of /etc/pypxeboot.conf; its drop-ins are in FILE.d")
    add("--show-config", action="store_true", help="show what holds for this guest, and who said so")


def _old(add: _Add) -> None:
    add("--udhcpc", metavar="PATH", help="do DHCP with this udhcpc")
    add("--pygrub-image", metavar="IMG", help="the disk for pygrub")
    add("--config-dir", metavar="DIR", help="the directory instead of pxelinux.cfg")


def parse(argv: Sequence[str]) -> BootSettings:
    """Return the settings of ``argv``, with vif and disk among its words. Raises UsageError."""
    found = parser().parse_args(unfold(argv))
    settings = settings_of(found)
    vif: dict[str, str] = {}
    disk = image = settings.pygrub_image
    for word in found.positional:
        # In one word, or each key in one of its own, as they come to mind in bootloader_args=[...].
        if re.match(r"\s*([a-z]+=[^,]*,\s*)*mac=|\s*(bridge|vlan)=", word, re.IGNORECASE):
            vif.update(parse_vif(word))
        elif disk in (None, image) and not word.isspace() and word:
            disk = word
        else:
            raise UsageError(f"one disk too many: {word!r}")
    origins = dict.fromkeys({"mac", "bridge", "vlan"} & set(vif), COMMAND_LINE)
    return settings.changed(origins, {"vif": vif, "disk": disk})


def settings_of(found: argparse.Namespace) -> BootSettings:
    """Return the settings that a parser has found."""
    names = set(field_names(BootSettings))
    words = [*getattr(found, "xapi_args", ()), getattr(found, "args", "")]
    if any(words):  # XAPI names all of its own, empty ones too
        found.args = " ".join(filter(None, words))
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in vars(found).items()
    }
    if given.get("json"):
        given["output_format"] = "json"
    elif given.get("output_format") == "simple0":
        domain = _LIBXL_OUTPUT.search(given.get("output", ""))
        given["domain"] = None if domain is None else int(domain[1])
    given = {name: value for name, value in given.items() if name in names}
    return BootSettings(**given, origins=dict.fromkeys(given, COMMAND_LINE))


def keys(parser: BootParser) -> dict[str, argparse.Action]:
    """Return the options that may stand in a configuration file, by their names there."""
    found = {}
    for action in parser.values:
        name = next((name for name in action.option_strings if name.startswith("--")), "")
        if name and name not in _NO_KEYS:
            found[name[2:]] = action
    return found


def unfold(argv: Sequence[str]) -> list[str]:
    """Split arguments that are whole strings of options: libvirt so hands ``<bootloader_args>`` over.

    It is split as a shell would. Raises UsageError.
    """
    words: list[str] = []
    value_follows = False
    for word in argv:
        pieces = [] if value_follows else _options_in(word)
        if pieces and word.partition("=")[0].strip() in _FREE_TEXT:
            others = [other for other in argv if other is not word]
            pieces = pieces if _is_all_there_is(pieces, others) else []
        words += pieces or [word]
        value_follows = word in _FREE_TEXT
    return words


def _options_in(word: str) -> list[str]:
    """Return the words of one argument that is a whole string of options; none if it is not."""
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
    if not options:
        return pieces
    known = {"-h", "--help", "--version"}.union(*(action.option_strings for action in parser().values))
    return pieces if known.issuperset(options) else []


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
