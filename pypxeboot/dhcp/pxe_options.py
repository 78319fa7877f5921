"""Option 43 of a PXE server: discovery control, boot servers, boot menu, prompt (PXE 2.1, table 2-1)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag
from ipaddress import IPv4Address
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.dhcp.message import suboptions
from pypxeboot.lease import DhcpOption, is_host
from pypxeboot.text import decode, printable
from pypxeboot.wire import Reader, Truncated

CONTROL, MULTICAST, BOOT_SERVERS, BOOT_MENU, MENU_PROMPT, BOOT_ITEM = 6, 7, 8, 9, 10, 71
LOCAL_BOOT = 0  # the type of server that is the guest's own disk
SHOW_MENU = 255  # the timeout of a prompt that never ends: the menu is shown at once

_ITEMS = 64  # of a menu, and addresses of servers: more than fit on a screen, or are asked in a few seconds
_TEXT = 80  # characters of an item or prompt: a line of the terminals that PXE was made for


class Control(IntFlag):
    """Bits of sub-option 6."""

    NO_BROADCAST = 1
    NO_MULTICAST = 2
    LISTED_ONLY = 4
    FILE_AS_GIVEN = 8


@dataclass(frozen=True)
class Item:
    """A line of the boot menu: the type of the boot servers that stand behind it, and its text."""

    kind: int
    text: str


@dataclass(frozen=True)
class Prompt:
    """What is shown before the menu, for ``seconds``: 0 takes the first item, SHOW_MENU the menu, at once."""

    seconds: int
    text: str


@dataclass(frozen=True)
class Services:
    """What a PXE server has to choose from. ``servers`` are addresses by type of boot server."""

    control: Control
    multicast: Optional[IPv4Address]
    servers: Mapping[int, tuple[IPv4Address, ...]]
    menu: tuple[Item, ...]
    prompt: Optional[Prompt]
    item: Optional[int]

    def counts(self, bootfile: str) -> bool:
        """Whether there is a menu to choose from.

        Not where bit 3 of discovery control is set and a boot file is given: then there is no prompt, no menu
        and no discovery (PXE 2.1, table 2-1).
        """
        return bool(self.menu) and not (bootfile and self.control & Control.FILE_AS_GIVEN)


def services(value: bytes) -> Services:
    """Return the services in ``value`` of option 43; a sub-option that is malformed counts as not there."""
    found = suboptions(value)
    control, multicast = found.get(CONTROL, b""), found.get(MULTICAST, b"")
    address = IPv4Address(multicast) if len(multicast) == 4 else None
    item = found.get(BOOT_ITEM, b"")
    return Services(
        control=Control(control[0] & 15 if len(control) == 1 else 0),
        multicast=address if address is not None and address.is_multicast else None,
        servers=_servers(found.get(BOOT_SERVERS, b"")),
        menu=_menu(found.get(BOOT_MENU, b"")),
        prompt=_prompt(found.get(MENU_PROMPT, b"")),
        item=int.from_bytes(item[:2], "big") if len(item) == 4 else None,
    )


def of(options: Mapping[int, bytes]) -> Optional[Services]:
    """Return the services in the ``options`` of a server, None if it is no PXE server.

    Option 43 is PXE's only where option 60 says PXEClient (PXE 2.1, 2.2.3): other vendors use it, too.
    """
    if not options.get(DhcpOption.VENDOR_CLASS, b"").startswith(b"PXEClient"):
        return None
    return services(options.get(DhcpOption.VENDOR_OPTIONS, b""))


def boot_item(kind: int) -> bytes:
    """Return the option 43 that asks for, or stands for, boot servers of type ``kind`` (layer 0)."""
    return bytes((BOOT_ITEM, 4)) + kind.to_bytes(2, "big") + b"\0\0\xff"


def _servers(value: bytes) -> dict[int, tuple[IPv4Address, ...]]:
    """``{type 16, count 8, addresses}*``; empty if malformed. A type without addresses may be anybody's."""
    reader, found, total = Reader(value), dict[int, tuple[IPv4Address, ...]](), 0
    try:
        while reader.remaining:
            kind, count = reader.number(2), reader.number(1)
            addresses = tuple(IPv4Address(reader.take(4)) for _ in range(count))
            total += count
            if total <= _ITEMS:
                found[kind] = (*found.get(kind, ()), *(a for a in addresses if is_host(a)))
    except Truncated:
        return {}
    return found


def _menu(value: bytes) -> tuple[Item, ...]:
    """``{type 16, length 8, text}*``; empty if malformed."""
    reader, found = Reader(value), list[Item]()
    try:
        while reader.remaining and len(found) < _ITEMS:
            kind = reader.number(2)
            found.append(Item(kind, _text(reader.take(reader.number(1)))))
    except Truncated:
        return ()
    return tuple(found)


def _prompt(value: bytes) -> Optional[Prompt]:
    return Prompt(value[0], _text(value[1:])) if value else None


def _text(value: bytes) -> str:
    return printable(decode(value.partition(b"\0")[0]), _TEXT)
