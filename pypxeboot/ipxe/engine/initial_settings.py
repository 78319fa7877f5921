"""The settings that an iPXE finds when it starts: of the network card, DHCP, SMBIOS and itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv4Address
from typing import Optional
from uuid import UUID

from pypxeboot.dataclass import dataclass
from pypxeboot.dhcp.identity import IPXE_VERSION
from pypxeboot.dhcp.message import suboptions
from pypxeboot.guest import Guest
from pypxeboot.ipxe.engine.setting_types import TYPES, c_string
from pypxeboot.ipxe.engine.settings import Key, Settings, Value, encapsulated, pci_tag, smbios_key
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.lease import Address, DhcpOption, Lease, PxeAnswer
from pypxeboot.text import encode

# Machines that have a BIOS build of iPXE, whose scripts lead to kernels rather than EFI programs.
_BIOSES = frozenset({"x86_64", "i386", "amd64", "i686", "x86"})
_BUILDS = {"amd64": "x86_64", "aarch64": "arm64", "arm": "arm32", "i686": "i386", "x86": "i386"}

# SMBIOS strings that have names in iPXE (interface/smbios/smbios_settings.c), and where they stand.
_SMBIOS = {
    "manufacturer": "SYSVENDOR",
    "product": "SYSPRODUCT",
    "serial": "SYSSERIAL",
    "asset": "SYSASSET",
    "board-serial": "MBSERIAL",
}
_PLACES = {
    (0, 4): "BIOSVENDOR",
    (0, 5): "BIOSVERSION",
    (1, 6): "SYSVERSION",
    (1, 25): "SYSSKU",
    (1, 26): "SYSFAMILY",
    (2, 4): "MBVENDOR",
    (2, 5): "MBPRODUCT",
    (2, 6): "MBVERSION",
    (2, 8): "MBASSET",
}
# What guests see where nobody says otherwise; sites branch on the first two.
_HYPERVISORS = {
    "xen": {"SYSVENDOR": "Xen", "SYSPRODUCT": "HVM domU"},
    "kvm": {"SYSVENDOR": "QEMU", "SYSPRODUCT": "Standard PC (i440FX + PIIX, 1996)"},
}
# Network cards: virtio-net by its PCI numbers, Xen's by name.
# The virtio card is where QEMU has the first one: bus 0, device 2, function 0; and what its configuration
# space begins with there: vendor and device, command and status, revision and class, no addresses yet, and
# vendor and device of the subsystem.
_BUSLOC = 2 << 3
_PCI_CONFIG = bytes.fromhex("f41a00100701100000000002") + bytes(32) + bytes.fromhex("f41a0100") + bytes(16)
_CARDS = {"xen": ("netfront", "XEN", b""), "kvm": ("virtio-net", "PCI", bytes((1, 0x1A, 0xF4, 0x10, 0)))}


@dataclass
class BuiltinSettings:
    """The settings that change as a script runs (core/settings.c, "builtin").

    ``cwuri`` is what relative names are relative to: the URI of the script that runs, whatever it sets
    ``next-server`` to (net/udp/tftp.c, tftp_apply_settings(): only where there is none yet).
    """

    errno: int = 0
    unixtime: int = 0
    cwuri: Optional[Uri] = None

    def lookup(self, key: Key) -> Optional[Value]:
        """Return the value that a setting has just now, None for one that does not change."""
        if key == "errno":
            return Value(self.errno.to_bytes(4, "big"), TYPES["uint32"])
        if key == "unixtime":
            return Value((self.unixtime & 0xFFFFFFFF).to_bytes(4, "big"), TYPES["uint32"])
        if key == "cwuri" and self.cwuri is not None:
            return Value(encode(str(self.cwuri)))
        if key == "cwduri" and self.cwuri is not None:
            return Value(encode(str(self.cwuri.directory)))
        return None


def settings_of(guest: Guest, lease: Lease, builtin: Callable[[Key], Optional[Value]]) -> Settings:
    """Return the settings of ``guest`` with ``lease``; ``builtin`` gives those that change all the time."""
    settings = Settings()
    card = settings.block("net0", create=True)
    card_values = _card(guest)
    card.lookup, card.refuses = card_values.get, _card_refuses
    relet(settings, "net0", lease)
    for name, answer in (("proxydhcp", lease.proxy), ("pxebs", lease.boot_server)):
        if answer is not None:
            block = settings.block(name, create=True)
            block.values.update(_pxe_settings(answer))
            block.lookup, block.refuses = _options(answer.options), _options_only
    if "busloc" in card_values:
        pci = settings.block("pci", create=True)
        pci.lookup, pci.refuses = _pci_config, lambda _key, _value: Status.NOT_STORABLE
    smbios = settings.block("smbios", create=True)
    smbios.values.update(_smbios(guest))
    smbios.refuses = lambda _key, _value: Status.NOT_STORABLE
    own = settings.block("builtin", create=True)
    own.values.update(_own(guest))
    own.lookup, own.refuses = builtin, _own_refuses
    return settings


def relet(settings: Settings, card: str, lease: Lease) -> None:
    """Put another lease of ``card`` in the place of the one before."""
    block = settings.block(f"{card}.dhcp", create=True)
    block.values.clear()
    block.values.update(lease_settings(lease))
    others = {code: data for code, data in lease.options.items() if code not in block.values}
    block.lookup, block.refuses = _options(others), _options_only


def _text(text: str) -> Value:
    return Value(encode(text), TYPES["string"])


# What cannot be stored: net/netdev_settings.c, net/dhcppkt.c and core/settings.c, "applies" and "store".
_FIXED = frozenset({"bustype", "busid", "busloc", "chip", "hwaddr", "ifname", "linktype"})
_CHANGING = frozenset({"errno", "unixtime", "version", "platform", "buildarch", "cwuri", "cwduri"})
_MAC_BYTES = 6


def _card_refuses(key: Key, value: Optional[Value]) -> Optional[int]:
    if key in _FIXED:
        return Status.CARD_NOT_STORABLE
    return Status.BAD_MAC if key == "mac" and value and len(value.raw) != _MAC_BYTES else None


def _options_only(key: Key, _value: Optional[Value]) -> Optional[int]:
    """Refuse a setting without a tag: a DHCP packet has options, and nothing else."""
    return None if isinstance(key, int) else Status.NOT_APPLICABLE


def _own_refuses(key: Key, _value: Optional[Value]) -> Optional[int]:
    return Status.NOT_STORABLE if key in _CHANGING else Status.NOT_APPLICABLE


def _card(guest: Guest) -> dict[Key, Value]:
    chip, bus, bus_id = _CARDS.get(guest.hypervisor, _CARDS["kvm"])
    values: dict[Key, Value] = {
        "mac": Value(guest.mac_bytes, TYPES["hex"]),
        "hwaddr": Value(guest.mac_bytes, TYPES["hex"]),
        "ifname": _text("net0"),
        "chip": _text(chip),
        "bustype": _text(bus),
        "linktype": _text("Ethernet"),
    }
    if bus_id:
        values["busid"] = Value(bus_id, TYPES["hex"])
        values["busloc"] = Value(_BUSLOC.to_bytes(2, "big"), TYPES["uint32"])
    return values


def _pci_config(key: Key) -> Optional[Value]:
    """``pci/BUSLOC.OFFSET.LENGTH`` as a number: bytes of a device's configuration, the last one first.

    Of a device that is not there, all bits are set (interface/pci/pci_settings.c).
    """
    tag = pci_tag(key)
    if tag is None:
        return None
    place, offset, length = tag >> 16, tag >> 8 & 0xFF, tag & 0xFF
    config = _PCI_CONFIG if place == _BUSLOC else b"\xff" * 256
    return Value(config[offset : offset + length].ljust(length, b"\0")[::-1], TYPES["hexraw"])


def lease_settings(lease: Lease) -> dict[Key, Value]:
    """Return what a lease says beside its options, by tag (net/dhcppkt.c)."""
    values: dict[Key, Value] = {}
    if lease.bootfile:
        raw = lease.options.get(DhcpOption.BOOT_FILE, b"")  # servers end it with a NUL, which ``:hex`` shows
        as_sent = c_string(raw) == lease.bootfile
        values[DhcpOption.BOOT_FILE] = Value(raw, TYPES["string"]) if as_sent else _text(lease.bootfile)
    if lease.domain:
        values[DhcpOption.DOMAIN_NAME] = _text(lease.domain)
    if lease.address.version == 6:
        addresses6 = {"ip6": (lease.address,), "gateway6": lease.routers[:1], "dns6": lease.dns[:1]}
        values.update(
            (key, Value(found[0].packed, TYPES["ipv6"])) for key, found in addresses6.items() if found
        )
        return values
    values[DhcpOption.SUBNET_MASK] = Value(IPv4Address(lease.netmask).packed, TYPES["ipv4"])
    values[encapsulated(DhcpOption.IPXE, 2)] = Value(lease.address.packed, TYPES["ipv4"])
    server = _address(lease.next_server)
    if server is not None:
        values[encapsulated(DhcpOption.IPXE, 3)] = Value(server, TYPES["ipv4"])
    addresses: dict[DhcpOption, tuple[Address, ...]] = {
        DhcpOption.ROUTER: lease.routers,
        DhcpOption.DNS_SERVER: lease.dns,
        DhcpOption.SERVER_ID: (lease.server_id,) if lease.server_id else (),
    }
    for tag, found in addresses.items():
        if found:
            values[tag] = Value(b"".join(address.packed for address in found), TYPES["ipv4"])
    return values


def _pxe_settings(answer: PxeAnswer) -> dict[Key, Value]:
    """Return what the answer of a PXE server says, by tag."""
    values: dict[Key, Value] = {DhcpOption.BOOT_FILE: _text(answer.bootfile)} if answer.bootfile else {}
    server = _address(answer.next_server)
    if server is not None:
        values[encapsulated(DhcpOption.IPXE, 3)] = Value(server, TYPES["ipv4"])
    return values


def _address(text: Optional[str]) -> Optional[bytes]:
    try:
        return IPv4Address(text or "").packed
    except ValueError:
        return None


def _options(options: Mapping[int, bytes]) -> Callable[[Key], Optional[Value]]:
    """Options by number, and sub-options as ``43.116`` and ``175.1``."""

    def lookup(key: Key) -> Optional[Value]:
        if not isinstance(key, int):
            return None
        outer, inner = key >> 8, key & 0xFF
        if not 0 <= outer < 0x100:
            return None
        option = options.get(outer or inner)
        raw = suboptions(option).get(inner) if outer and option is not None else option
        return Value(raw) if raw else None

    return lookup


def _smbios(guest: Guest) -> dict[Key, Value]:
    known = {**_HYPERVISORS.get(guest.hypervisor, {}), **guest.smbios}
    values: dict[Key, Value] = {}
    for name, key in _SMBIOS.items():
        if known.get(key):
            values[name] = _text(known[key])
    for (kind, offset), key in _PLACES.items():
        if known.get(key):
            values[smbios_key(encapsulated(kind, offset, 0))] = _text(known[key])
    if guest.uuid is not None:
        values["uuid"] = Value(UUID(guest.uuid).bytes_le, TYPES["uuid"], uuid=True)
    return values


def _own(guest: Guest) -> dict[Key, Value]:
    return {
        "platform": _text("pcbios" if guest.arch in _BIOSES else "efi"),
        "version": _text(IPXE_VERSION),
        "buildarch": _text(_BUILDS.get(guest.arch, guest.arch)),
    }
