"""Who the guest is, where nobody said it: found with libxl, xenstore and the domain's configuration."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Optional

from pypxeboot.config.settings import BootSettings
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.errors import UsageError
from pypxeboot.guest import parse_uuid
from pypxeboot.text import printable
from pypxeboot.xen import (
    capabilities,
    domain_config,
    guest_records,
    parent_xl,
    restriction,
    xenstore,
    xl_config,
)
from pypxeboot.xen.domain_config import DomainConfig, Vif, VifConfig
from pypxeboot.xen.guest_records import GuestRecord

log = logging.getLogger(__name__)

_TRAVELS = 'bootloader_args = ["mac=00:16:3e:01:02:03,bridge=xenbr0"] goes wherever the domain goes'


@dataclass(frozen=True)
class KnownDomain:
    """What is known of the domain that libxl creates: its configuration, else ``why`` there is none.

    ``by_xl``: an xl starts it, and not another toolstack.
    """

    config: Optional[DomainConfig]
    why: Optional[UsageError] = None
    by_xl: bool = False


def identify(settings: BootSettings, number: int) -> tuple[BootSettings, KnownDomain]:
    """Return the settings with what xenstore and xl tell of the domain ``number``, which libxl creates."""
    domain = xenstore.domain(number)
    known = _known(domain.uuid, domain.name)
    config = known.config
    return (
        replace(
            settings,
            uuid=settings.uuid or domain.uuid,
            guest_type=settings.guest_type or domain.type,
            name=settings.name or domain.name,
            former_name=None if config is None or config.name == domain.name else config.name,
            pvshim=config.pvshim if config is not None else None if known.by_xl else False,
            pv32=capabilities.runs_pv32(),
            memory=settings.memory or (None if config is None else config.memory),
            time_left=restriction.time_left(os.environ) if settings.runas is not None else None,
        ),
        known,
    )


def _known(uuid: Optional[str], name: Optional[str]) -> KnownDomain:
    """Find what is known: what the xl above creates now, or else what was written down of its first start."""
    xl = parent_xl.find()
    uuid = None if uuid is None else parse_uuid(uuid)
    record = None if uuid is None else guest_records.load(uuid)
    creates = xl is not None and not xl.monitors and parent_xl.create_arguments(xl.words) is not None
    if record is not None and not (creates and xl is not None and record.started != xl.started):
        _return_to(record.folder)
        return KnownDomain(record.config, by_xl=xl is not None)
    if xl is None:
        return KnownDomain(None)
    try:
        config = _read(xl, name)
    except UsageError as why:
        return KnownDomain(None, why, by_xl=True)
    if config is not None and uuid is not None:
        guest_records.keep(uuid, GuestRecord(config, xl.started, _folder()))
    return KnownDomain(config, by_xl=True)


def _folder() -> str:
    """Return the current directory, as this process has it from xl; the root if it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return "/"


def _return_to(folder: str) -> None:
    """Go where xl was started, if this xl is a daemon in the root directory.

    Files that bootloader_args name are there, as they were at the first start.
    """
    if _folder() == "/":
        with suppress(OSError):
            os.chdir(folder)


def _read(xl: parent_xl.XlProcess, name: Optional[str]) -> Optional[DomainConfig]:
    """Return what an ``xl create`` was given, which has to be of the domain ``name``. Raises UsageError."""
    given = xl.given(xl_config.MAX_SIZE)
    if given is None:
        return None
    file = printable(given.file, 300)
    try:
        config = domain_config.of_settings(file, xl_config.parse(given.text))
    except UsageError as why:
        raise UsageError(f"{file}: {why.message}", hint="name mac= and bridge= in bootloader_args") from None
    if None not in (name, config.name) and config.name != name:
        raise UsageError(
            f"{file} is of domain {printable(str(config.name))}, not of {printable(str(name))}",
            hint="name mac= and bridge= in bootloader_args",
        )
    return config


def find_vif(settings: BootSettings, known: KnownDomain) -> BootSettings:
    """Return the settings with the vif of a domain that libxl creates, where nobody said it.

    Raises UsageError.
    """
    VifConfig(mac=settings.vif.get("mac"), backend=settings.vif.get("backend")).check_backend()
    mac = settings.effective_mac
    if mac is not None and (settings.bridge or settings.interface or settings.vif.get("bridge")):
        return settings
    vif = _vif(mac, known)
    vif.check_backend()
    return replace(settings, vif={**vif.keys(), **settings.vif})


def _vif(mac: Optional[str], known: KnownDomain) -> VifConfig:
    """Find the vif with this MAC, else the first one, as far as anything tells."""
    told = DomainConfig("the environment", None, domain_config.merged_vifs(_from_environment(os.environ)))
    for config in (told, known.config):
        found = None if config is None else config.vif(mac)
        if config is not None and found is not None and found.mac:
            log.info(
                "%s from %s", ", ".join(f"{k} {printable(v)}" for k, v in found.keys().items()), config.file
            )
            return found
    if mac is None:
        raise _no_mac(known)
    if known.why is not None:
        # With the MAC it can go on; the bridge is libxl's default then.
        log.warning("the bridge is not known: %s", printable(known.why.message))
    return domain_config.merged_vifs([{"mac": mac}])[0]


def _no_mac(known: KnownDomain) -> UsageError:
    """Return why a boot without a MAC ends here."""
    if known.why is not None:
        return known.why
    config = known.config
    if config is None:
        return UsageError(
            "no MAC address was given, and no xl create above this process tells one, nor did one on this "
            "host when the guest was first started",
            hint=_TRAVELS,
        )
    what = "a vif without mac=" if config.vifs else "no vif"
    return UsageError(
        f"no MAC address was given, and {config.file} has {what}",
        hint="write vif = ['mac=00:16:3e:01:02:03,bridge=xenbr0']: libxl makes a missing MAC up, but "
        "later, and another each time",
    )


def _from_environment(environment: Mapping[str, str]) -> list[Vif]:
    """Return the vifs as a libxl with our patch tells them (patches/README.md)."""
    vifs: list[Vif] = []
    while (mac := environment.get(f"XEN_VIF{len(vifs)}_MAC")) is not None:
        vifs.append({"mac": mac, "bridge": environment.get(f"XEN_VIF{len(vifs)}_BRIDGE", "")})
    return vifs
