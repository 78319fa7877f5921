"""The lease that a recorded boot had."""

from __future__ import annotations

from ipaddress import IPv4Address

from pypxeboot.lease import Lease
from tests.support.recorded.boots import Case


def lease_of(case: Case) -> Lease:
    options = dict(case.options)
    routers: tuple[IPv4Address, ...] = ()
    if case.gateway:
        routers = (IPv4Address(case.gateway),)
        options[3] = routers[0].packed
    return Lease(
        address=IPv4Address(case.address),
        prefix_length=24,
        routers=routers,
        server_id=IPv4Address(case.server),
        next_server=case.next_server,
        dns=(IPv4Address(case.server),) if case.names else (),
        bootfile=case.bootfile,
        options=options,
    )
