"""``pypxeboot``: boot one guest, and write the result."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import time
from pathlib import Path
from typing import Optional

from pypxeboot.config import options, planner
from pypxeboot.entry import Action
from pypxeboot.errors import NoBootSource
from pypxeboot.guest import Guest
from pypxeboot.host.output_files import Report, Store, write
from pypxeboot.host.session import resolve
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.plan import Plan
from pypxeboot.result import Artifacts
from pypxeboot.text import printable, size_text

log = logging.getLogger(__name__)

# xl's child sleeps for a second and then starts xenconsole (xl_vmcontrol.c, autoconnect_console).
_CONSOLE_SECONDS = 2.5
_STARTED = time.monotonic()


def boot_guest(args: argparse.Namespace, process: Optional[ClientProcess]) -> None:
    """Boot the guest, and write the result where the arguments say. Raises PxeBootError."""
    plan = planner.plan_of(args)
    output = None if args.output == "-" else Report(Path(args.output))
    succeeded = False
    try:
        with Store(None if args.output_directory is None else Path(args.output_directory)) as store:
            if args.output_directory is not None and plan.download:
                store.directory  # noqa: B018 - a wrong one is told before the network is asked
            artifacts = resolve(args, plan, process, store)
            _hand_over(args, plan, artifacts, output)
            store.keep()
            succeeded = True
    finally:
        if output is not None:
            if not succeeded:
                output.discard()
            output.close()


def _hand_over(args: argparse.Namespace, plan: Plan, artifacts: Artifacts, output: Optional[Report]) -> None:
    from pypxeboot.output import json_report

    if plan.list_entries:
        if args.output_format == "json":
            write(output, json_report.render_entries(artifacts))
        else:
            on_terminal = output is None and sys.stdout.isatty()
            width = shutil.get_terminal_size().columns if on_terminal else None
            write(output, json_report.table(artifacts.entries, width).encode())
        return
    result = _render(args, plan, artifacts, output)
    if result is not None:
        write(output, result)
    _tell(args, artifacts)
    if args.domain is not None:
        _await_console()


def _await_console() -> None:
    """``xl create -c`` hangs if its bootloader ends before the console, a second later, is attached."""
    from pypxeboot.xen import parent_xl

    if parent_xl.attaches_console():
        time.sleep(max(0.0, _CONSOLE_SECONDS - (time.monotonic() - _STARTED)))


def _render(
    args: argparse.Namespace, plan: Plan, artifacts: Artifacts, output: Optional[Report]
) -> Optional[bytes]:
    """The bytes of the result, or None where another program has written them."""
    from pypxeboot.output import json_report, xen
    from pypxeboot.xen import pygrub

    if args.output_format == "json":
        return json_report.render(artifacts, plan.guest)
    if args.output_format == "shell":
        from pypxeboot.output import shell

        return shell.render(artifacts, plan.guest)
    if artifacts.action in (Action.REBOOT, Action.POWEROFF):
        raise NoBootSource(
            f"the entry says {artifacts.action.value}: nothing boots",
            hint="--output-format shell or json tells it to scripts",
        )
    if args.output_format not in options.XEN_FORMATS:
        return _directly(args, artifacts, plan.guest)
    if artifacts.action is Action.LOCALBOOT:
        path = None if output is None else Path(args.output)
        directory = None if args.output_directory is None else Path(args.output_directory)
        result = pygrub.run(_pygrub_arguments(args), args.disk, args.output_format, path, directory)
        return result if output is None else None
    return xen.render(artifacts, args.output_format, args.guest_type)


def _directly(args: argparse.Namespace, artifacts: Artifacts, guest: Guest) -> bytes:
    """What a virtual machine monitor with direct kernel boot reads, or a shell to start it."""
    from pypxeboot.output import cloud_hypervisor, firecracker, libvirt, qemu

    form, disk = args.output_format, args.disk
    if form == "libvirt":
        return libvirt.render(artifacts, guest, args.guest_type)
    if form == "firecracker":
        return firecracker.render(artifacts, guest, disk)
    if form == "cloud-hypervisor":
        return cloud_hypervisor.render(artifacts, guest, disk)
    if artifacts.action is Action.LOCALBOOT and disk is None:
        raise NoBootSource(
            "the entry says local disk, and no disk was given", hint="name it as last argument"
        )
    return qemu.render(artifacts, guest, disk, microvm=form == "qemu-microvm")


def _pygrub_arguments(args: argparse.Namespace) -> list[str]:
    """The options of pygrub among ours, as libxl gave them."""
    words = [
        f"--{name}={value}"
        for name in ("kernel", "ramdisk", "args", "runas", "offset")
        if (value := getattr(args, name))
    ]
    # Its menu needs a terminal, and draws on the one where its result would go.
    quiet = args.quiet or args.output == "-" or not sys.stdin.isatty()
    words += ["--quiet"] if quiet and not args.label else []
    words += [f"--{name}" for name in ("isconfig", "debug", "interactive") if getattr(args, name)]
    words += ["--not-really"] if args.not_really else []
    words += [f"--output={args.output}", f"--output-format={args.output_format}"]
    if args.output_directory is not None:
        words.append(f"--output-directory={args.output_directory}")
    return words


def _tell(args: argparse.Namespace, artifacts: Artifacts) -> None:
    where = "standard output" if args.output == "-" else args.output
    kernel, ramdisk = artifacts.kernel, artifacts.ramdisk
    if artifacts.action is not Action.BOOT or kernel is None:
        log.info("handed over: %s, as %s to %s", artifacts.action.value, args.output_format, where)
        return
    log.info("handed over as %s to %s after %.2f s", args.output_format, where, artifacts.seconds.total)
    if kernel.path is not None and kernel.size is not None:
        log.info("kernel %s, %s", kernel.path, size_text(kernel.size))
    if ramdisk is not None and ramdisk.path is not None and ramdisk.size is not None:
        log.info("ramdisk %s, %s", ramdisk.path, size_text(ramdisk.size))
    log.info("command line: %s", printable(artifacts.cmdline, 8192))
