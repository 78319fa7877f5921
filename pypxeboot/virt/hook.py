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
from pathlib import Path
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.config import merge, options
from pypxeboot.errors import HandoverError, NoBootSource, UsageError
from pypxeboot.host.output_files import Store
from pypxeboot.limits import NOTICE
from pypxeboot.output import qemu_readconfig
from pypxeboot.output.direct import DirectBoot
from pypxeboot.text import printable
from pypxeboot.virt import boot as domainboot
from pypxeboot.virt import domain_xml, hook_files, hook_paths, live_xml, smbios
from pypxeboot.virt.domain_xml import Domain
from pypxeboot.virt.hook_files import Mark
from pypxeboot.virt.hook_paths import HookFiles

log = logging.getLogger(__name__)


# After these the guest goes on elsewhere, or later, by the same files.
_GOES_ON = ("saved", "migrated")
# Not every libvirt says so; but here it keeps what "virsh managedsave" saves.
_SAVED = Path("/var/lib/libvirt/qemu/save")


def handle_operation(operation: str, reason: str, root: Element) -> None:
    """Do what is to be done when libvirt does ``operation``."""
    files = hook_paths.files(root)
    if files is None or live_xml.is_ours(root):  # pypxeboot-virt has booted it
        return
    about = domain_xml.domain(root)
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
            hook_files.remove(files)
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
    merge.complete(args)
    plan = domainboot.plan_of(args, about)
    with Store(hook_files.directory(files)) as store:
        _artifacts, boot = domainboot.boot(args, about, plan, None, store)
        try:
            _fill(files, boot)
        except BaseException:
            hook_files.remove(files)
            raise
    log.log(NOTICE, "handed over: %s", "the local disk" if boot is None else "kernel and command line")


def _arguments(root: Element, about: Domain) -> argparse.Namespace:
    """Return the arguments of a boot, with what the XML says of the guest. Raises UsageError."""
    args, interface = options.namespace(["--quiet"]), about.interface
    if interface is None or interface.mac is None:
        raise UsageError("the domain has no network interface")
    domainboot.describe(args, about, smbios.words(root, None))
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
        hook_files.remove(files)
        hook_files.write(qemu_readconfig.render(None, None, ""), files.config)
        return
    if files.direct and (boot.ramdisk is None) is not (files.initrd is None):
        one, other = "the entry", "the domain's XML"
        one, other = (other, one) if boot.ramdisk is None else (one, other)
        raise HandoverError(f"{one} has an initrd, and {other} has none")
    if files.config is not None:
        hook_files.write(_config(files, boot), files.config)
    elif boot.cmdline:
        log.warning("the command line stays that of the domain's XML: it has no -readconfig")
    hook_files.put(boot.kernel, files.kernel)
    if boot.ramdisk is not None and files.initrd is not None:
        hook_files.put(boot.ramdisk, files.initrd)
    elif files.initrd is not None:
        Path(files.initrd).unlink(missing_ok=True)  # of the last boot


def _config(files: HookFiles, boot: DirectBoot) -> bytes:
    if files.direct:
        return qemu_readconfig.render(None, None, boot.cmdline)
    initrd = None if boot.ramdisk is None else files.initrd
    return qemu_readconfig.render(files.kernel, initrd, boot.cmdline)
