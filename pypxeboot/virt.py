"""The command ``pypxeboot-virt``: libvirt domains that boot from the network.

``start`` boots one domain, and starts it with kernel, initrd and command line in its live XML only. ``run``
and ``watch`` (virtwatch.py) have it done again whenever a domain reboots.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot import (
    __version__,
    arguments,
    bootfiles,
    cli,
    clientprocess,
    domainlive,
    domainsmbios,
    domainxml,
    host,
    logs,
    options,
)
from pypxeboot.artifacts import Artifacts
from pypxeboot.bootfiles import BootFiles
from pypxeboot.clientprocess import ClientProcess
from pypxeboot.config import NOTICE
from pypxeboot.domainxml import Domain, Interface
from pypxeboot.errors import HandoverError, NoBootSource, PxeBootError, Refused, UsageError
from pypxeboot.handover import libvirt, report
from pypxeboot.handover.direct import boot_of
from pypxeboot.menu import Action
from pypxeboot.plan import Plan
from pypxeboot.store import Store
from pypxeboot.text import printable

log = logging.getLogger(__name__)

USAGE = """\
usage: pypxeboot-virt start [OPTION...] DOMAIN    boot it from the network, and start it with what that gave
       pypxeboot-virt run [OPTION...] DOMAIN      the same, again at each reboot, until it is off
       pypxeboot-virt watch [OPTION...]           the same for all domains that opt in

  -c, --connect URI    the libvirt of this host to use (its default)
      --print-xml      start: print the XML that would start the domain, and leave kernel and initrd for it

All other OPTIONs are those of pypxeboot: --label, -i, -v, --json, --timeout ... See pypxeboot-virt(8).
"""

# Options of pypxeboot that say where its result goes: here that is libvirt.
_NOT_HERE = ("output", "output_directory", "list_entries", "not_really", "udhcpc", "config_dir")


def run() -> None:
    """Run the command with the arguments of this process."""
    clientprocess.open_standard_streams()
    argv = sys.argv[1:]
    if not {"--help", "-h"}.isdisjoint(argv):
        sys.stdout.write(USAGE)
        sys.exit(0)
    if argv == ["--version"]:
        sys.stdout.write(f"pypxeboot-virt {__version__}\n")
        sys.exit(0)
    if argv[:1] in (["run"], ["watch"]):
        from pypxeboot import virtwatch

        sys.exit(virtwatch.main(argv))
    sys.exit(cli.main(argv, parse=_parse, act=_start, toolstack=_locate))


def own_options() -> argparse.ArgumentParser:
    """The parser of what ``pypxeboot`` itself does not know."""
    own = options.Parser(add_help=False, allow_abbrev=False)
    own.add_argument("-c", "--connect", metavar="URI")
    own.add_argument("--print-xml", action="store_true")
    # Of virtwatch.py: it waits for the domain's reboot, and its log is of many domains; it found the domain
    # started by other means.
    own.add_argument("--supervised", action="store_true")
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
    args.supervised, args.replace, args.print_xml = own.supervised, own.replace, own.print_xml
    args.connection = libvirt.Connection(own.connect)
    args.target = args.connection.target(args.positional[0])
    if own.supervised:
        logs.name(printable(args.target.name))
    args.stored = domainxml.parse(args.target.stored_xml())
    args.about = domainxml.domain(args.stored)
    _complete(args, args.about)
    return args


def _complete(args: argparse.Namespace, about: Domain) -> None:
    """Put into ``args`` what the XML says of the guest. Raises PxeBootError."""
    if about.system != "hvm":
        system = printable(about.system, 40)
        raise UsageError(
            f"domain {printable(about.name)} is no machine, but a guest of type {system}",
            hint="a Xen domain boots by <bootloader>pypxeboot</bootloader>",
        )
    args.name, args.disk, args.hypervisor = about.name, None, args.hypervisor or "kvm"
    args.uuid = args.uuid or about.uuid
    wish = about.wish
    if wish is not None:
        args.label, args.arch = args.label or wish.label, args.arch or wish.arch
    args.smbios = domainsmbios.words(args.stored, _host_smbios(args)) + args.smbios
    if about.interface is not None:
        args.vif = {"mac": about.interface.mac} if about.interface.mac else {}


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
    plan = arguments.plan_of(args)
    if args.arch is None and args.about.arch is not None:
        plan = replace(plan, guest=replace(plan.guest, arch=args.about.arch))
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
    wish = args.about.wish
    artifacts: Optional[Artifacts] = None
    try:
        artifacts = cli.resolve(args, plan, process, store)
        direct = _direct(artifacts, args.about)
    except (PxeBootError, host.BootFailed) as why:
        error = why.error if isinstance(why, host.BootFailed) else why
        if wish is None or not wish.disk or error.code not in (3, 4, 5, 6):
            raise
        log.warning("%s: the disk is next in the boot order", printable(error.message, 2000))
        direct = None
    told = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), **_told(artifacts, direct)}
    return domainxml.serialised(domainlive.booting(args.stored, direct, told, args.supervised)), artifacts


def _direct(artifacts: Artifacts, about: Domain) -> Optional[Mapping[str, Optional[str]]]:
    """Kernel, initrd, cmdline and dtb; None for the disk. Raises PxeBootError."""
    if artifacts.action is Action.LOCALBOOT:
        if not about.has_disk:
            raise NoBootSource("the entry says local disk, and the domain has none")
        return None
    if artifacts.action is not Action.BOOT:
        raise NoBootSource(f"the entry says {artifacts.action.value}: nothing boots")
    boot = boot_of(artifacts, "libvirt")
    assert boot is not None
    for path in filter(None, (boot.kernel, boot.ramdisk, boot.dtb)):
        BootFiles.open_to_qemu(path)
    return {"kernel": boot.kernel, "initrd": boot.ramdisk, "cmdline": boot.cmdline, "dtb": boot.dtb}


def _told(artifacts: Optional[Artifacts], direct: Optional[Mapping[str, Optional[str]]]) -> dict[str, str]:
    """What the running domain shows of its boot."""
    if direct is None or artifacts is None or artifacts.kernel is None:
        return {"action": Action.LOCALBOOT.value}
    return {
        "action": artifacts.action.value,
        "label": printable(artifacts.label or "", 400),
        "kernel": printable(artifacts.kernel.url, 1000),
    }
