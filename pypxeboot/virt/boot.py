"""One boot of a libvirt domain, whoever starts it: ``pypxeboot-virt``, or libvirt with the hook."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Optional, TypeVar

from pypxeboot.config import merge, planner
from pypxeboot.config.retry import AFTER_REBOOT, NEVER, Retry
from pypxeboot.config.settings import BootSettings, Toolstack
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.entry import Action
from pypxeboot.errors import Aborted, ConfigError, FetchError, NoBootSource, NoLease, PxeBootError, UsageError
from pypxeboot.guest import Target
from pypxeboot.host import turns
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.output.direct import DirectBoot, boot_of
from pypxeboot.plan import HostPlan, Plan
from pypxeboot.privsep.signals import BootFailed
from pypxeboot.result import BootResult
from pypxeboot.text import printable
from pypxeboot.virt.domain_xml import Domain, Wish

log = logging.getLogger(__name__)

T = TypeVar("T")
# After these a firmware goes on to what is next in its boot order.
_NETWORK_BOOTS_NOTHING = (NoLease.code, NoBootSource.code, ConfigError.code, FetchError.code)


def identify(settings: BootSettings, about: Domain, smbios: Sequence[str]) -> BootSettings:
    """Return the settings with what the XML says of the guest; ``smbios`` are words as QEMU's.

    Raises UsageError.
    """
    if about.system != "hvm":
        system = printable(about.system, 40)
        raise UsageError(
            f"domain {printable(about.name)} is not a machine, but a guest of type {system}",
            hint="a Xen domain boots by <bootloader>/usr/bin/pypxeboot</bootloader>",
        )
    wish, interface = about.wish or Wish(), about.interface
    return replace(
        settings,
        name=about.name,
        disk=None,
        hypervisor=settings.hypervisor or "kvm",
        uuid=settings.uuid or about.uuid,
        label=settings.label or wish.label,
        arch=settings.arch or wish.arch,
        memory=settings.memory or about.memory,
        smbios=(*smbios, *settings.smbios),
        vif={} if interface is None or not interface.mac else {"mac": interface.mac},
    )


def plan(settings: BootSettings, about: Domain) -> Plan:
    """Return what is to be done for a domain. Raises UsageError."""
    plan = planner.plan(settings)
    guest = plan.guest
    if settings.arch is None and about.arch is not None:
        guest = replace(guest, arch=about.arch)
    target = Target("qemu", guest.processor)
    target.check()
    if settings.no_kernel_check:
        return replace(plan, guest=guest, target=None)
    return replace(plan, guest=guest, target=target, processor=guest.processor)


def by_first_that_boots(about: Domain, attempt: Callable[[Domain], T]) -> T:
    """Return what ``attempt`` gives for the first interface of the boot order whose network boots something.

    It is called with the domain as if the interfaces before that were not there. Raises PxeBootError and
    BootFailed of the last one.
    """
    for number in range(len(about.interfaces)):
        left = replace(about, interfaces=about.interfaces[number:])
        try:
            return attempt(left)
        except (PxeBootError, BootFailed) as why:
            error = cause(why)
            if len(left.interfaces) == 1 or error.code not in _NETWORK_BOOTS_NOTHING:
                raise
            log.warning(
                "%s: MAC %s is next in the boot order", printable(error.message, 2000), left.interfaces[1].mac
            )
    return attempt(about)


def check_link(settings: BootSettings, about: Domain) -> None:
    """Raise NoLease where the link of the interface that boots is down by the definition."""
    interface = about.interface
    if interface is not None and interface.down and settings.effective_mac == interface.mac:
        raise NoLease(
            f"the link of interface {interface.mac} is down: <link state='down'/>",
            hint=f"virsh domif-setlink {printable(about.name)} {interface.mac} up --config",
        )


def boot(
    host: HostPlan, plan: Plan, about: Domain, process: Optional[ClientProcess], store: Store
) -> tuple[Optional[BootResult], Optional[DirectBoot]]:
    """Return what the network has the domain boot, and the files of that: None for its disk.

    The first is None where the network boots nothing, and the disk is next, and no other interface. Raises
    PxeBootError, BootFailed.
    """
    try:
        result = turns.resolve(host, plan, process, store)
        return result, _files(result, about)
    except (PxeBootError, BootFailed) as why:
        error = cause(why)
        if about.wish is None or not about.wish.disk or error.code not in _NETWORK_BOOTS_NOTHING:
            raise
        if len(about.interfaces) > 1:
            raise
        log.warning("%s: the disk is next in the boot order", printable(error.message, 2000))
        return None, None


def retry_policy(settings: BootSettings, about: Domain, *, rebooted: bool) -> Retry:
    """Return when a boot of a domain that failed is to be tried again.

    The command line counts most, then the domain's metadata, its section in pypxeboot.conf, and libvirt's own
    ``<bios rebootTimeout>``; without all of these, a guest that merely ``rebooted`` is tried again.
    """
    wish = about.wish or Wish()
    if "retry" not in settings.given and wish.retry is not None:
        return wish.retry
    try:
        found = merge.merge(settings, _Named(about)).retry
    except UsageError as why:
        log.warning("%s", why.message)
        found = None
    return found or about.retry or (AFTER_REBOOT if rebooted else NEVER)


def cause(why: BaseException) -> PxeBootError:
    """Return what made a boot fail: an error, the client's, or a signal."""
    if isinstance(why, BootFailed):
        return why.error
    return why if isinstance(why, PxeBootError) else Aborted(f"ended by {why}")


def details(result: Optional[BootResult]) -> dict[str, str]:
    """Return what the running domain shows of its boot."""
    if result is None or result.kernel is None:
        return {"action": Action.LOCALBOOT.value}
    ramdisk = result.ramdisk
    return {
        "action": result.action.value,
        "label": printable(result.label or "", 400),
        "kernel": printable(result.kernel.url, 1000),
        "kernel-sha256": result.kernel.sha256 or "",
        "initrds": printable(" ".join(initrd.url for initrd in result.initrds), 4000),
        "initrd-sha256": "" if ramdisk is None else ramdisk.sha256 or "",
    }


@dataclass(frozen=True)
class _Named(Toolstack):
    """What finds the section of a domain."""

    about: Domain

    def identify(self, settings: BootSettings) -> BootSettings:
        """Return the settings with who the guest is."""
        about = self.about
        mac = None if about.interface is None else about.interface.mac
        return replace(settings, name=about.name, uuid=about.uuid, vif={"mac": mac} if mac else {})


def _files(result: BootResult, about: Domain) -> Optional[DirectBoot]:
    if result.action is Action.LOCALBOOT and not about.has_disk:
        raise NoBootSource("the entry says local disk, and the domain has none")
    if result.action not in (Action.BOOT, Action.LOCALBOOT):
        raise NoBootSource(f"the entry says {result.action.value}: nothing boots")
    return boot_of(result, "libvirt")
