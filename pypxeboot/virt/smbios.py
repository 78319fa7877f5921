"""What the SMBIOS of a libvirt domain will say, in the words of QEMU's ``-smbios``.

QEMU's own words are those of hw/i386/pc_q35.c, pc_piix.c and hw/arm/virt.c; libvirt's those of
docs/formatdomain.rst, "SMBIOS System Information".
"""

from __future__ import annotations

import re
from typing import Optional
from xml.etree.ElementTree import Element

# Elements of <sysinfo>, and the tables that they are about. The names of their entries are QEMU's.
_TABLES = {"bios": 0, "system": 1, "baseBoard": 2}
_ENTRIES = frozenset("vendor manufacturer product version serial sku family asset".split())
# What QEMU's own machines say; {} is their name. Distributions have machines of their own, too: of those of
# Red Hat this is known, and of the others the manufacturer.
_MACHINES = (
    (r"pc-q35-[0-9.]+", "manufacturer=QEMU,product=Standard PC (Q35 + ICH9,, 2009),version={}"),
    (r"pc-i440fx-[0-9.]+", "manufacturer=QEMU,product=Standard PC (i440FX + PIIX,, 1996),version={}"),
    (r"pc-(q35|i440fx)-rhel.*", "manufacturer=Red Hat,product=KVM"),
    (r"virt-[0-9.]+", "manufacturer=QEMU,product=QEMU Virtual Machine,version={}"),
)


def of_host(root: Element) -> bool:
    """Whether the domain shows the host's own strings."""
    return _mode(root) == "host"


def words(root: Element, host: Optional[Element]) -> list[str]:
    """Return the values of ``-smbios`` options that describe the domain; later ones count.

    ``host`` is the host's ``<sysinfo>``, for a domain that shows it.
    """
    found = _own(root)
    info = host if of_host(root) else root.find("sysinfo[@type='smbios']")
    if info is not None and _mode(root) in ("host", "sysinfo"):
        for name, table in _TABLES.items():
            entries = info.findall(f"{name}/entry")
            found += [
                f"type={table},{entry.get('name')}={_value(entry.text or '')}"
                for entry in entries
                if entry.get("name") in _ENTRIES
            ]
    return found


def _own(root: Element) -> list[str]:
    """Return what the machine and its firmware say of themselves."""
    system, firmware = root.find("os/type"), root.find("os")
    machine = "" if system is None else system.get("machine", "")
    found = []
    for pattern, said in _MACHINES:
        if re.fullmatch(pattern, machine):
            found.append(f"type=1,{said.format(_value(machine))}")
            if machine.startswith("virt-") and root.get("type") == "kvm":
                found.append("type=1,product=KVM Virtual Machine")
    if firmware is not None and (firmware.get("firmware") == "efi" or firmware.find("loader") is not None):
        found.append("type=0,vendor=")  # each build of it has another
    return found


def _mode(root: Element) -> str:
    element = root.find("os/smbios")
    return "emulate" if element is None else element.get("mode", "emulate")


def _value(text: str) -> str:
    """QEMU doubles a comma that belongs to a value."""
    return text.replace(",", ",,")
