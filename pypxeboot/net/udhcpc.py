"""A lease by busybox's udhcpc."""

from __future__ import annotations

import logging
import os
import select
import time

from pypxeboot.dhcp import message, udhcpc
from pypxeboot.errors import NoLease
from pypxeboot.lease import Lease
from pypxeboot.net.exchange import log_lease
from pypxeboot.plan import Plan

log = logging.getLogger(__name__)


def lease_of_udhcpc(plan: Plan, descriptor: int, deadline: float) -> Lease:
    """Return the lease that a udhcpc wrote to ``descriptor``. Raises NoLease."""
    output = b""
    while len(output) <= udhcpc.MAX_OUTPUT:
        wait = max(deadline - time.monotonic(), 0)
        if not select.select([descriptor], [], [], wait)[0]:
            break
        piece = os.read(descriptor, udhcpc.MAX_OUTPUT)
        if not piece:
            break
        output += piece
    os.close(descriptor)
    try:
        lease, remarks = message.lease_of(udhcpc.message(output, plan.guest.mac_bytes))
    except message.BadMessage as why:
        hint = f"what {plan.udhcpc} said stands above; without --udhcpc more is told"
        raise NoLease(f"{plan.udhcpc} got no lease: {why}", hint=hint) from None
    for remark in remarks:
        log.warning("%s", remark)
    log_lease(lease)
    return lease
