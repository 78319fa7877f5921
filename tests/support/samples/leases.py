"""Leases of DHCP messages with given options."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dhcp.message import decode, lease_of
from pypxeboot.lease import Lease
from tests.support.peers.dhcp import (
    message,
    standard,
)


def lease(options: Optional[bytes] = None, **fields: object) -> Lease:
    """The lease of a message with these options."""
    return lease_of(decode(message(standard() if options is None else options, **fields)))[0]  # type: ignore[arg-type]
