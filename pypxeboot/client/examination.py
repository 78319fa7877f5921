"""The doctor's client side: hears every DHCP server out, then boots as any boot does, and tells what it sees.

The boot itself follows one server to the end (REQUEST, ACK), since switches that watch DHCP let nobody
through who has no lease. That is the lease which the guest itself would get.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Optional, Union

from pypxeboot.dhcp import message
from pypxeboot.doctor import boot, offers
from pypxeboot.doctor.boot import BootProgress, TftpStatistics
from pypxeboot.doctor.findings import Finding, Level, ok, warn
from pypxeboot.errors import NoLease
from pypxeboot.lease import Lease
from pypxeboot.net.dhcp4 import Discovery
from pypxeboot.net.dhcp6 import Discovery6
from pypxeboot.net.dual_stack import DualStack
from pypxeboot.plan import Plan
from pypxeboot.privsep.messages import Placed
from pypxeboot.privsep.sandbox import Layers
from pypxeboot.result import BootResult
from pypxeboot.url import Location

if TYPE_CHECKING:
    from pypxeboot.client.pipeline import Pipeline
    from pypxeboot.fetch.tftp.options import Transfer


# Seconds. dnsmasq pings a fresh address for 3 before it offers it, and PXE ROMs ask again after 4; so does
# this one where nobody answers.
_ENOUGH, _LONGEST = 4.0, 9.0


class Examination:
    """One of them; ``tell`` takes each finding as it comes."""

    def __init__(self, plan: Plan, place: Placed, tell: Callable[[Finding], object]) -> None:
        self._plan, self._place, self._tell = plan, place, tell
        self._transfers: list[TftpStatistics] = []
        self._where = place.where

    def report_layers(self, layers: Layers) -> None:
        """Tell the layers of the sandbox in which this process is."""
        self._tell(ok("sandbox", f"in force: {', '.join(layers.in_force)}"))
        for layer in layers.missing:
            hint = "a newer kernel, libseccomp, or a container that allows it has it"
            self._tell(warn("sandbox", f"not in force: {layer}", hint))

    def run(
        self,
        pipeline: Pipeline,
        ipv4: Optional[Discovery],
        exchange: Union[Discovery, Discovery6, DualStack, None],
    ) -> BootResult:
        """Hear the servers out, boot, and tell how far that came, whatever ends it. Raises PxeBootError."""
        try:
            began = time.monotonic()
            self._listen(ipv4, exchange)
            pipeline.network.seconds += time.monotonic() - began
            result = pipeline.run()
        except Exception:
            self._tell_progress(pipeline, None)
            raise
        self._tell_progress(pipeline, result)
        return result

    def _listen(
        self, ipv4: Optional[Discovery], exchange: Union[Discovery, Discovery6, DualStack, None]
    ) -> None:
        """Tell what DHCP servers there are, and begin. Raises NoLease where no boot could get an address."""
        mac, mode = self._plan.guest.mac, self._place.mode
        self._tell(ok("MAC", f"{mac} is free, and has joined {self._where} ({mode})"))
        if ipv4 is None or exchange is None or isinstance(exchange, Discovery6):
            option = "--ip" if self._plan.static is not None else "--ipv6" if exchange else "--udhcpc"
            self._tell(ok("DHCP", f"servers of IPv4 are not listened to, because of {option}"))
            return
        began = time.monotonic()
        heard = ipv4.listen(_ENOUGH, _LONGEST)
        for why in sorted(ipv4.void):
            hint = "fix that server; --pcap FILE tells whose it is"
            self._tell(warn("DHCP", f"a message came that cannot be read: {why}", hint))
        for finding in offers.findings(heard, self._where, time.monotonic() - began):
            if finding.level is not Level.FAIL:
                self._tell(finding)
                continue
            error = NoLease(finding.text, hint=finding.hint)
            if not isinstance(exchange, DualStack):
                raise error
            hint = "where there is no IPv4, -6 spares the wait; elsewhere look at the DHCP server"
            self._tell(warn("DHCP", f"{finding.text}; IPv6 is tried", hint))
            exchange.start_without_ipv4(error)
            return
        exchange.start()

    def note(self, location: Location, transfer: Transfer) -> None:
        """Note a file that came by TFTP."""
        self._transfers.append(
            TftpStatistics(
                location.host,
                transfer.size,
                transfer.tsize is not None,
                transfer.blksize,
                transfer.windowsize,
                transfer.seconds,
                transfer.retransmits,
                transfer.mtu,
                transfer.vanished,
            )
        )

    def _tell_progress(self, pipeline: Pipeline, result: Optional[BootResult]) -> None:
        """Tell how far the boot came; ``result`` is its result, if it has one."""
        lease = self._plan.static or pipeline.network.lease
        source = getattr(pipeline, "source", None)  # not before there is a lease
        fetcher = pipeline.downloads.fetcher
        progress = BootProgress(
            self._plan,
            lease,
            source,
            fetcher.requests,
            self._transfers,
            result,
            pipeline.warnings,
            fetcher.failures,
        )
        for finding in boot.findings(progress):
            self._tell(finding)
        for other in pipeline.network.other_names():
            hint = "have DHCP name one server in both places; --server ADDR asks another meanwhile"
            first = f"siaddr (next-server) says {lease.next_server if lease else ''}, which counts"
            self._tell(warn("DHCP", f"boot servers differ: {first}; {other}", hint))
        if self._plan.give_back and pipeline.network.lease is not None:
            self._release(pipeline.network.lease)

    def _release(self, lease: Lease) -> None:
        """Give back what was leased for a MAC that nobody has: it would only be lost to the pool."""
        address, server = lease.address, lease.server_id
        if not isinstance(address, IPv4Address) or not isinstance(server, IPv4Address):
            return  # a lease of IPv6 runs out
        payload = message.release(
            self._plan.guest.mac_bytes, int.from_bytes(os.urandom(4), "big"), address, server
        )
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(payload, (str(server), message.SERVER_PORT))
