"""Asking PXE servers where to boot from, once there is an address (PXE 2.1, 2.2.4 and 2.4.2; iPXE, dhcp.c).

Either a proxyDHCP server whose offer said no more than that it is one, or the boot servers behind an item of
a menu. All that may know are asked at once, and the first good answer counts: none of it may take long, since
servers that claim to be PXE servers and never answer are common. As pure as :mod:`pypxeboot.dhcp.client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.dhcp import message, pxe_options
from pypxeboot.dhcp.message import PXE_PORT, SERVER_PORT, Message, Type
from pypxeboot.dhcp.pxe_options import Control, Services
from pypxeboot.lease import DhcpOption, Lease, PxeAnswer

# iPXE gives a proxyDHCP server 2 s in all, and each boot server 3 s, one after the other.
PROXY_WAITS = (0.5, 1.0, 1.5)
BOOT_SERVER_WAITS = (1.0, 2.0, 2.0)
MAX_SERVERS = 16  # asked at once
BROADCAST = IPv4Address("255.255.255.255")


@dataclass(frozen=True)
class Question:
    """Whom to ask, each with a port, and what: ``kind`` is a type of boot server, None asks proxyDHCP.

    Only answers from ``trusted`` addresses count, from any without.
    """

    targets: tuple[tuple[IPv4Address, int], ...]
    kind: Optional[int] = None
    trusted: Optional[frozenset[IPv4Address]] = None

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds after each sending."""
        return PROXY_WAITS if self.kind is None else BOOT_SERVER_WAITS

    @property
    def what(self) -> str:
        """What is asked for, in words."""
        return "proxyDHCP" if self.kind is None else f"boot server of type {self.kind}"


def of_proxies(lease: Lease) -> Optional[Question]:
    """Ask the PXE servers that said nothing yet; None if there are none."""
    servers = tuple(answer.server for answer in lease.pxe if not is_complete(answer))[:MAX_SERVERS]
    if not servers:
        return None
    return Question(tuple((server, PXE_PORT) for server in servers), None, frozenset(servers))


def of_boot_servers(services: Services, kind: int) -> Question:
    """Ask the boot servers of type ``kind`` in the ways that sub-option 6 leaves open."""
    listed = services.servers.get(kind, ())[:MAX_SERVERS]
    targets = [(server, PXE_PORT) for server in listed]
    if not services.control & Control.NO_MULTICAST and services.multicast is not None:
        targets.append((services.multicast, PXE_PORT))
    anybody = not services.control & Control.NO_BROADCAST
    if anybody:
        targets.append((BROADCAST, SERVER_PORT))
    restricted = services.control & Control.LISTED_ONLY or len(targets) == len(listed)
    return Question(tuple(targets), kind, frozenset(listed) if restricted and listed else None)


def is_complete(answer: PxeAnswer) -> bool:
    """Whether there is something to boot, or to choose from, in ``answer``."""
    return bool(answer.bootfile) or bool(services_of(answer).menu)


def services_of(answer: PxeAnswer) -> Services:
    """Return what its option 43 offers."""
    return pxe_options.services(answer.options.get(DhcpOption.VENDOR_OPTIONS, b""))


def request(
    question: Question,
    server: IPv4Address,
    mac: bytes,
    xid: int,
    ciaddr: IPv4Address,
    options: Mapping[int, bytes],
    secs: int,
) -> bytes:
    """Make the message for ``server``. ``options`` are those of every message, with the list of 55."""
    own = {DhcpOption.MESSAGE_TYPE: bytes((Type.REQUEST,)), **options}
    if question.kind is None:
        own[DhcpOption.SERVER_ID] = server.packed
    else:
        own[DhcpOption.VENDOR_OPTIONS] = pxe_options.boot_item(question.kind)
    return message.request(xid, mac, own.items(), ciaddr=ciaddr, secs=secs)


def answer(
    question: Question,
    reply: Message,
    sender: tuple[IPv4Address, int],
    *,
    mac: bytes,
    xid: int,
    client: bytes,
) -> Optional[PxeAnswer]:
    """Get what ``reply`` from ``sender`` answers to ``question``; None where it does not, or not to us."""
    address, port = sender
    if reply.op != message.BOOTREPLY or reply.xid != xid or reply.chaddr != mac:
        return None
    if question.trusted is not None and address not in question.trusted:
        return None
    if question.kind is None:
        if port != PXE_PORT or reply.type not in (Type.OFFER, Type.ACK):
            return None
    elif port not in (PXE_PORT, SERVER_PORT) or reply.type != Type.ACK:
        return None
    found = message.pxe_answer(reply, client)
    if found is None:
        return None
    # A DHCP server that takes the question for one about an address acknowledges that, without the item.
    right = is_complete(found) if question.kind is None else services_of(found).item == question.kind
    return found if right else None
