"""The XML that a domain is started with, made of its stored definition, which stays as it is."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Optional
from xml.etree.ElementTree import Element, SubElement, tostring

from pypxeboot.errors import HandoverError
from pypxeboot.output.xml import writable
from pypxeboot.virt import hook_paths
from pypxeboot.virt.domain_xml import LIVE_NAMESPACE, metadata

KEY = "pypxeboot-live"
"""The prefix of its element there."""

_TOLD, _DESCRIBED = "PXE: ", ("at", "action", "label", "kernel")
_DIRECT = ("kernel", "initrd", "cmdline", "dtb")


def booting(
    stored: Element, direct: Optional[Mapping[str, Optional[str]]], told: Mapping[str, str], again: bool
) -> Element:
    """Make the XML of a boot by ``direct`` (kernel, initrd, cmdline, dtb), or from the disk if that is None.

    ``told`` is what the running domain shows of its boot in its metadata; ``again``: a guest that reboots is
    to end, for somebody waits to boot it from the network again. Raises HandoverError for what XML cannot
    hold.
    """
    root = copy.deepcopy(stored)
    system = root.find("os")
    if system is None:
        raise HandoverError("the domain's XML has no <os>")
    for element in [element for element in system if element.tag in _DIRECT]:
        system.remove(element)
    hook_paths.leave_out(root)
    if direct is None:
        _from_disk(root, system)
    else:
        for name, value in direct.items():
            if value:
                SubElement(system, name).text = writable(name, value)
    if again:
        _set(root, "on_reboot", "destroy")
    _tell(root, told)
    return root


def shown(told: Mapping[str, str]) -> str:
    """Return the element of a running domain's metadata by which it shows its boot.

    Raises HandoverError for what XML cannot hold.
    """
    values = {name: writable(name, value) for name, value in told.items() if value}
    return tostring(Element("booted", values), "unicode")


def told(root: Element) -> Optional[dict[str, str]]:
    """Return what the XML shows of a boot: of one that is made by :func:`booting`; else None."""
    found = metadata(root, LIVE_NAMESPACE, "booted")
    if found is None:
        return None
    return {name: value for name, value in found.attrib.items() if not name.startswith("xmlns")}


def _from_disk(root: Element, system: Element) -> None:
    """Leave nothing from which the firmware would boot over the network once more."""
    for element in system.findall("boot"):
        if element.get("dev") == "network":
            system.remove(element)
    for interface in root.findall("devices/interface"):
        for element in interface.findall("boot"):
            interface.remove(element)
    if system.find("boot") is None and root.find("devices/*/boot") is None:
        SubElement(system, "boot", dev="hd")


def _tell(root: Element, told: Mapping[str, str]) -> None:
    """Have ``virsh metadata`` and ``virsh desc`` show what was booted."""
    found = root.find("metadata")
    if found is None:
        found = SubElement(root, "metadata")
    lines = (root.findtext("description") or "").split("\n")
    old = metadata(root, LIVE_NAMESPACE, "booted")
    if old is not None:  # somebody has defined what a run showed
        found.remove(old)
        lines = [line for line in lines if not line.startswith(_TOLD)]
    values = {name: writable(name, value) for name, value in told.items() if value}
    SubElement(found, f"{KEY}:booted", {f"xmlns:{KEY}": LIVE_NAMESPACE, **values})
    shown = " ".join(values[name] for name in _DESCRIBED if name in values)
    _set(root, "description", "\n".join(filter(None, (*lines, _TOLD + shown))))


def _set(root: Element, name: str, text: str) -> None:
    element = root.find(name)
    if element is None:
        element = SubElement(root, name)
    element.text = text
