"""``pypxeboot-virt start``: a domain boots from the network, and is started with what that gave.

Kernel, initrd and command line are in the XML of this run only.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.entry import Action
from pypxeboot.errors import HandoverError, PxeBootError, Refused, UsageError
from pypxeboot.host import output_files
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE
from pypxeboot.output import json_report
from pypxeboot.output.direct import DirectBoot
from pypxeboot.plan import Plan
from pypxeboot.result import Artifacts
from pypxeboot.text import printable
from pypxeboot.virt import boot as domainboot
from pypxeboot.virt import boot_files, domain_xml, live_xml, smbios
from pypxeboot.virt import connection as libvirt
from pypxeboot.virt.boot_files import BootFiles
from pypxeboot.virt.domain_xml import Interface

log = logging.getLogger(__name__)


def host_smbios(args: argparse.Namespace) -> Optional[Element]:
    """Return the SMBIOS of the host where the domain takes that for its own, else None."""
    if not smbios.of_host(args.stored):
        return None
    return domain_xml.parse(args.connection.host_smbios())


def locate_interface(args: argparse.Namespace) -> None:
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
        root = domain_xml.parse(args.connection.network_xml(name))
        network = domain_xml.network(root, interface.source.get("portgroup"))
        args.interface = None if network.bridge else network.device
        args.vif.update(bridge=network.bridge, vlan=interface.vlan or network.vlan)
    if not args.vif.get("bridge") and not args.interface:
        raise UsageError(
            f"an interface of type {printable(kind, 40)} is on no bridge that is known here",
            hint="--bridge or --interface names it",
        )


def start_domain(args: argparse.Namespace, process: Optional[ClientProcess]) -> None:
    """Boot the domain from the network, and start it with what that gave. Raises PxeBootError."""
    target: libvirt.DomainHandle = args.target
    if args.replace and target.is_active():
        target.destroy()
    if not args.print_xml:
        check_off(target)
    plan = domainboot.plan_of(args, args.about)
    if args.print_xml:
        with Store(None) as store:
            xml, _artifacts = _booted(args, plan, process, store)
            store.directory.chmod(0o711)
            output_files.write(None, xml.encode() + b"\n")
            store.keep()
        return
    boot_files.sweep(lambda uuid: is_needed(args.connection, uuid))
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
            output_files.write(None, json_report.render(artifacts, plan.guest))


def check_off(target: libvirt.DomainHandle) -> None:
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
    """Return the XML to start the domain by, and the boot, if the network gave one. Raises PxeBootError."""
    artifacts, boot = domainboot.boot(args, args.about, plan, process, store)
    told = {"at": datetime.now().astimezone().isoformat(timespec="seconds"), **_boot_details(artifacts)}
    direct = None if boot is None else _direct(boot)
    return domain_xml.serialised(live_xml.booting(args.stored, direct, told, args.supervised)), artifacts


def _direct(boot: DirectBoot) -> Mapping[str, Optional[str]]:
    """Return the elements of a direct kernel boot, whose files QEMU may read."""
    for path in filter(None, (boot.kernel, boot.ramdisk, boot.dtb)):
        BootFiles.open_to_qemu(path)
    return {"kernel": boot.kernel, "initrd": boot.ramdisk, "cmdline": boot.cmdline, "dtb": boot.dtb}


def _boot_details(artifacts: Optional[Artifacts]) -> dict[str, str]:
    """Return what the running domain shows of its boot."""
    if artifacts is None or artifacts.kernel is None:
        return {"action": Action.LOCALBOOT.value}
    return {
        "action": artifacts.action.value,
        "label": printable(artifacts.label or "", 400),
        "kernel": printable(artifacts.kernel.url, 1000),
    }
