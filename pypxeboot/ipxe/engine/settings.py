"""The tree of iPXE settings: blocks, what they hold, and which one a name means (core/settings.c).

A name is ``[block/]name[:type]``. Names that stand for DHCP options are the same settings as their numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Optional, Union

from pypxeboot.dataclass import dataclass, field
from pypxeboot.ipxe.engine import setting_types
from pypxeboot.ipxe.engine.setting_types import TYPES, NotSupported, SettingType
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.lease import DhcpOption

Key = Union[int, str]
"""What a setting is known by: the number of its DHCP option (``tag``), else its name."""

# More than any script needs, and less than would hurt: values of one script together, and of one setting.
TOTAL_LIMIT = 4 << 20
# Blocks, and blocks in blocks: a machine with many cards and VLANs comes to some fifty, three deep.
BLOCK_LIMIT, DEPTH_LIMIT = 256, 8


def encapsulated(*codes: int) -> int:
    """Return the tag of a sub-option: ``43.116`` is 43 << 8 | 116."""
    tag = 0
    for code in codes:
        tag = tag << 8 | code
    return tag


# Predefined settings with DHCP options behind them: tag and type (each file of iPXE defines its own).
_TAGGED = {
    "netmask": (DhcpOption.SUBNET_MASK, "ipv4"),
    "gateway": (DhcpOption.ROUTER, "ipv4"),
    "dns": (DhcpOption.DNS_SERVER, "ipv4"),
    "syslog": (DhcpOption.LOG_SERVER, "ipv4"),
    "hostname": (DhcpOption.HOST_NAME, "string"),
    "domain": (DhcpOption.DOMAIN_NAME, "string"),
    "root-path": (DhcpOption.ROOT_PATH, "string"),
    "mtu": (DhcpOption.INTERFACE_MTU, "int16"),
    "ntp": (DhcpOption.NTP_SERVER, "ipv4"),
    "dhcp-server": (DhcpOption.SERVER_ID, "ipv4"),
    "filename": (DhcpOption.BOOT_FILE, "string"),
    "vendor-class": (DhcpOption.VENDOR_CLASS, "string"),
    "user-class": (DhcpOption.USER_CLASS, "string"),
    "initiator-iqn": (DhcpOption.ISCSI_INITIATOR, "string"),
    "priority": (encapsulated(DhcpOption.IPXE, 1), "int8"),
    "ip": (encapsulated(DhcpOption.IPXE, 2), "ipv4"),
    "next-server": (encapsulated(DhcpOption.IPXE, 3), "ipv4"),
    "keep-san": (encapsulated(DhcpOption.IPXE, 8), "int8"),
    "skip-san-boot": (encapsulated(DhcpOption.IPXE, 9), "int8"),
    "scriptlet": (encapsulated(DhcpOption.IPXE, 0x51), "string"),
    "syslogs": (encapsulated(DhcpOption.IPXE, 0x55), "string"),
    "trust": (encapsulated(DhcpOption.IPXE, 0x5A), "hex"),
    "cert": (encapsulated(DhcpOption.IPXE, 0x5B), "hex"),
    "privkey": (encapsulated(DhcpOption.IPXE, 0x5C), "hex"),
    "crosscert": (encapsulated(DhcpOption.IPXE, 0x5D), "string"),
    "san-filename": (encapsulated(DhcpOption.IPXE, 0xBC), "string"),
    "san-drive": (encapsulated(DhcpOption.IPXE, 0xBD), "uint8"),
    "username": (encapsulated(DhcpOption.IPXE, 0xBE), "string"),
    "password": (encapsulated(DhcpOption.IPXE, 0xBF), "string"),
    "reverse-username": (encapsulated(DhcpOption.IPXE, 0xC0), "string"),
    "reverse-password": (encapsulated(DhcpOption.IPXE, 0xC1), "string"),
}
# And those without, by the type they are shown in.
_NAMED = {
    "mac": "hex",
    "hwaddr": "hex",
    "busid": "hex",
    "busloc": "uint32",
    "sysmac": "hex",
    "uuid": "uuid",
    "ip6": "ipv6",
    "len6": "int8",
    "dns6": "ipv6",
    "gateway6": "ipv6",
    "unixtime": "uint32",
    "errno": "uint32",
    "memsize": "int32",
    "vram": "base64",
}
_NAMES = {tag: name for name, (tag, _) in _TAGGED.items()}
# Tags of SMBIOS are others: structure, offset, and length for what is no string.
_SMBIOS = {
    encapsulated(1, 4, 0): "manufacturer",
    encapsulated(1, 5, 0): "product",
    encapsulated(1, 7, 0): "serial",
    encapsulated(1, 8, 16): "uuid",
    encapsulated(2, 7, 0): "board-serial",
    encapsulated(3, 8, 0): "asset",
}

_TAG = re.compile(r"[0-9a-fA-FxX]+(\.[0-9a-fA-FxX]+)*")


def smbios_key(tag: int) -> Key:
    """Return what a setting of SMBIOS without a name is known by."""
    return f"smbios/{tag:#x}"


_PCI = "pci/"


def pci_key(tag: int) -> Key:
    """Return what a setting of the block ``pci`` is known by."""
    return f"{_PCI}{tag:#x}"


def pci_tag(key: Key) -> Optional[int]:
    """Return the tag of what :func:`pci_key` made, None for any other key."""
    return int(key[len(_PCI) :], 16) if isinstance(key, str) and key.startswith(_PCI) else None


class NoSuchBlock(ValueError):
    """The name asks for a settings block that is not there."""


class NoSuchType(ValueError):
    """The name asks for a type that iPXE does not know."""


class NotStorable(ValueError):
    """The block cannot be written to; ``status`` is what iPXE says then."""

    def __init__(self, name: str, status: int = Status.NOT_STORABLE) -> None:
        super().__init__(name)
        self.status = status


class Full(ValueError):
    """The settings have become more than a script could need."""


@dataclass(frozen=True)
class Value:
    """Raw bytes, and the type that they are shown in where none is asked for.

    ``uuid``: the first fields have the byte order of SMBIOS, which does not count where a UUID is asked for.
    """

    raw: bytes
    type: Optional[SettingType] = None
    uuid: bool = False

    def of(self, kind: Optional[SettingType]) -> Value:
        """Return the value as one of ``kind``."""
        kind = kind or self.type or TYPES["string"]
        mangled = self.uuid and kind.name in ("uuid", "guid")
        return Value(setting_types.swapped(self.raw) if mangled else self.raw, kind)


@dataclass(frozen=True)
class Name:
    """A parsed name. ``block`` is None for the root, ``type`` None where the name gives none."""

    block: Optional[str]
    key: Key
    text: str
    type: Optional[SettingType]


def _nothing(_key: Key, _value: Optional[Value]) -> Optional[int]:
    return None


@dataclass
class Block:
    """A settings block: what it holds, and its children by the last part of their names, in order.

    ``refuses`` tells the status of a store that cannot be, None for one that can.
    """

    name: str
    values: dict[Key, Value] = field(default_factory=dict)
    children: dict[str, Block] = field(default_factory=dict)
    refuses: Callable[[Key, Optional[Value]], Optional[int]] = _nothing
    lookup: Optional[Callable[[Key], Optional[Value]]] = None

    def own(self, key: Key) -> Optional[Value]:
        """Return the value in this very block."""
        value = self.values.get(key)
        if value is None and self.lookup is not None:
            value = self.lookup(key)
        return value

    def walk(self) -> Iterator[Block]:
        """Yield the block and all below it, in the order in which a name is looked up."""
        yield self
        for child in self.children.values():
            yield from child.walk()


def parse_name(text: str) -> Name:
    """``text`` as a name. Raises NoSuchType."""
    head, slash, rest = text.partition("/")
    block, rest = (head, rest) if slash else (None, text)
    name, colon, type_name = rest.partition(":")
    key = _key(name)
    if block == "smbios" and isinstance(key, int):
        name = _SMBIOS.get(key, name)
        key = _SMBIOS.get(key, smbios_key(key))
    if block == "pci" and isinstance(key, int):
        key = pci_key(key)
    kind = _type_of_name(key)
    if colon:
        if type_name not in TYPES:
            raise NoSuchType(text)
        kind = TYPES[type_name]
    return Name(block, key, _NAMES.get(key, name) if isinstance(key, int) else name, kind)


def _key(name: str) -> Key:
    if name in _TAGGED:
        return _TAGGED[name][0]
    if _TAG.fullmatch(name):
        codes = [setting_types.number(part) for part in name.split(".")]
        if all(code is not None for code in codes) and len(codes) <= 4:
            return encapsulated(*(code or 0 for code in codes)) & 0xFFFFFFFF or name  # 0 is no tag
    return name


def _type_of_name(key: Key) -> Optional[SettingType]:
    if isinstance(key, int):
        name = _NAMES.get(key)
        return TYPES[_TAGGED[name][1]] if name else None
    return TYPES[_NAMED[key]] if key in _NAMED else None


class Settings:
    """All settings of a boot. ``card`` is what ``netX`` means: the network card that was opened last."""

    def __init__(self) -> None:
        self.root = Block("")
        self.card = "net0"
        self._size = 0
        self._blocks = 0

    def block(self, name: Optional[str], create: bool = False) -> Block:
        """Get the block called ``name`` (dotted; ``netX`` is the network card). Raises NoSuchBlock, Full."""
        block = self.root
        parts = (name or "").split(".", DEPTH_LIMIT)
        if len(parts) > DEPTH_LIMIT:
            raise NoSuchBlock(name)
        for part in parts:
            if not part:
                continue
            if part == "netX" and block is self.root:
                part = self.card
            child = block.children.get(part)
            if child is None:
                if not create:
                    raise NoSuchBlock(name)
                self._blocks += 1
                if self._blocks > BLOCK_LIMIT:
                    raise Full(name)
                child = block.children[part] = Block(f"{block.name}.{part}" if block.name else part)
            block = child
        return block

    def find(self, name: Name) -> tuple[Optional[Value], str]:
        """Return the value of a setting, and the block where it was found; its type is never None.

        "The root block first, then the children in order of priority." Raises NoSuchBlock.
        """
        for block in self.block(name.block).walk():
            value = block.own(name.key)
            if value is not None:
                return value.of(name.type), block.name
        return None, ""

    def show(self, text: str) -> Optional[str]:
        """Return what ``${text}`` becomes, None where there is nothing: an unknown block, type or setting."""
        try:
            value, _ = self.find(parse_name(text))
            return None if value is None or value.type is None else value.type.format(value.raw)
        except (NoSuchBlock, NoSuchType, setting_types.Unformattable):
            return None

    def store(self, name: Name, text: Optional[str]) -> None:
        """Give a setting the value that ``text`` means; nothing, or None, deletes it.

        Raises BadValue, NotSupported, NotStorable, Full.
        """
        kind = name.type or TYPES["string"]
        self.put(name, Value(kind.parse(text), kind) if text else None)

    def put(self, name: Name, value: Optional[Value]) -> None:
        """As :meth:`store`, with a value that is made already."""
        block = self.block(name.block, create=True)
        status = block.refuses(name.key, value)
        if status is not None:
            raise NotStorable(name.text, status)
        old = block.values.pop(name.key, None)
        self._size -= len(old.raw) + len(name.text) if old else 0
        if value is not None and value.raw:
            self._size += len(value.raw) + len(name.text)
            if self._size > TOTAL_LIMIT:
                raise Full(name.text)
            block.values[name.key] = value

    def increment(self, name: Name, amount: int) -> None:
        """Add ``amount`` to a number; what is not there counts from an int32 of 0. Raises as :meth:`store`.

        "On a string setting it fails."
        """
        found, _ = self.find(name)
        kind = name.type or TYPES["int32"]
        value = 0
        if found is not None and found.type is not None:
            kind = found.type
            if kind.width is None:
                raise NotSupported(name.text)
            value = setting_types.numeric(found.raw, signed=True)
        if kind.width is None:
            raise NotSupported(name.text)
        self.put(name, Value(kind.parse(str((value + amount) & 0xFFFFFFFF)), kind))
