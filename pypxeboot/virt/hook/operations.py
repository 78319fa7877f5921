"""The hook of libvirt's QEMU driver: domains that boot from the network whoever starts them.

libvirt runs it as ``NAME OPERATION PHASE REASON``, the domain's XML on standard input, and waits for its end;
a status other than 0 ends the start, and what stands on standard error is shown to whoever asked for it.
Nothing here asks libvirt for anything: that would wait for ever (docs/hooks.rst); what has to is done by a
process that outlives the hook (aftermath.py). scripts/libvirt-hook lets only those operations and domains
come here that this is for.

A domain opts in by its metadata, and names the files to fill: ``-readconfig FILE`` among the words of its
``<qemu:commandline>``, or ``<kernel>`` and ``<initrd>``, or both.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.config import merge, planner
from pypxeboot.config.settings import COMMAND_LINE, BootSettings, Toolstack
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.errors import HandoverError, NoBootSource, PxeBootError, Refused, SignalReceived, UsageError
from pypxeboot.host.output_files import Store
from pypxeboot.limits import NOTICE
from pypxeboot.output import qemu_readconfig
from pypxeboot.output.direct import DirectBoot
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.virt import arrival, boot, boot_files, domain_xml, hook_paths, live_xml, qemu_process, smbios
from pypxeboot.virt.boot_files import BootFiles
from pypxeboot.virt.domain_xml import Domain
from pypxeboot.virt.hook import aftermath, holder, hooked_boot
from pypxeboot.virt.hook import files as hook_files
from pypxeboot.virt.hook.files import Mark
from pypxeboot.virt.hook.hooked_boot import HookedBoot
from pypxeboot.virt.hook_paths import HookFiles
from pypxeboot.virt.records import marks
from pypxeboot.virt.records.told_boot import ToldBoot

log = logging.getLogger(__name__)


def handle_operation(operation: str, reason: str, root: Element) -> Optional[str]:
    """Do what is to be done when libvirt does ``operation``; return the XML that it is to use, if another."""
    if operation in ("migrate", "restore") and live_xml.told(root) is not None:
        _handle(operation, reason, root)
        watched = marks.somebody_watches()
        return domain_xml.serialised(root) if not watched and arrival.reboots_by_itself(root) else None
    _handle(operation, reason, root)
    return None


def _handle(operation: str, reason: str, root: Element) -> None:
    files, opts_in = hook_paths.files(root), domain_xml.wish(root) is not None
    if operation in ("migrate", "restore"):
        arrival.check_files(root)
    if operation == "started" and _is_left_alone(root):
        aftermath.begin(domain_xml.domain(root).uuid, root.get("id", ""))
    if files is None or not opts_in:
        if opts_in and live_xml.told(root) is None:
            _leave_to_watch(operation, root)
        return
    about, former = domain_xml.domain(root), hooked_boot.of(root)
    mark = Mark(about.uuid)
    if operation in ("migrate", "restore"):
        if former is not None or operation == "restore":  # else it migrates while it is off, and boots anew
            mark.set()
        _go_on(files, former)
    elif operation == "started":
        mark.clear()
        if former is None and hooked_boot.find(about.uuid) is not None:
            aftermath.begin(about.uuid, root.get("id", ""))
    elif operation == "release":
        _release(about, files, former, reason, is_restored=mark.is_set())
        mark.clear()
    elif operation in ("prepare", "start") and _is_on_network(about) is (operation == "start"):
        if mark.is_set():
            return
        if former is not None and hooked_boot.is_of_a_snapshot(former, about.name):
            arrival.check_files(root)
            _go_on(files, former)
            return
        mark.clear()
        _boot(root, about, files)


def _go_on(files: HookFiles, former: Optional[HookedBoot]) -> None:
    """Have the guest find what it was booted with; without a word of that, what is there."""
    if former is not None:
        hook_files.directory(files)
        former.put(files)


def _release(
    about: Domain, files: HookFiles, former: Optional[HookedBoot], reason: str, *, is_restored: bool
) -> None:
    """Take away what the domain found, which has ended; what it was made of stays while it is needed."""
    why = reason if reason in hook_files.ENDS else qemu_process.logged_end(about.name)
    saved = hook_files.is_saved(about.name)
    hooked_boot.forget(about.uuid)
    if former is not None:
        if why == "saved" and not saved:
            boot_files.hold(about.uuid, former.paths)
        hook_files.remove(files)
    elif saved or is_restored or why in ("saved", "migrated"):
        if why == "saved" and not saved:
            boot_files.hold(about.uuid)
        return  # it was saved before it told by what it ran: that is what is there
    else:
        hook_files.remove(files)
    aftermath.begin(about.uuid, "")


def _leave_to_watch(operation: str, root: Element) -> None:
    """See to it that the disk of a domain, which is watch's, does not boot before watch has it.

    One that is restored does not boot, and goes on whether watch is there or not.
    """
    about = domain_xml.domain(root)
    mark = Mark(about.uuid)
    if operation == "restore":
        mark.set()
    elif operation == "prepare" and not mark.is_set():
        _check_watched(root)
    elif operation == "start" and not mark.is_set() and marks.somebody_is_connected():
        if hooked_boot.is_defined(about.name):
            holder.begin(about.uuid, about.name)
    elif operation in ("started", "release"):
        mark.clear()
        if operation == "started":
            holder.started(about.uuid)


def _is_left_alone(root: Element) -> bool:
    """Whether nobody waits for the reboot of a guest that ends by it: it was reverted to a snapshot."""
    uuid = domain_xml.domain(root).uuid
    is_awaited = marks.somebody_waits_for(uuid) or boot_files.is_being_booted(uuid)
    return arrival.ends_at_reboot(root) and not is_awaited


def _check_watched(root: Element) -> None:
    """Raise Refused for a domain that watch would boot, and watch is not there yet; tell if none will be.

    So it is when a host comes up: libvirtd starts its domains before anybody may connect to it. Such a domain
    is left to watch, and its disk does not begin to boot.
    """
    if marks.somebody_is_connected():
        return
    if not marks.somebody_watches() and not marks.is_service_enabled():
        log.warning(
            "the domain opts in, but its XML names no file for this hook, and no pypxeboot-virt watch runs: "
            "%s; is xmlns:qemu missing on <domain>, which has libvirt drop "
            "<qemu:commandline>? (pypxeboot-virt check tells)",
            domain_xml.without_us(root),
        )
    elif hooked_boot.is_defined(domain_xml.domain(root).name):
        marks.leave(domain_xml.domain(root).uuid)
        raise Refused("left to pypxeboot-virt watch, which is not connected to libvirt yet: it will start it")


def _is_on_network(about: Domain) -> bool:
    """Whether a bridge is known only when libvirt has allocated a port of its own network."""
    return any(interface.kind == "network" for interface in about.interfaces)


def _boot(root: Element, about: Domain, files: HookFiles) -> None:
    """Resolve the boot of the domain, and fill its files."""
    asked = BootSettings(quiet=True, origins={"quiet": COMMAND_LINE})
    settings = merge.merge(asked, _HookedDomain(root, about))
    mac = settings.effective_mac or ""

    def attempt(left: Domain) -> Optional[BootResult]:
        own = settings if left == about else merge.merge(asked, _HookedDomain(root, left))
        boot.check_link(own, left)
        hook_files.directory(files)
        with Store(place.path) as store:
            host = replace(planner.host_plan(own), digests=True)
            result, direct = boot.boot(host, boot.plan(own, left), left, None, store)
            _fill(files, place.path, direct, {**boot.details(result), "on_reboot": on_reboot}, about.uuid)
            store.keep()
        log.log(NOTICE, "handed over: %s", "the local disk" if direct is None else "kernel and command line")
        return result

    on_reboot = root.findtext("on_reboot") or ""
    with BootFiles(about.uuid) as place:
        told = ToldBoot(about.uuid, about.name, mac, by="hook", figures=settings.metrics)
        try:
            result = boot.by_first_that_boots(about, attempt)
        except (PxeBootError, BootFailed, SignalReceived) as why:
            told.failed(boot.cause(why))
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


def _fill(
    files: HookFiles, place: Path, direct: Optional[DirectBoot], details: dict[str, str], uuid: str
) -> None:
    """Put the boot where QEMU will look for it, and note what it was. Raises PxeBootError."""
    if direct is None and (files.direct or files.config is None):
        raise NoBootSource(
            "the local disk it is, and a domain with <kernel> in its XML boots none",
            hint="let it have -readconfig instead",
        )
    if direct is not None and files.direct and (direct.ramdisk is None) is not (files.initrd is None):
        one, other = "the entry", "the domain's XML"
        one, other = (other, one) if direct.ramdisk is None else (one, other)
        raise HandoverError(f"{one} has an initrd, and {other} has none")
    if files.config is None and direct is not None and direct.cmdline:
        log.warning("the command line stays that of the domain's XML: it has no -readconfig")
    kernel, ramdisk = (None, None) if direct is None else (direct.kernel, direct.ramdisk)
    config = None if files.config is None else str(place / f"config.{secrets.token_hex(4)}")
    made = HookedBoot(kernel, ramdisk, config)
    try:
        if config is not None:
            hook_files.write(_config(files, direct), config)
        for path in made.paths:
            BootFiles.open_to_qemu(path)
        made.put(files)
        hooked_boot.note(uuid, made, details)
    except BaseException:
        hook_files.remove(files)
        if config is not None:
            Path(config).unlink(missing_ok=True)
        raise


def _config(files: HookFiles, direct: Optional[DirectBoot]) -> bytes:
    if direct is None:
        return qemu_readconfig.config(None, None, "")
    if files.direct:
        return qemu_readconfig.config(None, None, direct.cmdline)
    return qemu_readconfig.config(direct.kernel, direct.ramdisk, direct.cmdline)
