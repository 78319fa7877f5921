"""The client process: locked up, in the guest's network, the only one that touches a byte of the network."""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import select
import socket
import sys
import time
from contextlib import suppress
from typing import Optional

from pypxeboot import dhcp, frames, logs, pxe, sandbox, transports, udhcpc
from pypxeboot.artifacts import Failure
from pypxeboot.channel import Channel, Closed, Configure, Leave, Looked, OpenOutput, Placed, Ready, Route
from pypxeboot.deadline import Deadline
from pypxeboot.dhcpclient import Bound, DhcpClient, Failed, Note, Send, Step
from pypxeboot.effects import Look, Print, Show
from pypxeboot.errors import Aborted, NoLease, PxeBootError
from pypxeboot.lease import Lease
from pypxeboot.picture import Pressed, Terminal
from pypxeboot.plan import Order, Plan
from pypxeboot.schema import SchemaError, unpack
from pypxeboot.text import printable

log = logging.getLogger(__name__)

# Beyond the largest output file; a write past it fails instead of filling the disk.
_FILE_SIZE_SLACK = 1 << 20
# RFC 2132 9.10, 57: the largest message that we take: an Ethernet frame less IP and UDP headers, as iPXE
# says it.
_MAX_MESSAGE = (1472).to_bytes(2, "big")


class HostSide:
    """The host side as the client sees it: the other end of ``channel``."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def _answer(self, kind: str) -> tuple[object, Optional[int]]:
        try:
            got, value, descriptor = self._channel.receive()
        except (Closed, SchemaError):
            raise Aborted("the host side is gone") from None
        if got != kind:
            raise Aborted(f"the host side answered {got}, not {kind}")
        return value, descriptor

    def placed(self) -> tuple[Placed, Optional[int]]:
        """Wait for the interface; with it comes what a udhcpc writes, if one does DHCP."""
        value, descriptor = self._answer("Placed")
        return unpack(Placed, value), descriptor

    def configure(self, lease: Lease) -> None:
        """Have the host side give the interface its address.

        Names are asked of the lease's servers from now on.
        """
        routes = tuple(
            Route(str(network), None if gateway is None else str(gateway))
            for network, gateway in lease.routes
        )
        self._channel.send(Configure(str(lease.address), lease.prefix_length, routes, lease.mtu))
        self._answer("Done")
        from pypxeboot import resolve

        search = lease.search or ((lease.domain,) if lease.domain else ())
        resolve.install(resolve.Resolver([str(server) for server in lease.dns], search))

    def open_output(self, kind: str) -> int:
        """A descriptor of a new output file."""
        self._channel.send(OpenOutput(kind))
        _value, descriptor = self._answer("Done")
        if descriptor is None:
            raise Aborted("the host side gave no file")
        return descriptor

    def look(self) -> Optional[Terminal]:
        """The terminal, if there is one and somebody may choose."""
        self._channel.send(Look())
        return unpack(Looked, self._answer("Looked")[0]).terminal

    def show(self, effect: Show) -> Pressed:
        """Have a picture painted, and wait for a key."""
        self._channel.send(effect)
        return unpack(Pressed, self._answer("Pressed")[0])

    def print(self, effect: Print) -> None:
        """Have text written to the terminal."""
        self._channel.send(effect)
        self._answer("Done")

    def leave(self) -> None:
        """Have the picture taken away: lines follow."""
        self._channel.send(Leave())
        self._answer("Done")


def main(end: socket.socket, parent: int, *, new_network: bool, raw_frames: bool) -> int:
    """The whole life of the client process, from just after the fork; returns its exit status."""
    logs.configure(logging.WARNING)
    channel = Channel(end)
    try:
        if new_network:
            try:
                sandbox.new_network()
            except OSError as why:
                hint = "run it as root on the host itself; --link host works without network namespaces"
                text = f"no network namespace can be made: {why.strerror}"
                channel.send(Failure("PxeBootError", text, hint, (), ()))
                return 1
        channel.send(Ready())  # the host side may join the namespace to the network meanwhile
        if raw_frames:
            frames.preload()
        order = channel.receive_order()
        logs.configure(order.log_level)
        return _boot(order, channel, parent, raw_frames)
    except Closed:
        return 1
    except PxeBootError as why:  # before there was anything to boot from
        channel.send(Failure(type(why).__name__, why.message, why.hint, (), ()))
        return why.code
    except Exception as why:
        log.error("the client process failed: %s: %s", type(why).__name__, printable(str(why)))
        log.debug("where it failed", exc_info=True)
        return 1


def _boot(order: Order, channel: Channel, parent: int, raw_frames: bool) -> int:
    plan, host = order.plan, HostSide(channel)
    discovery = Discovery(plan) if raw_frames else None
    place, udhcpc_output = host.placed()
    if discovery is not None:
        # The server may think while the rest is imported and this process locked up: nothing is read before.
        discovery.begin(place)
    from pypxeboot.boot import Pipeline
    from pypxeboot.download import THREADS, Downloads
    from pypxeboot.fetch import Fetcher, Progress, progress_bar_wanted
    from pypxeboot.workers import Workers

    _lock_up(order, parent)
    workers = Workers(THREADS)
    sandbox.no_more_processes()
    progress = Progress(sys.stderr, bar=progress_bar_wanted(sys.stderr))
    deadline = Deadline(order.deadline)
    fetcher = Fetcher(transports.getters(plan.ca_file), deadline=deadline, progress=progress)
    downloads = Downloads(fetcher, workers, plan.limits, host.open_output, plan.look_inside, plan.must_boot)

    def acquire() -> Lease:
        if udhcpc_output is not None:
            return lease_of_udhcpc(plan, udhcpc_output, order.deadline)
        assert discovery is not None
        return discovery.finish(order.deadline)

    pipeline = Pipeline(plan, host, downloads, acquire, deadline)
    try:
        channel.send(pipeline.run())
        return 0
    except PxeBootError as why:
        requests, warnings = tuple(fetcher.requests), tuple(pipeline.warnings)
        channel.send(Failure(type(why).__name__, why.message, why.hint, requests, warnings))
        return why.code


def _lock_up(order: Order, parent: int) -> None:
    limits, ca_file = order.plan.limits, order.plan.ca_file
    missing = sandbox.lock_up(
        order.uid,
        order.gid,
        file_size=max(limits.kernel, limits.ramdisk) + _FILE_SIZE_SLACK,
        readable=[
            *sandbox.certificate_files(),
            *sandbox.codec_libraries(),
            *([] if ca_file is None else [ca_file]),
        ],
        prepare=_prepare,
    )
    sandbox.die_with_parent()
    if os.getppid() != parent:  # it ended before that
        raise Closed
    for layer in missing:
        log.warning("the sandbox lacks %s", layer)


def _prepare() -> None:
    """Import what is otherwise imported on first use."""
    from pypxeboot import resolve

    for name in ("tftpy", "pypxeboot.tftp", "requests", "pypxeboot.httpget", "encodings.idna"):
        importlib.import_module(name)
    for name in ("bz2", "lzma", "lz4.block", "zstandard"):
        with suppress(ImportError):  # then nothing is known of what is compressed that way
            importlib.import_module(name)
    resolve.prepare()


def lease_of_udhcpc(plan: Plan, descriptor: int, deadline: float) -> Lease:
    """The lease that a udhcpc wrote to ``descriptor``. Raises NoLease."""
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
        lease, remarks = dhcp.lease_of(udhcpc.message(output, plan.guest.mac_bytes))
    except dhcp.BadMessage as why:
        hint = f"what {plan.udhcpc} said stands above; without --udhcpc more is told"
        raise NoLease(f"{plan.udhcpc} got no lease: {why}", hint=hint) from None
    for remark in remarks:
        log.warning("%s", remark)
    _tell_lease(lease)
    return lease


class Discovery:
    """DHCP on the guest's behalf, in two halves: one before this process is locked up, one after."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._socket = frames.FrameSocket()

    def begin(self, place: Placed) -> None:
        """Send the first DISCOVER."""
        # With a namespace the interface has the guest's MAC. On the host's own, replies go to a foreign MAC:
        # ask for broadcasts, and listen to everything.
        foreign = place.mode == "host"
        self._where = (
            place.name if foreign else self._plan.guest.bridge or self._plan.guest.interface or "xenbr0"
        )
        self._socket.bind(place.name, promiscuous=foreign)
        self._machine = DhcpClient(
            mac=self._plan.guest.mac_bytes,
            xid=secrets.randbits(32),
            identity={57: _MAX_MESSAGE, **pxe.identity_of(self._plan)},
            request_list=bytes(pxe.PARAMETER_REQUEST),
            broadcast=foreign,
            needs_boot_information=not self._plan.says_what_to_boot,
        )
        self._perform(self._machine.start(time.monotonic()))

    def finish(self, deadline: float) -> Lease:
        """Go on until there is a lease. Raises NoLease."""
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise self._no_lease(f"{self._machine.standing(now)} before the deadline")
            wait = max(min(self._machine.deadline, deadline) - now, 0)
            steps = self._received() if select.select([self._socket], [], [], wait)[0] else []
            lease = self._perform(steps or self._machine.tick(time.monotonic()))
            if lease is not None:
                self._socket.close()
                return lease

    def _received(self) -> list[Step]:
        frame, checksum_ready = self._socket.receive()
        payload = frames.reply_payload(frame, self._machine.xid, checksum_ready=checksum_ready)
        if payload is None:
            return []
        try:
            message = dhcp.decode(payload)
        except dhcp.BadMessage as why:
            log.debug("DHCP message ignored: %s", why)
            return []
        return self._machine.receive(message, time.monotonic())

    def _perform(self, steps: list[Step]) -> Optional[Lease]:
        for step in steps:
            if isinstance(step, Send):
                self._socket.send(frames.build(self._plan.guest.mac_bytes, step))
            elif isinstance(step, Note):
                log.log(logging.WARNING if step.warning else logging.INFO, "%s", step.text)
            elif isinstance(step, Failed):
                raise self._no_lease(step.reason)
            elif isinstance(step, Bound):
                _tell_lease(step.lease)
                return step.lease
        return None

    def _no_lease(self, reason: str) -> NoLease:
        return NoLease(
            f"{reason} on {self._where}",
            hint="is it the right bridge, does its DHCP server know this MAC, does a firewall (br_netfilter) "
            "drop UDP 67 and 68? --pcap FILE shows what was on the wire",
        )


def _tell_lease(lease: Lease) -> None:
    time_text = "for ever" if lease.seconds is None else f"for {lease.seconds} s"
    log.info("DHCP lease: %s/%d %s from %s", lease.address, lease.prefix_length, time_text, lease.server_id)
    for network, gateway in lease.routes:
        log.info("route: %s via %s", network, gateway or "the link")
    if lease.dns:
        names = ", ".join(str(server) for server in lease.dns)
        log.info("name servers: %s%s", names, f", domain {printable(lease.domain)}" if lease.domain else "")
