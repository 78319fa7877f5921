"""Choose the link onto the guest's network: which kind, and which interface or switch it leads onto."""

from __future__ import annotations

import importlib
from typing import cast

from pypxeboot.errors import UsageError
from pypxeboot.guest import Guest
from pypxeboot.links import devices
from pypxeboot.links.kinds import LINKS
from pypxeboot.links.link import AttachRequest, FoundLink, Link

# So many bridges are named to who named none of them.
_TOLD = 8


def find_link(guest: Guest, choice: str) -> FoundLink:
    """Find the link that leads to the guest's network, by looking alone; ``choice`` is that of ``--link``.

    Where no link of that choice is possible, the error is in the result. Raises UsageError where it is not
    even known what to look for.
    """
    first = _load(LINKS[choice][0])
    where = first.network_name(guest)
    device = devices.find(where)
    for name in LINKS[choice]:
        found = _load(name).find(where, device)
        if found is not None:
            return found
    if device is None:
        there = ", ".join(devices.bridges()[:_TOLD])
        hint = "name the guest's bridge or NIC by --bridge or --interface; 'ip link' lists them"
        hint += f" (bridges: {there})" if there else " (there is no bridge on this host)"
        error = UsageError(f"there is no network interface {where}", hint=hint)
    else:
        wanted = first.goes_onto
        error = UsageError(f"{where} is not {wanted}", hint=f"name {wanted}, or use --link macvlan")
    return FoundLink(first, where, device, error=error)


def link_for(request: AttachRequest, choice: str) -> Link:
    """Return the link to the network of a guest, not yet made; ``choice`` is that of ``--link``.

    Raises UsageError if there is nothing of that name, or nothing that could be joined so.
    """
    found = find_link(request.guest, choice)
    if found.error is not None:
        raise found.error
    return found.kind(found, request)


def _load(name: str) -> type[Link]:
    """Import the module of a link, which a boot over another kind does without."""
    module, _, kind = name.partition(".")
    return cast("type[Link]", getattr(importlib.import_module(f"pypxeboot.links.{module}"), kind))
