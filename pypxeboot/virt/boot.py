"""One boot of a libvirt domain, whoever starts it: ``pypxeboot-virt``, or libvirt with the hook."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from pypxeboot.config import planner
from pypxeboot.config.settings import BootSettings
from pypxeboot.entry import Action
from pypxeboot.errors import ConfigError, FetchError, NoBootSource, NoLease, PxeBootError, UsageError
from pypxeboot.host import session
from pypxeboot.host.output_files import Store
from pypxeboot.host.spawn import ClientProcess
from pypxeboot.output.direct import DirectBoot, boot_of
from pypxeboot.plan import HostPlan, Plan
from pypxeboot.privsep import signals
from pypxeboot.result import BootResult
from pypxeboot.target import Target
from pypxeboot.text import printable
from pypxeboot.virt.domain_xml import Domain, Wish

log = logging.getLogger(__name__)

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
    return replace(plan, guest=guest, target=None if settings.no_kernel_check else target)


def boot(
    host: HostPlan, plan: Plan, about: Domain, process: Optional[ClientProcess], store: Store
) -> tuple[Optional[BootResult], Optional[DirectBoot]]:
    """Return what the network has the domain boot, and the files of that: None for its disk.

    The first is None where the network boots nothing, and the disk is next. Raises PxeBootError, BootFailed.
    """
    try:
        result = session.resolve(host, plan, process, store)
        return result, _files(result, about)
    except (PxeBootError, signals.BootFailed) as why:
        error = why.error if isinstance(why, signals.BootFailed) else why
        if about.wish is None or not about.wish.disk or error.code not in _NETWORK_BOOTS_NOTHING:
            raise
        log.warning("%s: the disk is next in the boot order", printable(error.message, 2000))
        return None, None


def _files(result: BootResult, about: Domain) -> Optional[DirectBoot]:
    if result.action is Action.LOCALBOOT and not about.has_disk:
        raise NoBootSource("the entry says local disk, and the domain has none")
    if result.action not in (Action.BOOT, Action.LOCALBOOT):
        raise NoBootSource(f"the entry says {result.action.value}: nothing boots")
    return boot_of(result, "libvirt")
