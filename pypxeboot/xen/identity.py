"""Who the guest is, where nobody said it: found with libxl, xenstore and the domain's configuration."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Optional

from pypxeboot.config.settings import BootSettings
from pypxeboot.errors import UsageError
from pypxeboot.guest import is_routed, parse_mac, parse_vif
from pypxeboot.text import printable
from pypxeboot.xen import parent_xl, xenstore, xl_config

log = logging.getLogger(__name__)

Vif = Mapping[str, str]
_KEYS = ("mac", "bridge", "vlan", "script")  # what a vif tells of the guest's place


def read_xenstore(settings: BootSettings, number: int) -> BootSettings:
    """Return the settings with what xenstore knows of the domain ``number``, which libxl creates."""
    if None not in (settings.uuid, settings.guest_type, settings.name):
        return settings
    domain = xenstore.domain(number)
    return replace(
        settings,
        uuid=settings.uuid or domain.uuid,
        guest_type=settings.guest_type or domain.type,
        name=settings.name or domain.name,
    )


def find_vif(settings: BootSettings) -> BootSettings:
    """Return the settings with the vif of a domain that libxl creates, where nobody said it.

    Raises UsageError.
    """
    mac = settings.effective_mac
    if mac is not None and (settings.bridge or settings.interface or settings.vif.get("bridge")):
        return settings
    return replace(settings, vif={**_vif(mac, settings.name), **settings.vif})


def _vif(mac: Optional[str], name: Optional[str]) -> Vif:
    """Find the vif with this MAC, else the first one, as far as anything tells; its bridge is libxl's."""
    try:
        found, where = _first(_from_environment(os.environ), mac), "the environment"
        if found is None:
            found, where = _from_xl(mac, name)
    except UsageError as why:
        if mac is None:
            raise
        # With the MAC it can go on; the bridge is libxl's default then.
        log.warning("the bridge is not known: %s", printable(why.message))
        found, where = None, ""
    vif = {} if found is None else {key: found[key] for key in _KEYS if found.get(key)}
    if vif:
        log.info("%s from %s", ", ".join(f"{key} {printable(vif[key])}" for key in vif), where)
    if "bridge" not in vif and not is_routed(vif):
        bridge = _default_bridge()
        vif.update({} if bridge is None else {"bridge": bridge})
    return vif


def _from_environment(environment: Mapping[str, str]) -> list[Vif]:
    """Return the vifs as a libxl with our patch tells them (patches/README.md)."""
    vifs: list[Vif] = []
    while (mac := environment.get(f"XEN_VIF{len(vifs)}_MAC")) is not None:
        vifs.append({"mac": mac, "bridge": environment.get(f"XEN_VIF{len(vifs)}_BRIDGE", "")})
    return vifs


def _from_xl(mac: Optional[str], name: Optional[str]) -> tuple[Optional[Vif], str]:
    created = parent_xl.find_parent_xl(xl_config.MAX_SIZE)
    if created is None:
        if mac is None:
            raise UsageError(
                "no MAC address was given, and no xl create above this process tells one",
                hint='write bootloader_args = ["mac=00:16:3e:01:02:03,bridge=xenbr0"] for this domain',
            )
        return None, ""
    file = printable(created.file, 300)
    try:
        settings = xl_config.parse(created.text)
        vifs = [parse_vif(text) for text in xl_config.texts(settings.get("vif", []))]
    except UsageError as why:
        raise UsageError(f"{file}: {why.message}", hint="name mac= and bridge= in bootloader_args") from None
    own = settings.get("name")
    if name is not None and own is not None and own != name:
        raise UsageError(
            f"{file} is of domain {printable(str(own))}, not of {printable(name)}",
            hint="name mac= and bridge= in bootloader_args",
        )
    found = _first(vifs, mac)
    if mac is None and (found is None or not found.get("mac")):
        what = "no vif" if found is None else "a vif without mac="
        raise UsageError(
            f"no MAC address was given, and {file} has {what}",
            hint="write vif = ['mac=00:16:3e:01:02:03,bridge=xenbr0']: libxl makes a missing MAC up, but "
            "later, and another each time",
        )
    return found, file


def _first(vifs: Sequence[Vif], mac: Optional[str]) -> Optional[Vif]:
    """Return the vif with this MAC; the first where none is asked for."""
    if mac is None:
        return vifs[0] if vifs else None
    wanted = parse_mac(mac)
    return next((vif for vif in vifs if vif.get("mac") and parse_mac(vif["mac"]) == wanted), None)


def _default_bridge() -> Optional[str]:
    """Return what xl takes for a vif that names no bridge."""
    try:
        settings = xl_config.parse(parent_xl.default_bridge_text(xl_config.MAX_SIZE))
    except UsageError:
        return None
    bridge = settings.get("vif.default.bridge")
    return bridge if isinstance(bridge, str) and bridge else None
