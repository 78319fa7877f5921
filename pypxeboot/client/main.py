"""The client process: locked up, in the guest's network, the only one that touches a byte of the network."""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Union

from pypxeboot.client.host import HostSide
from pypxeboot.dataclass import dataclass
from pypxeboot.errors import InternalError, PxeBootError, UsageError, kind_of
from pypxeboot.limits import Deadline
from pypxeboot.net.dhcp4 import Discovery
from pypxeboot.net.dhcp6 import Discovery6
from pypxeboot.net.dual_stack import DualStack
from pypxeboot.net.exchange import Dhcp, NoDhcp
from pypxeboot.plan import Order, Plan
from pypxeboot.privsep import logs, sandbox
from pypxeboot.privsep.channel import Channel, Closed
from pypxeboot.privsep.messages import Ready
from pypxeboot.result import BootResult, Failure, Request
from pypxeboot.text import printable

if TYPE_CHECKING:
    from pypxeboot.client.pipeline import Pipeline
    from pypxeboot.fetch.request import Scheme
    from pypxeboot.fetch.schemes import NoteTftp

log = logging.getLogger(__name__)

_TOLD = 2000  # characters of a cause, hint, warning or request that are told with a failure
_WARNINGS = 1000  # that are told, the last ones

# Beyond the largest output file; a write past it fails instead of filling the disk.
_FILE_SIZE_SLACK = 1 << 20


@dataclass
class _Story:
    """What a boot has done so far, which is told with whatever ends it."""

    requests: Sequence[Request] = ()
    warnings: Sequence[str] = ()

    def failure(self, error: PxeBootError) -> Failure:
        """Return ``error`` and the story as the message that the host side takes, whatever is in them."""
        hint = None if error.hint is None else printable(error.hint, _TOLD)
        requests = tuple(
            Request(printable(one.url, _TOLD), printable(one.result, _TOLD), one.bytes, one.seconds)
            for one in self.requests
        )
        warnings = tuple(printable(text, _TOLD) for text in self.warnings[-_WARNINGS:])
        return Failure(kind_of(error), printable(error.message, _TOLD), hint, requests, warnings)


def _error_of(why: Exception) -> PxeBootError:
    """Return ``why`` as an error that has an exit code, whatever it is."""
    if isinstance(why, PxeBootError):
        return why
    if isinstance(why, OSError) and why.errno in (errno.ENODEV, errno.ENETDOWN):
        # An administrator took the link away; or the host side did, which knows why and does not listen.
        return PxeBootError("the guest's interface is gone")
    log.debug("where it failed", exc_info=why)
    if isinstance(why, MemoryError):
        traceback.clear_frames(why.__traceback__)  # there has to be room to tell of it
    return InternalError.of(why)


def main(end: socket.socket, parent: int) -> int:
    """Live the whole life of the client process, from just after the fork; return its exit status."""
    logs.configure_locked_up(logging.WARNING)
    channel, story = Channel(end), _Story()
    try:
        order = channel.receive_order()
        logs.configure_locked_up(order.log_level)
        if order.own_network:
            _leave_network()
        channel.send(Ready())  # the host side may join the namespace to the network meanwhile
        _boot(order, channel, parent, story)
        return 0
    except Closed:
        return 1
    except Exception as why:
        error = _error_of(why)
        with suppress(Closed):  # a host side that has ended knows why
            channel.send(story.failure(error))
        return error.code


def _leave_network() -> None:
    """Move into a network namespace of its own. Raises PxeBootError."""
    try:
        sandbox.new_network()
    except OSError as why:
        hint = "run it as root on the host itself; --link host works without network namespaces"
        raise PxeBootError(f"no network namespace can be made: {why.strerror}", hint=hint) from None


def _boot(order: Order, channel: Channel, parent: int, story: _Story) -> None:
    """Boot, and send what came of it. Raises what went wrong, with what led to it in ``story``."""
    plan, host = order.plan, HostSide(channel)
    deadline = Deadline(order.deadline)
    discovery = Discovery(plan, deadline) if plan.does_dhcp and plan.udhcpc is None else None
    dhcp = None if discovery is None else _dhcp(plan, deadline, discovery, host)
    place, udhcpc_output = host.wait_for_place()
    joined = time.monotonic()
    if dhcp is not None and plan.examine and not isinstance(dhcp, Discovery6):
        dhcp.open(place)
    elif dhcp is not None:
        # The server may think while the rest is imported and this process locked up: nothing is read before.
        dhcp.begin(place)
    _import_rest(plan)
    examination = None
    if plan.examine:
        from pypxeboot.client.examination import Examination

        examination = Examination(plan, place, channel.send)
    authorities = None if plan.ca_file is None else _authorities(plan.ca_file)
    if authorities is None and not sandbox.has_landlock():  # the system's would be out of sight soon
        from pypxeboot.fetch.http import client

        with suppress(UsageError):
            authorities = _authorities(client.ca_bundle())
    gc.freeze()  # what was imported is not looked through again
    gc.set_threshold(10_000)  # nor are ten thousand labels garbage: as in a fetch, most of what is made stays
    gc.enable()
    layers = _lock_up(order, parent)
    if examination is not None:
        examination.report_layers(layers)
    note = None if examination is None else examination.note
    exchange = dhcp or _no_dhcp(plan, udhcpc_output, order.deadline)
    pipeline = _pipeline(order, host, exchange, _schemes(plan, authorities, note), deadline)
    story.requests, story.warnings = pipeline.downloads.fetcher.requests, pipeline.warnings
    pipeline.joined = joined
    result = pipeline.run() if examination is None else examination.run(pipeline, discovery, dhcp)
    host.hand_over(_report(result))


def _report(result: BootResult) -> object:
    from pypxeboot.client import pipeline

    return pipeline.report(result)


def _import_rest(plan: Plan) -> None:
    """Import what the first DISCOVER went out without."""
    from pypxeboot.client import loaders, pipeline  # noqa: F401
    from pypxeboot.fetch import schemes  # noqa: F401

    loaders.load(plan.dialect)


def _schemes(plan: Plan, authorities: Optional[str], note: Optional[NoteTftp]) -> dict[str, Scheme]:
    from pypxeboot.fetch import schemes

    return schemes.table(authorities, plan.http_proxy, note)


def _pipeline(
    order: Order, host: HostSide, dhcp: Dhcp, clients: dict[str, Scheme], deadline: Deadline
) -> Pipeline:
    """Return what boots. This process starts its last threads for that."""
    from pypxeboot.client.entry_files import THREADS, Downloads
    from pypxeboot.client.pipeline import Pipeline
    from pypxeboot.client.workers import Workers
    from pypxeboot.fetch.fetcher import Fetcher
    from pypxeboot.fetch.progress import Progress

    plan = order.plan
    workers = Workers(THREADS)
    sandbox.no_more_processes()
    progress = Progress(sys.stderr if order.shows_progress else None)
    fetcher = Fetcher(clients, deadline=deadline, progress=progress)
    wanted = (plan.look_inside, plan.must_boot, plan.target, plan.processor, plan.append)
    downloads = Downloads(fetcher, workers, plan.limits, host.open_output, host.mark_initrd, *wanted)
    return Pipeline(plan, host, downloads, dhcp)


def _dhcp(
    plan: Plan, deadline: Deadline, ipv4: Discovery, host: HostSide
) -> Union[Discovery, Discovery6, DualStack]:
    """DHCP of the family that was asked for, or of both."""
    if plan.family == 4:
        return ipv4
    ipv6 = Discovery6(plan, deadline, host.add)
    if plan.family == 6:
        return ipv6
    both = DualStack(plan, deadline, ipv4, ipv6)
    host.reach_ipv6 = both.reach_ipv6
    return both


def _no_dhcp(plan: Plan, udhcpc_output: Optional[int], deadline: float) -> NoDhcp:
    """Return what stands in for DHCP where this process does none."""
    if not plan.does_dhcp:
        return NoDhcp("with --ip there is none")
    assert udhcpc_output is not None
    from pypxeboot.net.udhcpc import lease_of_udhcpc

    descriptor = udhcpc_output
    why = f"{plan.udhcpc} does it once only"
    return NoDhcp(why, lambda: lease_of_udhcpc(plan, descriptor, deadline))


def _authorities(name: str) -> str:
    """Return the file of ``--tls-ca``, read while root's own files can be."""
    try:
        return Path(name).read_text("ascii", "replace")  # what is not ASCII are remarks between certificates
    except OSError as why:
        raise UsageError(f"--tls-ca {name}: {why.strerror}") from None


def _lock_up(order: Order, parent: int) -> sandbox.Layers:
    limits = order.plan.limits
    layers = sandbox.lock_up(
        order.uid,
        order.gid,
        parent=parent,
        file_size=max(limits.kernel, limits.ramdisk) + _FILE_SIZE_SLACK,
        readable=readable_files(),
        prepare=lambda: _prepare(signatures=order.plan.trust is not None),
    )
    for layer in layers.missing:
        log.warning("the sandbox lacks %s", layer)
    return layers


def readable_files() -> tuple[str, ...]:
    """List what a client process reads beside Python's folders."""
    return (*sandbox.certificate_files(), *sandbox.shared_libraries())


def import_all() -> None:
    """Import what is otherwise imported on first use."""
    from pypxeboot.client import loaders

    own = (
        "pypxeboot.client.pipeline",
        "pypxeboot.fetch.schemes",
        *loaders.LOADERS.values(),
        "pypxeboot.syslinux.loader.interactive",
        "pypxeboot.grub.menu.screen",
        "pypxeboot.client.by_hand",
        "pypxeboot.client.pxe_menu",
        "pypxeboot.signing.signature",
        "pypxeboot.fetch.tftp.client",
        "pypxeboot.fetch.http.client",
        "pypxeboot.fetch.ftp",
    )
    for name in (*own, "tftpy", "requests", "encodings.idna", "encodings.latin_1"):
        importlib.import_module(name)
    crypt = ("passlib.hash", "passlib.handlers.md5_crypt", "passlib.handlers.sha2_crypt")
    for name in ("bz2", "lzma", "lupa.lua52", "lz4.block", "zstandard", *crypt):
        with suppress(ImportError):  # then what needs it says so
            importlib.import_module(name)
    from pypxeboot.lua import script
    from pypxeboot.net import resolver

    resolver.prepare()
    script.prelude()


def _prepare(*, signatures: bool) -> None:
    """Import what is otherwise imported on first use, which could not be read then."""
    import_all()
    if signatures:
        from pypxeboot.signing import signature

        signature.prepare()
