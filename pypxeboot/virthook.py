"""The hook of libvirt's QEMU driver: domains that boot from the network whoever starts them.

libvirt runs it as ``NAME OPERATION PHASE REASON``, the domain's XML on standard input, and waits for its end;
a status other than 0 ends the start, and what stands on standard error is shown to whoever asked for it.
Nothing here asks libvirt for anything: that would wait for ever (docs/hooks.rst). scripts/libvirt-hook lets
only those operations and domains come here that this is for.

A domain opts in by its metadata, and names the files to fill: ``-readconfig FILE`` among the words of its
``<qemu:commandline>``, or ``<kernel>`` and ``<initrd>``, or both.
"""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot import (
    clientprocess,
    domainboot,
    domainhook,
    domainlive,
    domainsmbios,
    domainxml,
    hookfiles,
    host,
    logs,
    options,
    settled,
)
from pypxeboot.config import NOTICE
from pypxeboot.domainhook import HookFiles
from pypxeboot.domainxml import Domain
from pypxeboot.errors import HandoverError, NoBootSource, PxeBootError, UsageError
from pypxeboot.handover import readconfig
from pypxeboot.handover.direct import DirectBoot
from pypxeboot.hookfiles import Mark
from pypxeboot.store import Store
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# After these the guest goes on elsewhere, or later, by the same files.
_GOES_ON = ("saved", "migrated")
# Not every libvirt says so; but here it keeps what "virsh managedsave" saves.
_SAVED = Path("/var/lib/libvirt/qemu/save")
_JOURNAL = "/run/systemd/journal/stdout"
_JOURNAL_HEADER = "pypxeboot-virt-hook\n\n6\n0\n0\n0\n0\n"


def run() -> None:
    """Run the hook with the arguments of this process."""
    clientprocess.open_standard_streams()
    shown = os.dup(2)
    _tell_the_journal()
    error = _error_of(sys.argv[1:])
    if error is not None:
        line = f"pypxeboot: {printable(error.message, 2000)}"
        line += f" ({printable(error.hint, 2000)})" if error.hint else ""
        os.write(shown, f"{line}\n".encode())
    sys.exit(0 if error is None else error.code)


def _tell_the_journal() -> None:
    """Have standard error go there: libvirt keeps nothing of a hook that succeeds, and of others all."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as journal:
        try:
            journal.connect(_JOURNAL)
            journal.sendall(_JOURNAL_HEADER.encode())
            os.dup2(journal.fileno(), 2)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _error_of(argv: Sequence[str]) -> Optional[PxeBootError]:
    """Why it failed, if it did."""
    logs.configure(NOTICE)
    try:
        if len(argv) < 3:
            raise UsageError(
                "this is a hook, which libvirt runs", hint="install it as hooks/qemu.d/pypxeboot"
            )
        xml = sys.stdin.buffer.read(domainxml.MAX_SIZE * 4).decode("utf-8", "replace")
        logs.name(printable(argv[0]))
        with host.signals_raise():
            _handle(argv[1], argv[3] if len(argv) > 3 else "", domainxml.parse(xml))
        return None
    except host.BootFailed as why:
        error = why.error
    except PxeBootError as why:
        error = why
    except Exception as why:
        log.debug("where it failed", exc_info=True)
        error = PxeBootError(f"internal error: {type(why).__name__}: {why}", hint="please report it")
    log.error("error: %s", printable(error.message, 2000))
    return error


def _handle(operation: str, reason: str, root: Element) -> None:
    """Do what is to be done when libvirt does ``operation``."""
    files = domainhook.files(root)
    if files is None or domainlive.is_ours(root):  # pypxeboot-virt has booted it
        return
    about = domainxml.domain(root)
    if about.wish is None:
        return
    mark = Mark(about.uuid)
    if operation in ("migrate", "restore"):
        mark.set()
    elif operation == "started":
        mark.clear()
    elif operation == "release":
        saved = reason in _GOES_ON or (_SAVED / f"{about.name}.save").exists()
        if not saved and not mark.is_set():
            hookfiles.remove(files)
        mark.clear()
    elif operation == "prepare":
        if not mark.is_set():
            mark.clear()
            if not _is_on_network(about):
                _boot(root, about, files)
    elif operation == "start" and _is_on_network(about) and not mark.is_set():
        _boot(root, about, files)


def _is_on_network(about: Domain) -> bool:
    """Whether its bridge is known only when libvirt has allocated a port of its own network."""
    return about.interface is not None and about.interface.kind == "network"


def _boot(root: Element, about: Domain, files: HookFiles) -> None:
    """Resolve the boot of the domain, and fill its files."""
    args = _arguments(root, about)
    settled.complete(args)
    plan = domainboot.plan_of(args, about)
    with Store(hookfiles.directory(files)) as store:
        _artifacts, boot = domainboot.boot(args, about, plan, None, store)
        try:
            _fill(files, boot)
        except BaseException:
            hookfiles.remove(files)
            raise
    log.log(NOTICE, "handed over: %s", "the local disk" if boot is None else "kernel and command line")


def _arguments(root: Element, about: Domain) -> argparse.Namespace:
    """The arguments of a boot, with what the XML says of the guest. Raises UsageError."""
    args, interface = options.namespace(["--quiet"]), about.interface
    if interface is None or interface.mac is None:
        raise UsageError("the domain has no network interface")
    domainboot.describe(args, about, domainsmbios.words(root, None))
    bridge, device = interface.source.get("bridge"), interface.source.get("dev")
    if bridge:
        args.vif["bridge"] = bridge
        if interface.vlan:
            args.vif["vlan"] = interface.vlan
    elif device:
        args.interface = device
    else:
        kind = printable(interface.kind, 40)
        raise UsageError(f"an interface of type {kind} is on no bridge that is known here")
    return args


def _fill(files: HookFiles, boot: Optional[DirectBoot]) -> None:
    """Put the boot where QEMU will look for it. Raises PxeBootError."""
    if boot is None:
        if files.direct or files.config is None:
            raise NoBootSource(
                "the local disk it is, and a domain with <kernel> in its XML boots none",
                hint="let it have -readconfig instead",
            )
        hookfiles.remove(files)
        hookfiles.write(readconfig.render(None, None, ""), files.config)
        return
    if files.direct and (boot.ramdisk is None) is not (files.initrd is None):
        one, other = "the entry", "the domain's XML"
        one, other = (other, one) if boot.ramdisk is None else (one, other)
        raise HandoverError(f"{one} has an initrd, and {other} has none")
    if files.config is not None:
        hookfiles.write(_config(files, boot), files.config)
    elif boot.cmdline:
        log.warning("the command line stays that of the domain's XML: it has no -readconfig")
    hookfiles.put(boot.kernel, files.kernel)
    if boot.ramdisk is not None and files.initrd is not None:
        hookfiles.put(boot.ramdisk, files.initrd)
    elif files.initrd is not None:
        Path(files.initrd).unlink(missing_ok=True)  # of the last boot


def _config(files: HookFiles, boot: DirectBoot) -> bytes:
    if files.direct:
        return readconfig.render(None, None, boot.cmdline)
    initrd = None if boot.ramdisk is None else files.initrd
    return readconfig.render(files.kernel, initrd, boot.cmdline)
