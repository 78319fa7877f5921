"""``pypxeboot-virt start``: a domain boots from the network, and is started with what that gave.

Kernel, initrd and command line are in the XML of this run only.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot import (
    bootfiles,
    cli,
    domainboot,
    domainlive,
    domainsmbios,
    domainxml,
    options,
)
from pypxeboot.artifacts import Artifacts
from pypxeboot.bootfiles import BootFiles
from pypxeboot.clientprocess import ClientProcess
from pypxeboot.config import NOTICE
from pypxeboot.domainxml import Interface
from pypxeboot.errors import HandoverError, PxeBootError, Refused, UsageError
from pypxeboot.handover import libvirt, report
from pypxeboot.handover.direct import DirectBoot
from pypxeboot.menu import Action
from pypxeboot.plan import Plan
from pypxeboot.store import Store
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# Options of pypxeboot that say where its result goes: here that is libvirt.
_NOT_HERE = ("output", "output_directory", "list_entries", "not_really", "udhcpc", "config_dir")


def main(argv: Sequence[str], process: Optional[ClientProcess]) -> int:
    """Run it; the exit code. ``process`` is a client that runs already."""
    return cli.main(argv, process, parse=_parse, act=_start, toolstack=_locate)


def own_options() -> argparse.ArgumentParser:
    """The parser of what ``pypxeboot`` itself does not know."""
    own = options.Parser(add_help=False, allow_abbrev=False)
    own.add_argument("-c", "--connect", metavar="URI")
    own.add_argument("--print-xml", action="store_true")
    # Of virtwatch.py: it waits for the reboot of the domain of that name, whose lines in the log it names; it
    # found the domain started by other means.
    own.add_argument("--supervised", metavar="NAME")
    own.add_argument("--replace", action="store_true")
    return own


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of pypxeboot for a domain of libvirt's. Raises PxeBootError."""
    if not argv or argv[0] != "start":
        raise UsageError("the commands are start, run and watch", hint="pypxeboot-virt start DOMAIN")
    own, words = own_options().parse_known_args(argv[1:])
    args = options.namespace(words)
    if len(args.positional) != 1:
        raise UsageError("one domain must be named", hint="pypxeboot-virt start DOMAIN")
    refused = [name for name in _NOT_HERE if name in args.given]
    if refused:
        name = refused[0].replace("_", "-")
        raise UsageError(f"--{name} is for pypxeboot itself")
    args.supervised, args.replace, args.print_xml = own.supervised is not None, own.replace, own.print_xml
    args.connection = libvirt.Connection(own.connect)
    args.target = args.connection.target(args.positional[0])
    args.stored = domainxml.parse(args.target.stored_xml())
    args.about = domainxml.domain(args.stored)
    domainboot.describe(args, args.about, domainsmbios.words(args.stored, _host_smbios(args)))
    return args


def _host_smbios(args: argparse.Namespace) -> Optional[Element]:
    if not domainsmbios.of_host(args.stored):
        return None
    return domainxml.parse(args.connection.host_smbios())


def _locate(args: argparse.Namespace) -> None:
    """Find where the guest will be connected, unless that was said. Raises PxeBootError."""
    if args.bridge or args.interface:
        return
    interface: Optional[Interface] = args.about.interface
    kind = "" if interface is None else interface.kind
    if interface is None:
        raise UsageError(f"domain {printable(args.name)} has no network interface")
    if kind == "bridge":
        args.vif.update(bridge=interface.source.get("bridge", ""), vlan=interface.vlan)
    elif kind == "direct":
        args.interface = interface.source.get("dev")
    elif kind == "network":
        name = interface.source.get("network", "")
        root = domainxml.parse(args.connection.network_xml(name))
        network = domainxml.network(root, interface.source.get("portgroup"))
        args.interface = None if network.bridge else network.device
        args.vif.update(bridge=network.bridge, vlan=interface.vlan or network.vlan)
    if not args.vif.get("bridge") and not args.interface:
        raise UsageError(
            f"an interface of type {printable(kind, 40)} is on no bridge that is known here",
            hint="--bridge or --interface names it",
        )


def _start(args: argparse.Namespace, process: Optional[ClientProcess]) -> None:
    target: libvirt.Target = args.target
    if args.replace and target.is_active():
        target.destroy()
    if not args.print_xml:
        check_off(target)
    plan = domainboot.plan_of(args, args.about)
    if args.print_xml:
        with Store(None) as store:
            xml, _artifacts = _booted(args, plan, process, store)
            store.directory.chmod(0o711)
            cli.write(None, xml.encode() + b"\n")
            store.keep()
        return
    bootfiles.sweep(lambda uuid: is_needed(args.connection, uuid))
    with BootFiles(target.uuid) as files, Store(files.path) as store:
        check_off(target)  # another start may just have ended
        files.clear()
        xml, artifacts = _booted(args, plan, process, store)
        check_off(target)  # it took its time
        args.connection.create(xml)
        store.keep()
        files.keep()
    log.log(NOTICE, "domain %s is started", printable(target.name))
    if args.output_format == "json" and artifacts is not None:
        with suppress(HandoverError):  # the domain runs, whoever reads this
            cli.write(None, report.render(artifacts, plan.guest))


def check_off(target: libvirt.Target) -> None:
    """Raise Refused for a domain that runs, or would go on from where it was saved."""
    shown = printable(target.name)
    if target.is_active():
        raise Refused(f"domain {shown} is running", hint=f"virsh shutdown {shown}, or virsh destroy {shown}")
    if target.has_saved_state():
        raise Refused(
            f"domain {shown} has a saved state, which another boot would make worthless",
            hint=f"virsh start {shown} goes on from it; virsh managedsave-remove {shown} gives it up",
        )


def is_needed(connection: libvirt.Connection, uuid: str) -> bool:
    """Whether the files of a domain are needed."""
    try:
        target = connection.target(uuid)
        return target.is_active() or target.has_saved_state()
    except UsageError:
        return False
    except PxeBootError:
        return True


def _booted(
    args: argparse.Namespace, plan: Plan, process: Optional[ClientProcess], store: Store
) -> tuple[str, Optional[Artifacts]]:
    """The XML to start the domain by, and the boot, if the network gave one. Raises PxeBootError."""
    artifacts, boot = domainboot.boot(args, args.about, plan, process, store)
    told = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), **_told(artifacts)}
    direct = None if boot is None else _direct(boot)
    return domainxml.serialised(domainlive.booting(args.stored, direct, told, args.supervised)), artifacts


def _direct(boot: DirectBoot) -> Mapping[str, Optional[str]]:
    """The elements of a direct kernel boot, whose files QEMU may read."""
    for path in filter(None, (boot.kernel, boot.ramdisk, boot.dtb)):
        BootFiles.open_to_qemu(path)
    return {"kernel": boot.kernel, "initrd": boot.ramdisk, "cmdline": boot.cmdline, "dtb": boot.dtb}


def _told(artifacts: Optional[Artifacts]) -> dict[str, str]:
    """What the running domain shows of its boot."""
    if artifacts is None or artifacts.kernel is None:
        return {"action": Action.LOCALBOOT.value}
    return {
        "action": artifacts.action.value,
        "label": printable(artifacts.label or "", 400),
        "kernel": printable(artifacts.kernel.url, 1000),
    }
