"""A DHCP client and what servers say to it."""

from __future__ import annotations

from typing import Optional, TypeVar

from pypxeboot.dhcp import identity as pxe
from pypxeboot.dhcp.client import (
    Bound,
    DhcpClient,
    Failed,
    Note,
    Send,
    Step,
)
from pypxeboot.dhcp.message import Type, decode
from pypxeboot.guest import Guest
from tests.support.peers.dhcp import OFFER, SERVER, message, standard

XID = 0x12345678
MAC = bytes.fromhex("525400abcdef")
GUEST = Guest("52:54:00:ab:cd:ef", "8c3a1f2e-5b6d-4e7f-9a0b-1c2d3e4f5a6b")
BOOTABLE = {"o67": b"pxelinux.0"}

Kind = TypeVar("Kind", Send, Bound, Failed, Note)


def client(**changed: object) -> DhcpClient:
    identity = {57: (1472).to_bytes(2, "big"), **pxe.identity(GUEST, 0)}
    return DhcpClient(MAC, XID, identity, bytes(pxe.PARAMETER_REQUEST), **changed)  # type: ignore[arg-type]


def of(steps: list[Step], kind: type[Kind]) -> list[Kind]:
    return [step for step in steps if isinstance(step, kind)]


def sent(steps: list[Step]) -> list[Type]:
    """The message types that these steps send."""
    return [Type(dict(step.options)[53][0]) for step in of(steps, Send)]


def give(
    machine: DhcpClient,
    now: float,
    kind: int = OFFER,
    server: str = SERVER,
    *,
    fields: Optional[dict[str, object]] = None,
    **options: Optional[bytes],
) -> list[Step]:
    """Hand a message to the machine; one of a server of its own, with an address of its own."""
    values = {"siaddr": server, "xid": machine.xid, **(fields or {})}
    return machine.receive(decode(message(standard(kind, server, **options), **values)), now)  # type: ignore[arg-type]


def warnings(steps: list[Step]) -> list[str]:
    return [step.text for step in of(steps, Note) if step.warning]
