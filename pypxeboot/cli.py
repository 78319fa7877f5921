"""The command ``pypxeboot``: arguments in, exit code out. The one module that prints."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from pypxeboot import arguments, host, logs, options, sandbox, settled
from pypxeboot.artifacts import Artifacts, Request
from pypxeboot.clientprocess import ClientProcess
from pypxeboot.config import NOTICE, Limits
from pypxeboot.errors import Aborted, HandoverError, NoBootSource, PxeBootError, UsageError
from pypxeboot.guest import Guest
from pypxeboot.menu import Action
from pypxeboot.plan import Plan
from pypxeboot.store import Report, Store
from pypxeboot.text import printable, size_text

log = logging.getLogger(__name__)

_STORY_LINES = 24  # requests shown with an error, the last ones
# xl's child sleeps for a second and then starts xenconsole (xl_vmcontrol.c, autoconnect_console).
_CONSOLE_SECONDS = 2.5
_STARTED = time.monotonic()


def main(
    argv: Sequence[str],
    process: Optional[ClientProcess] = None,
    *,
    parse: Callable[[Sequence[str]], argparse.Namespace] = options.parse,
    act: Optional[Callable[[argparse.Namespace, Optional[ClientProcess]], Optional[int]]] = None,
    toolstack: Optional[Callable[[argparse.Namespace], None]] = None,
) -> int:
    """Run ``pypxeboot`` with ``argv``; the exit code says the cause (``errors.py``).

    ``process`` is a client that runs already; it is the caller's to stop. Another command of the project has
    its own ``parse``, and ``act`` in place of boot and handover, which may give an exit code of its own;
    ``toolstack`` is for :func:`settled.complete`.
    """
    logs.configure(NOTICE)
    args: Optional[argparse.Namespace] = None
    try:
        args = parse(argv)
        _set_level(args)
        with host.signals_raise():
            _settle(args, toolstack)
            if not args.show_config:
                return (act or _boot)(args, process) or 0
            write(None, settled.shown(args).encode())
        return 0
    except host.BootFailed as why:
        return failed(why.error, why.failure.requests, json=_wants_json(argv, args))
    except PxeBootError as why:
        return failed(why, json=_wants_json(argv, args))
    except KeyboardInterrupt:
        return failed(Aborted("interrupted"), json=_wants_json(argv, args))
    except Exception as why:
        log.debug("where it failed", exc_info=True)
        what = f"{type(why).__name__}: {printable(str(why))}"
        error = PxeBootError(f"internal error: {what}", hint="-vv shows where; please report it")
        return failed(error, json=_wants_json(argv, args))


def _wants_json(argv: Sequence[str], args: Optional[argparse.Namespace]) -> bool:
    """Whether a failure is to be told as JSON, also where the arguments themselves are wrong."""
    if args is not None:
        return bool(args.output_format == "json")
    return "--json" in argv or "--output-format=json" in argv or "--output-format json" in " ".join(argv)


def _settle(args: argparse.Namespace, toolstack: Optional[Callable[[argparse.Namespace], None]]) -> None:
    """Find out who the guest is, and what holds for it."""
    if args.domain is None:
        settled.complete(args, toolstack)
        return
    from pypxeboot import identity

    identity.known(args)
    settled.complete(args, identity.located)


def _set_level(args: argparse.Namespace) -> None:
    # Under libxl standard error is the one log that there is of a boot at night: tell all of it.
    verbosity = args.verbose + (0 if args.domain is None else 1) + (2 if args.debug else 0)
    level = NOTICE if verbosity == 0 else logging.INFO if verbosity == 1 else logging.DEBUG
    logging.getLogger("pypxeboot").setLevel(level)


def failed(
    error: PxeBootError,
    requests: Sequence[Request] = (),
    *,
    json: bool = False,
) -> int:
    """Say what went wrong, after what was asked for, with ``json`` on standard output too; the exit code."""
    if not log.isEnabledFor(logging.INFO):
        for request in requests[-_STORY_LINES:]:
            result = size_text(request.bytes) if request.result == "ok" else request.result
            log.error("asked for %s: %s", printable(request.url, 400), printable(result, 300))
    log.error("error: %s", printable(error.message, 2000))
    if error.hint:
        log.error("hint: %s", printable(error.hint, 2000))
    if json:
        from pypxeboot.handover import report

        with suppress(HandoverError):  # the cause is what counts
            write(None, report.render_failure(error, requests))
    return error.code


def _boot(args: argparse.Namespace, process: Optional[ClientProcess]) -> None:
    plan = arguments.plan_of(args)
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


def resolve(
    args: argparse.Namespace,
    plan: Plan,
    process: Optional[ClientProcess],
    store: Store,
    hear: Optional[Callable[[object], None]] = None,
) -> Artifacts:
    """Boot as ``plan`` says, with ``args`` for what is the host side's own; the files are in ``store``.

    ``hear`` takes what the client finds on the way, where the plan is to examine.
    """
    if os.geteuid() != 0:
        raise UsageError("only root can join a guest's network", hint="run it by sudo, or from xl or libvirt")
    try:
        ids = sandbox.user_ids(args.runas)
    except (KeyError, ValueError) as why:
        raise UsageError(f"--runas {args.runas}: {why}") from None
    wait = Limits.mac_wait if args.mac_wait is None else args.mac_wait
    capture = None
    tell = log.isEnabledFor(logging.DEBUG)
    if args.pcap is not None or tell:
        from pypxeboot.capture import Capture

        capture = Capture(None if args.pcap is None else Path(args.pcap), tell=tell)
    return host.boot(
        plan, process, mode=args.link, mac_wait=wait, ids=ids, store=store, capture=capture, hear=hear
    )


def _hand_over(args: argparse.Namespace, plan: Plan, artifacts: Artifacts, output: Optional[Report]) -> None:
    from pypxeboot.handover import report

    if plan.list_entries:
        if args.output_format == "json":
            write(output, report.render_entries(artifacts))
        else:
            on_terminal = output is None and sys.stdout.isatty()
            width = shutil.get_terminal_size().columns if on_terminal else None
            write(output, report.table(artifacts.entries, width).encode())
        return
    result = _render(args, plan, artifacts, output)
    if result is not None:
        write(output, result)
    _tell(args, artifacts)
    if args.domain is not None:
        _await_console()


def _await_console() -> None:
    """``xl create -c`` hangs if its bootloader ends before the console, a second later, is attached."""
    from pypxeboot import toolstack

    if toolstack.attaches_console():
        time.sleep(max(0.0, _CONSOLE_SECONDS - (time.monotonic() - _STARTED)))


def _render(
    args: argparse.Namespace, plan: Plan, artifacts: Artifacts, output: Optional[Report]
) -> Optional[bytes]:
    """The bytes of the result, or None where another program has written them."""
    from pypxeboot import localboot
    from pypxeboot.handover import report, xen

    if args.output_format == "json":
        return report.render(artifacts, plan.guest)
    if args.output_format == "shell":
        from pypxeboot.handover import shell

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
        result = localboot.run(_pygrub_arguments(args), args.disk, args.output_format, path, directory)
        return result if output is None else None
    return xen.render(artifacts, args.output_format, args.guest_type)


def _directly(args: argparse.Namespace, artifacts: Artifacts, guest: Guest) -> bytes:
    """What a virtual machine monitor with direct kernel boot reads, or a shell to start it."""
    from pypxeboot.handover import cloudhypervisor, firecracker, libvirtos, qemu

    form, disk = args.output_format, args.disk
    if form == "libvirt":
        return libvirtos.render(artifacts, guest, args.guest_type)
    if form == "firecracker":
        return firecracker.render(artifacts, guest, disk)
    if form == "cloud-hypervisor":
        return cloudhypervisor.render(artifacts, guest, disk)
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


def write(output: Optional[Report], data: bytes) -> None:
    """Write ``data`` to the file, or to standard output. Raises HandoverError."""
    if output is not None:
        output.write(data)
        return
    try:
        sys.stdout.buffer.write(data)
        if sys.stdout.isatty() and not data.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.flush()
    except OSError as why:
        # Or the interpreter stumbles over it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise HandoverError(f"cannot write the result to standard output: {why.strerror}") from None


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
