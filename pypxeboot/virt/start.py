"""``pypxeboot-virt start``: a domain boots from the network, and is started with what that gave.

Kernel, initrd and command line are in the XML of this run only.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import Optional
from xml.etree.ElementTree import Element

from pypxeboot.config import merge, planner
from pypxeboot.config.settings import BootSettings, Toolstack
from pypxeboot.dataclass import replace
from pypxeboot.errors import Aborted, HandoverError, PxeBootError, Refused, SignalReceived, UsageError
from pypxeboot.host import output_files
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.limits import NOTICE
from pypxeboot.output import json_report
from pypxeboot.output.direct import DirectBoot
from pypxeboot.output.request import OutputRequest
from pypxeboot.plan import HostPlan, Plan
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.virt import boot, boot_files, domain_xml, live_xml, qemu_process, smbios
from pypxeboot.virt.boot_files import BootFiles, Needed
from pypxeboot.virt.connection import Connection, DomainHandle
from pypxeboot.virt.domain_xml import Domain
from pypxeboot.virt.records import marks, record
from pypxeboot.virt.records.told_boot import ToldBoot

log = logging.getLogger(__name__)

_NOTICED, _LOOK = 60.0, 0.05  # s for libvirt to see to a QEMU that has ended, and between two looks


class DomainStart(Toolstack):
    """The start of the domain of that name or UUID, by the libvirt of ``uri``; connected when that is needed.

    ``supervised``: its reboot is waited for; ``replaces``: it runs already, by other means, and is ended;
    ``paused``: it is to begin so. ``by`` is the command that it is for.
    """

    def __init__(
        self, uri: Optional[str], name: str, *, supervised: bool, replaces: bool, paused: bool, by: str
    ) -> None:
        self._uri, self._name, self._by = uri, name, by
        self._supervised, self._replaces, self._paused = supervised, replaces, paused

    @cached_property
    def connection(self) -> Connection:
        """The connection to libvirt. Raises HandoverError."""
        return Connection(self._uri)

    @cached_property
    def target(self) -> DomainHandle:
        """The domain. Raises UsageError and HandoverError."""
        return self.connection.target(self._name)

    @cached_property
    def stored(self) -> Element:
        """The root of the XML that libvirt has stored of it. Raises HandoverError."""
        return domain_xml.parse(self.target.stored_xml())

    @cached_property
    def about(self) -> Domain:
        """What that XML says, of the interface that boots and those behind it. Raises UsageError."""
        return domain_xml.domain(self.stored)

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with what the domain's XML says of the guest. Raises PxeBootError."""
        self._asked = settings
        shows_host = smbios.of_host(self.stored)
        host = domain_xml.parse(self.connection.host_smbios()) if shows_host else None
        return boot.identify(settings, self.about, smbios.words(self.stored, host))

    def locate(self, settings: BootSettings) -> BootSettings:
        """Return the settings with where the guest will be connected, unless that was said.

        Raises PxeBootError.
        """
        if settings.bridge or settings.interface:
            return settings
        interface = self.about.interface
        if interface is None:
            raise UsageError(f"domain {printable(self.about.name)} has no network interface")
        found, device = dict(settings.vif), None
        if interface.kind == "bridge":
            found.update(bridge=interface.source.get("bridge", ""), vlan=domain_xml.untagged(interface.vlan))
        elif interface.kind == "direct":
            device = interface.source.get("dev")
        elif interface.kind == "network":
            root = domain_xml.parse(self.connection.network_xml(interface.source.get("network", "")))
            network = domain_xml.network(root, interface.source.get("portgroup"))
            device = None if network.bridge else network.device
            found.update(bridge=network.bridge, vlan=domain_xml.untagged(interface.vlan or network.vlan))
        if not found.get("bridge") and not device:
            raise UsageError(
                f"an interface of type {printable(interface.kind, 40)} is on no bridge that is known here",
                hint="--bridge or --interface names it",
            )
        return replace(settings, interface=device, vif=found)

    def run(self, settings: BootSettings, process: Optional[ClientProcess]) -> None:
        """Boot the domain from the network, and start it with what that gave.

        Raises PxeBootError and BootFailed.
        """
        if self._replaces and self.target.is_active():
            with suppress(HandoverError):  # it may just have ended
                make_room(self.target)
        elif self._replaces and self.target.why_stopped() == "destroyed":
            raise Aborted("it was ended by somebody while it waited for its boot")
        check_off(self.target)
        if not self._supervised:  # else who supervises it sweeps
            boot_files.sweep(lambda: needed(self.connection))
        with BootFiles(self.target.uuid) as files:
            check_off(self.target)  # another start may just have ended
            mac = settings.effective_mac or ""
            told = ToldBoot(self.target.uuid, self.target.name, mac, by=self._by, figures=settings.metrics)
            try:
                result, number = self._start(settings, process, files)
            except (PxeBootError, BootFailed, SignalReceived) as why:
                told.failed(boot.cause(why))
                raise
            told.succeeded(result, number)
        if self._by == "run" and not marks.somebody_waits_for(self.target.uuid):
            with suppress(HandoverError):  # it was killed meanwhile, and the guest may be off already
                let_reboot(self.target)
        log.log(NOTICE, "domain %s is started", printable(self.target.name))
        if settings.output_format == "json" and result is not None:
            with suppress(HandoverError):  # the domain runs, whoever reads this
                output_files.write(None, json_report.render(result, OutputRequest(self._plan.guest)))

    def _start(
        self, settings: BootSettings, process: Optional[ClientProcess], files: BootFiles
    ) -> tuple[Optional[BootResult], int]:
        """Boot and start the domain; return what the network gave, and libvirt's number of the run."""
        first, processes = self.about, [process]

        def attempt(left: Domain) -> tuple[Optional[BootResult], int]:
            own = settings
            if left != first:
                self.about = left
                own = merge.merge(self._asked, self)
            boot.check_link(own, left)
            self._plan, host = boot.plan(own, left), planner.host_plan(own)
            with Store(files.path) as store:
                ready = processes.pop() if processes else None
                xml, result = self._boot(self._plan, replace(host, digests=True), ready, store)
                check_off(self.target)  # it took its time
                try:
                    number = self.connection.create(xml, paused=self._paused).number()
                except HandoverError:
                    if not self.connection.is_alive():  # it may run all the same: the next sweep will see
                        store.keep()
                    raise
                store.keep()
            return result, number

        if settings.effective_mac != (first.interface and first.interface.mac):
            return attempt(replace(first, interfaces=first.interfaces[:1]))
        return boot.by_first_that_boots(first, attempt)

    def print_xml(self, settings: BootSettings, process: Optional[ClientProcess]) -> None:
        """Boot the domain from the network, and print the XML that would start it with what that gave.

        Kernel and initrd stay. Raises PxeBootError and BootFailed.
        """
        plan, host = boot.plan(settings, self.about), planner.host_plan(settings)
        with Store(None) as store:
            xml, _artifacts = self._boot(plan, host, process, store)
            store.directory.chmod(0o711)
            output_files.write(None, xml.encode() + b"\n")
            store.keep()

    def _boot(
        self, plan: Plan, host: HostPlan, process: Optional[ClientProcess], store: Store
    ) -> tuple[str, Optional[BootResult]]:
        """Boot from the network, into ``store``; return the XML of this run, and what the network gave.

        That is None where the network gave nothing, and the disk is next.
        """
        result, direct = boot.boot(host, plan, self.about, process, store)
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        told = {"at": now, **boot.details(result)}
        told["on_reboot"] = self.stored.findtext("on_reboot") or ""  # of a host on which nobody waits for it
        elements = None if direct is None else _elements(direct)
        root = live_xml.booting(self.stored, elements, told, self._supervised)
        return domain_xml.serialised(root), result


def make_room(target: DomainHandle) -> None:
    """End the run of a domain, if it has not ended. Raises HandoverError.

    libvirt is left to see to a QEMU that was killed: asked to end it meanwhile, it would do both, and the
    second, where it comes late, to the QEMU that is started next (qemuProcessBeginStopJob).
    """
    end = time.monotonic() + _NOTICED
    while marks.is_held(target.uuid) or qemu_process.has_ended(target.name):
        if not target.is_active() or time.monotonic() >= end:
            break
        time.sleep(_LOOK)
    if target.is_active():
        target.destroy()


def check_off(target: DomainHandle) -> None:
    """Raise Refused for a domain that runs, or would go on from where it was saved."""
    shown = printable(target.name)
    if target.is_active():
        raise Refused(f"domain {shown} is running", hint=f"virsh shutdown {shown}, or virsh destroy {shown}")
    if target.has_saved_state():
        raise Refused(
            f"domain {shown} has a saved state, which another boot would make worthless",
            hint=f"virsh start {shown} goes on from it; virsh managedsave-remove {shown} gives it up",
        )


def is_booted(target: DomainHandle, live: Element) -> bool:
    """Whether a domain that runs by the XML ``live`` was booted by us: one may be defined with it.

    Raises HandoverError.
    """
    told = live_xml.told(live)
    if told is None or live_xml.told(domain_xml.parse(target.stored_xml())) != told:
        return told is not None
    last = record.find(target.uuid)
    return boot_files.is_being_booted(target.uuid) or (last is not None and last.last.run == target.number())


def hold_files(connection: Connection, uuid: str) -> None:
    """Keep the files of a domain that was just saved to a file, of which libvirt keeps no track."""
    with suppress(UsageError):  # it is gone, and its state file is not
        if connection.target(uuid).has_saved_state():
            return
    boot_files.hold(uuid)


def let_reboot(target: DomainHandle) -> None:
    """Have a guest for whose reboot nobody waits any more reboot by itself, where its definition says so.

    Raises HandoverError.
    """
    live = domain_xml.parse(target.live_xml())
    told = live_xml.told(live) or {}
    before = told.get("on_reboot") or domain_xml.parse(target.stored_xml()).findtext("on_reboot")
    if live.findtext("on_reboot") == "destroy" and before != "destroy":
        target.set_on_reboot(restart=True)


def needed(connection: Connection) -> Optional[Needed]:
    """Return what of :mod:`boot_files` libvirt knows to be needed; None where it does not say."""
    paths: set[str] = set()
    saved: set[str] = set()
    unnamed: set[str] = set()
    try:
        for target in connection.targets():
            try:
                for text in target.texts():
                    paths.update(boot_files.named(text))
                if target.is_in_a_file():
                    saved.add(target.uuid)
                if target.is_active() and _is_of_the_hook(target.live_xml()):
                    unnamed.add(target.uuid)
            except HandoverError:
                if not target.is_gone():  # by now
                    raise
    except PxeBootError:
        return None
    return Needed(frozenset(paths), frozenset(saved), frozenset(unnamed))


def _is_of_the_hook(live: str) -> bool:
    """Whether a domain that runs is the hook's, and does not name its files yet."""
    return "-readconfig" in live and domain_xml.NAMESPACE in live and domain_xml.LIVE_NAMESPACE not in live


def _elements(direct: DirectBoot) -> Mapping[str, Optional[str]]:
    """Return the elements of a direct kernel boot, whose files QEMU may read."""
    for path in filter(None, (direct.kernel, direct.ramdisk, direct.dtb)):
        BootFiles.open_to_qemu(path)
    return {"kernel": direct.kernel, "initrd": direct.ramdisk, "cmdline": direct.cmdline, "dtb": direct.dtb}
