"""The command ``pypxeboot-xl``: ``xl create`` for domains without a disk.

libxl starts no bootloader for a domain that has no disk (libxl_bootloader.c: "cannot run bootloader with no
boot disk"). So this resolves the boot first, and then has xl create the domain with kernel, ramdisk and
command line among its settings, of which the last of one name counts.
"""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pypxeboot import __version__
from pypxeboot.commands import command
from pypxeboot.commands.command import Command
from pypxeboot.config import options, planner
from pypxeboot.config.argument_parser import Parser
from pypxeboot.config.settings import BootSettings
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, NoBootSource, UsageError
from pypxeboot.host import turns
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.output import xen
from pypxeboot.output.request import OutputRequest
from pypxeboot.plan import Plan
from pypxeboot.privsep import streams
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.xen import capabilities, domain_config, domain_files, xl_config
from pypxeboot.xen.domain_config import VifConfig

log = logging.getLogger(__name__)

# The monitor of xl opens kernel and ramdisk again when the guest reboots: they stay until the next create.
STATE_DIRECTORY = Path("/var/lib/pypxeboot")

_USAGE = "pypxeboot-xl create [OPTION...] FILE [SETTING=VALUE...] [-- XL-OPTION...]"


def run() -> None:
    """Run the command with the arguments of this process."""
    streams.open_standard_streams()
    sys.exit(command.run(read, sys.argv[1:]))


def parser() -> Parser:
    """Return the parser of ``pypxeboot-xl``."""
    top = Parser(
        prog="pypxeboot-xl",
        usage=_USAGE,
        description="PXE-boots the domain that FILE describes, and starts it with xl create. It needs no "
        "disk, and FILE must not name a bootloader. See pypxeboot-xl(8).",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"pypxeboot-xl {__version__}")
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=options.BootParser
    )
    create = commands.add_parser(
        "create",
        usage=_USAGE,
        help="boot a domain, and have xl create it",
    )
    create.add_argument(
        "positional", nargs="*", default=[], metavar="FILE SETTING=VALUE", help="as for xl create"
    )
    return top


def read(argv: Sequence[str]) -> tuple[Command, BootSettings]:
    """Read the arguments of ``pypxeboot-xl``. Raises UsageError."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    found = parser().parse_args(options.unfold(words[:end]))
    settings = options.settings_of(found)
    if not found.positional:
        raise UsageError("no configuration was named", hint="pypxeboot-xl create FILE")
    file, *more = found.positional
    for word in more:
        if "=" not in word:
            raise UsageError(f"{printable(word)!r} is not a setting", hint="options of xl stand behind --")
    if settings.output != "-" or settings.list_entries or settings.not_really:
        raise UsageError("--output, -l and -n are for pypxeboot itself")
    return Create(file, more, words[end + 1 :]), settings


@dataclass(frozen=True)
class Create(Command):
    """``pypxeboot-xl create``: the domain of ``file`` and ``more`` settings, with options for xl."""

    file: str
    more: Sequence[str]
    xl_options: Sequence[str]

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what the domain's configuration says. Raises UsageError."""
        found = self._xl_settings()

        def text(name: str) -> str:
            value = found.get(name, "")
            return value if isinstance(value, str) else ""

        if text("type") == "hvm" or text("builder") == "hvm":
            raise UsageError(
                f"{self.file} is of an HVM domain: its firmware boots from the network by itself"
            )
        if "bootloader" in found:
            raise UsageError(
                f"{self.file} names a bootloader",
                hint="then plain xl create will do; else take that line out",
            )
        name = text("name")
        if not re.fullmatch(r"[A-Za-z0-9_+:@.-]{1,200}", name) or name.startswith("."):
            raise UsageError(f"{self.file} gives the domain no name, or one that cannot be a file name")
        return settings_of_domain(settings, self.file, found)

    def _xl_settings(self) -> dict[str, xl_config.Value]:
        return read_file(self.file, self.more)

    def act(self, settings: BootSettings, process: Optional[ClientProcess]) -> int:
        """Boot the domain, and have xl create it. Raises PxeBootError and BootFailed."""
        if settings.effective_mac is None:
            raise UsageError(
                f"{self.file} has no vif with a MAC address",
                hint="write vif = ['mac=00:16:3e:01:02:03,bridge=xenbr0']",
            )
        program = shutil.which("xl")
        if program is None:
            raise HandoverError("xl is not installed", hint="install Xen's utilities")
        plan = planner.plan(settings)
        directory = STATE_DIRECTORY / str(settings.name)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as why:
            raise HandoverError(f"cannot make {directory}: {why.strerror}") from None
        before = set(directory.iterdir())
        with Store(directory) as store:
            result = turns.resolve(planner.host_plan(settings), plan, process, store)
            boot = self._boot_settings(result, plan, settings.guest_type)
            argv = [program, "create", *self.xl_options, self.file, *self.more, *boot]
            log.info("running %s", printable(" ".join(argv), 9000))
            status = subprocess.run(argv, check=False).returncode
            if status:
                raise HandoverError(f"xl create ended with status {status}", hint="what it said stands above")
            store.keep()
        for path in domain_files.unused(before):  # of the domain's last life, unless it lives on, renamed
            path.unlink(missing_ok=True)
        return 0

    def _boot_settings(self, result: BootResult, plan: Plan, guest_type: Optional[str]) -> list[str]:
        """Return the settings by which xl boots ``result``. Raises NoBootSource and HandoverError."""
        if result.action is Action.LOCALBOOT:
            if not xl_config.texts(self._xl_settings().get("disk", [])):
                raise NoBootSource("the entry says local disk, and the domain has none")
            return ['bootloader="pygrub"']
        if result.action is not Action.BOOT:
            raise NoBootSource(f"the entry says {result.action.value}: nothing boots")
        xen.render(result, OutputRequest(plan.guest, "simple0", guest_type))  # refuses what Xen would cut
        assert result.kernel is not None and result.kernel.path is not None
        ramdisk = result.ramdisk.path if result.ramdisk is not None else None
        return [
            f"kernel={quoted(result.kernel.path)}",
            f"ramdisk={quoted(ramdisk or '')}",
            f"cmdline={quoted(result.cmdline)}",
        ]


def read_file(name: str, more: Sequence[str] = ()) -> dict[str, xl_config.Value]:
    """Return the settings in the file ``name``, and those of ``more`` lines behind it. Raises UsageError."""
    try:
        with Path(name).open("rb") as file:
            text = file.read(xl_config.MAX_SIZE).decode("utf-8", "replace")
    except OSError as why:
        raise UsageError(f"cannot read {name}: {why.strerror}") from None
    try:
        return xl_config.parse("\n".join([text, *more, ""]) if more else text)
    except UsageError as why:
        raise UsageError(f"{name}: {why.message}", hint=why.hint) from None


def settings_of_domain(settings: BootSettings, file: str, found: dict[str, xl_config.Value]) -> BootSettings:
    """Return the settings with what the configuration in ``file`` says of its domain. Raises UsageError."""

    def text(name: str) -> str:
        value = found.get(name, "")
        return value if isinstance(value, str) else ""

    config = domain_config.of_settings(file, found)
    vif = config.vif(None) or VifConfig()
    if not (settings.bridge or settings.interface):
        vif.check_backend()
    pvh = text("type") == "pvh" or text("pvh") == "1"
    return replace(
        settings,
        name=text("name") or None,
        vif=vif.keys(),
        pvshim=config.pvshim,
        pv32=capabilities.runs_pv32(),
        memory=settings.memory or config.memory,
        disk=None,
        hypervisor=settings.hypervisor or "xen",
        guest_type=settings.guest_type or ("pvh" if pvh else "pv"),
        uuid=settings.uuid or text("uuid") or None,
        args=settings.args or text("cmdline") or _joined(text("root"), text("extra")),
    )


def _joined(root: str, extra: str) -> str:
    """root= and extra= as xl joins them (xl_parse.c, parse_cmdline)."""
    return " ".join(([f"root={root}"] if root else []) + ([extra] if extra else []))


def quoted(text: str) -> str:
    """``text`` as a string of xl.cfg. Raises HandoverError for a line feed, which none can hold.

    Escapes of the quote and the backslash are all that libxlu_cfg.c reads right: xlu__cfgl_dequote() takes
    the digits of numeric ones from the wrong place.
    """
    if "\n" in text:
        raise HandoverError("xl.cfg has no strings with a line feed in them")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
