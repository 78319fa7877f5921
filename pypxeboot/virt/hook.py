"""The hook of libvirt's QEMU driver: domains that boot from the network whoever starts them.

libvirt runs it as ``NAME OPERATION PHASE REASON``, the domain's XML on standard input, and waits for its end;
a status other than 0 ends the start, and what stands on standard error is shown to whoever asked for it.
Nothing here asks libvirt for anything: that would wait for ever (docs/hooks.rst). scripts/libvirt-hook lets
only those operations and domains come here that this is for.

A domain opts in by its metadata, and names the files to fill: ``-readconfig FILE`` among the words of its
``<qemu:commandline>``, or ``<kernel>`` and ``<initrd>``, or both.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.config import merge, planner
from pypxeboot.config.settings import COMMAND_LINE, BootSettings, Toolstack
from pypxeboot.dataclass import dataclass
from pypxeboot.errors import HandoverError, NoBootSource, PxeBootError, UsageError
from pypxeboot.host.output_files import Store
from pypxeboot.limits import NOTICE
from pypxeboot.output import qemu_readconfig
from pypxeboot.output.direct import DirectBoot
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.virt import arrival, boot, domain_xml, hook_files, hook_paths, live_xml, smbios
from pypxeboot.virt.domain_xml import Domain
from pypxeboot.virt.hook_files import Mark
from pypxeboot.virt.hook_paths import HookFiles
from pypxeboot.virt.records import marks
from pypxeboot.virt.records.told_boot import ToldBoot

log = logging.getLogger(__name__)


# After these the guest goes on elsewhere, or later, by the same files.
_GOES_ON = ("saved", "migrated")
# Not every libvirt says so; but here it keeps what "virsh managedsave" saves.
_SAVED = Path("/var/lib/libvirt/qemu/save")


def handle_operation(operation: str, reason: str, root: Element) -> Optional[str]:
    """Do what is to be done when libvirt does ``operation``; return the XML that it is to use, if another."""
    if operation in ("migrate", "restore") and live_xml.told(root) is not None:
        arrival.check_files(root)
        watched = marks.somebody_watches()
        return domain_xml.serialised(root) if not watched and arrival.reboots_by_itself(root) else None
    _handle(operation, reason, root)
    return None


def _handle(operation: str, reason: str, root: Element) -> None:
    files, opts_in = hook_paths.files(root), domain_xml.wish(root) is not None
    if files is None or not opts_in:
        if operation == "prepare" and opts_in and live_xml.told(root) is None:
            _warn_unless_watched()
        return
    about = domain_xml.domain(root)
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


def _warn_unless_watched() -> None:
    """Tell of a domain that opts in, if it is seen that nobody will boot it."""
    if not marks.somebody_watches():
        log.warning(
            "the domain opts in, but its XML names no file for this hook, and no pypxeboot-virt watch runs "
            "(yet): its disk boots; is xmlns:qemu missing on <domain>, which has libvirt drop "
            "<qemu:commandline>? (pypxeboot-virt check tells)"
        )


def _is_on_network(about: Domain) -> bool:
    """Whether a bridge is known only when libvirt has allocated a port of its own network."""
    return any(interface.kind == "network" for interface in about.interfaces)


def _boot(root: Element, about: Domain, files: HookFiles) -> None:
    """Resolve the boot of the domain, and fill its files."""
    asked = BootSettings(quiet=True, origins={"quiet": COMMAND_LINE})
    settings = merge.merge(asked, _HookedDomain(root, about))
    mac = settings.effective_mac or ""
    told = ToldBoot(about.uuid, about.name, mac, by="hook", figures=settings.metrics)

    def attempt(left: Domain) -> Optional[BootResult]:
        own = settings if left == about else merge.merge(asked, _HookedDomain(root, left))
        boot.check_link(own, left)
        with Store(hook_files.directory(files)) as store:
            result, direct = boot.boot(planner.host_plan(own), boot.plan(own, left), left, None, store)
            try:
                _fill(files, direct)
            except BaseException:
                hook_files.remove(files)
                raise
        log.log(NOTICE, "handed over: %s", "the local disk" if direct is None else "kernel and command line")
        return result

    try:
        result = boot.by_first_that_boots(about, attempt)
    except (PxeBootError, BootFailed) as why:
        told.failed(why.error if isinstance(why, BootFailed) else why)
        raise
    told.succeeded(result, 0)


@dataclass
class _HookedDomain(Toolstack):
    """A domain as its XML describes it: nothing else may be asked for."""

    root: Element
    about: Domain

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what the XML says of the guest. Raises UsageError."""
        interface = self.about.interface
        if interface is None or interface.mac is None:
            raise UsageError("the domain has no network interface")
        settings = boot.identify(settings, self.about, smbios.words(self.root, None))
        bridge, device = interface.source.get("bridge"), interface.source.get("dev")
        if bridge:
            vlan = domain_xml.untagged(interface.vlan)
            place = {"bridge": bridge, "vlan": vlan} if vlan else {"bridge": bridge}
            return replace(settings, vif={**settings.vif, **place})
        if device:
            return replace(settings, interface=device)
        kind = printable(interface.kind, 40)
        raise UsageError(f"an interface of type {kind} is on no bridge that is known here")


def _fill(files: HookFiles, direct: Optional[DirectBoot]) -> None:
    """Put the boot where QEMU will look for it. Raises PxeBootError."""
    if direct is None:
        if files.direct or files.config is None:
            raise NoBootSource(
                "the local disk it is, and a domain with <kernel> in its XML boots none",
                hint="let it have -readconfig instead",
            )
        hook_files.remove(files)
        hook_files.write(qemu_readconfig.config(None, None, ""), files.config)
        return
    if files.direct and (direct.ramdisk is None) is not (files.initrd is None):
        one, other = "the entry", "the domain's XML"
        one, other = (other, one) if direct.ramdisk is None else (one, other)
        raise HandoverError(f"{one} has an initrd, and {other} has none")
    if files.config is not None:
        hook_files.write(_config(files, direct), files.config)
    elif direct.cmdline:
        log.warning("the command line stays that of the domain's XML: it has no -readconfig")
    hook_files.put(direct.kernel, files.kernel)
    if direct.ramdisk is not None and files.initrd is not None:
        hook_files.put(direct.ramdisk, files.initrd)
    elif files.initrd is not None:
        Path(files.initrd).unlink(missing_ok=True)  # of the last boot


def _config(files: HookFiles, direct: DirectBoot) -> bytes:
    if files.direct:
        return qemu_readconfig.config(None, None, direct.cmdline)
    initrd = None if direct.ramdisk is None else files.initrd
    return qemu_readconfig.config(files.kernel, initrd, direct.cmdline)
