"""The command ``pypxeboot-xl``: ``xl create`` for domains without a disk.

libxl starts no bootloader for a domain that has no disk (libxl_bootloader.c: "cannot run bootloader with no
boot disk"). So this resolves the boot first, and then has xl create the domain with kernel, ramdisk and
command line among its settings, of which the last of one name counts.
"""

from __future__ import annotations

import argparse
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from pypxeboot import __version__
from pypxeboot.commands import main
from pypxeboot.config import options, planner
from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, NoBootSource, UsageError
from pypxeboot.guest import parse_vif
from pypxeboot.host import session
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.output import xen
from pypxeboot.privsep import fork
from pypxeboot.result import Artifacts
from pypxeboot.text import printable
from pypxeboot.xen import xl_config

log = logging.getLogger(__name__)

# The monitor of xl opens kernel and ramdisk again when the guest reboots: they stay until the next create.
STATE_DIRECTORY = Path("/var/lib/pypxeboot")

USAGE = """\
usage: pypxeboot-xl create [OPTION...] FILE [SETTING=VALUE...] [-- XL-OPTION...]

PXE-boots the domain that FILE describes, and starts it with xl create. It needs no disk, and FILE must not
name a bootloader. OPTIONs are those of pypxeboot: --label, -i, -v, --timeout ...; XL-OPTIONs those of
"xl create": -c, -F, -p ... See pypxeboot-xl(8).
"""


def run() -> None:
    """Run the command with the arguments of this process."""
    fork.open_standard_streams()
    argv = sys.argv[1:]
    if argv in (["--help"], ["-h"], ["create", "--help"], ["create", "-h"]):
        sys.stdout.write(USAGE)
        sys.exit(0)
    if argv == ["--version"]:
        sys.stdout.write(f"pypxeboot-xl {__version__}\n")
        sys.exit(0)
    sys.exit(main.main(argv, parse=_parse, act=_create))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of pypxeboot for the domain of FILE. Raises UsageError."""
    if not argv or argv[0] != "create":
        raise UsageError("the one command is create", hint="pypxeboot-xl create FILE")
    words = list(argv[1:])
    end = words.index("--") if "--" in words else len(words)
    args = options.namespace(words[:end])
    if not args.positional:
        raise UsageError("no configuration was named", hint="pypxeboot-xl create FILE")
    args.file, args.settings, args.xl_options = args.positional[0], args.positional[1:], words[end + 1 :]
    for word in args.settings:
        if "=" not in word:
            raise UsageError(f"{printable(word)!r} is no setting", hint="options of xl stand behind --")
    if args.output != "-" or args.list_entries or args.not_really:
        raise UsageError("--output, -l and -n are for pypxeboot itself")
    _complete(args, _settings(args))
    return args


def _settings(args: argparse.Namespace) -> dict[str, xl_config.Value]:
    try:
        with Path(args.file).open("rb") as file:
            text = file.read(xl_config.MAX_SIZE).decode("utf-8", "replace")
    except OSError as why:
        raise UsageError(f"cannot read {args.file}: {why.strerror}") from None
    try:
        return xl_config.parse("\n".join([text, *args.settings]))
    except UsageError as why:
        raise UsageError(f"{args.file}: {why.message}", hint=why.hint) from None


def _complete(args: argparse.Namespace, settings: dict[str, xl_config.Value]) -> None:
    """Put into ``args`` what the configuration says of the guest. Raises UsageError."""

    def text(name: str) -> str:
        value = settings.get(name, "")
        return value if isinstance(value, str) else ""

    if text("type") == "hvm" or text("builder") == "hvm":
        raise UsageError(f"{args.file} is of an HVM domain: its firmware boots from the network by itself")
    if "bootloader" in settings:
        raise UsageError(
            f"{args.file} names a bootloader", hint="then plain xl create will do; else take that line out"
        )
    args.name = text("name")
    if not re.fullmatch(r"[A-Za-z0-9_+:@.-]{1,200}", args.name) or args.name.startswith("."):
        raise UsageError(f"{args.file} gives the domain no name, or one that is no file name")
    vifs = [parse_vif(vif) for vif in xl_config.texts(settings.get("vif", []))]
    args.vif, args.disk = (vifs[0] if vifs else {}), None
    args.has_disk = bool(xl_config.texts(settings.get("disk", [])))
    args.hypervisor = args.hypervisor or "xen"
    args.guest_type = args.guest_type or ("pvh" if text("type") == "pvh" or text("pvh") == "1" else "pv")
    args.uuid = args.uuid or text("uuid") or None
    args.args = args.args or text("cmdline") or _joined(text("root"), text("extra"))


def _joined(root: str, extra: str) -> str:
    """root= and extra= as xl joins them (xl_parse.c, parse_cmdline)."""
    return " ".join(([f"root={root}"] if root else []) + ([extra] if extra else []))


def _create(args: argparse.Namespace, process: Optional[ClientProcess]) -> None:
    if args.mac is None and not args.vif.get("mac"):
        raise UsageError(
            f"{args.file} has no vif with a MAC address",
            hint="write vif = ['mac=00:16:3e:01:02:03,bridge=xenbr0']",
        )
    program = shutil.which("xl")
    if program is None:
        raise HandoverError("xl is not installed", hint="install Xen's utilities")
    plan = planner.plan_of(args)
    directory = STATE_DIRECTORY / args.name
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise HandoverError(f"cannot make {directory}: {why.strerror}") from None
    before = set(directory.iterdir())
    with Store(directory) as store:
        artifacts = session.resolve(args, plan, process, store)
        settings = _settings_of(artifacts, args)
        argv = [program, "create", *args.xl_options, args.file, *args.settings, *settings]
        log.info("running %s", printable(" ".join(argv), 9000))
        status = subprocess.run(argv, check=False).returncode
        if status:
            raise HandoverError(f"xl create ended with status {status}", hint="what it said stands above")
        store.keep()
    for path in before:  # of the domain's last life
        path.unlink(missing_ok=True)


def _settings_of(artifacts: Artifacts, args: argparse.Namespace) -> list[str]:
    """The settings by which xl boots ``artifacts``. Raises NoBootSource and HandoverError."""
    if artifacts.action is Action.LOCALBOOT:
        if not args.has_disk:
            raise NoBootSource("the entry says local disk, and the domain has none")
        return ['bootloader="pygrub"']
    if artifacts.action is not Action.BOOT:
        raise NoBootSource(f"the entry says {artifacts.action.value}: nothing boots")
    xen.render(artifacts, "simple0", args.guest_type)  # refuses what Xen would cut
    assert artifacts.kernel is not None and artifacts.kernel.path is not None
    ramdisk = artifacts.ramdisk.path if artifacts.ramdisk is not None else None
    return [
        f"kernel={quoted(artifacts.kernel.path)}",
        f"ramdisk={quoted(ramdisk or '')}",
        f"cmdline={quoted(artifacts.cmdline)}",
    ]


def quoted(text: str) -> str:
    """``text`` as a string of xl.cfg. Raises HandoverError for a line feed, which none can hold.

    Escapes of the quote and the backslash are all that libxlu_cfg.c reads right: xlu__cfgl_dequote() takes
    the digits of numeric ones from the wrong place.
    """
    if "\n" in text:
        raise HandoverError("xl.cfg has no strings with a line feed in them")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
