"""Findings about a boot, step by step: lease, boot file, file servers, configuration, kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Optional

from pypxeboot.bootsource import BootSource, Kind
from pypxeboot.dataclass import dataclass, field
from pypxeboot.doctor.findings import Finding, fail, ok, warn
from pypxeboot.entry import Action
from pypxeboot.errors import ConfigError, FetchError, PxeBootError, Refused
from pypxeboot.lease import Lease, describe
from pypxeboot.plan import Plan
from pypxeboot.result import BootResult, Request
from pypxeboot.text import size_text
from pypxeboot.url import Location, parse

_ETHERNET_MTU = 1500
_SMALL_BLOCKS = 1024  # bytes; less than an Ethernet frame holds
_LARGE = 8 << 20  # a file that is worth a word about its speed
_SLOW = 4 << 20  # bytes a second; 100 Mbit/s carry 11 MiB
_LOSSY = 0.02  # share of packets that had to be sent again

_MEANINGS = {
    Kind.PXELINUX: "PXELINUX's configuration is looked for",
    Kind.GRUB: "a GRUB, whose grub.cfg is looked for",
    Kind.IPXE: "an iPXE script",
    Kind.IPXE_BINARY: "an iPXE program: DHCP is asked once more, as iPXE",
    Kind.CONFIG: "a configuration of PXELINUX",
    Kind.KERNEL: "a kernel",
    Kind.LOCAL: "the local disk",
    Kind.UNKNOWN: "of no kind known by its name",
}


@dataclass(frozen=True)
class TftpStatistics:
    """The transfer of one file by TFTP: the options that the server took, and how it went.

    ``size``, ``blksize`` are bytes, ``windowsize`` blocks; ``tsize``: the server said how large the file is.
    ``mtu`` is the largest packet that the way takes as far as is known, ``vanished`` the size of blocks that
    did not come through.
    """

    host: str
    size: int
    tsize: bool
    blksize: int
    windowsize: int
    seconds: float
    retransmits: int
    mtu: int = 1500
    vanished: Optional[int] = None


@dataclass(frozen=True)
class BootProgress:
    """How far a boot came; what it did not reach is None. ``failures`` of requests are by URL."""

    plan: Plan
    lease: Optional[Lease]
    source: Optional[BootSource]
    requests: Sequence[Request]
    transfers: Sequence[TftpStatistics]
    result: Optional[BootResult]
    warnings: Sequence[str] = ()
    failures: Mapping[str, PxeBootError] = field(default_factory=dict)


def findings(progress: BootProgress) -> list[Finding]:
    """Judge a boot step by step, up to where it ended."""
    found: list[Finding] = []
    if progress.lease is not None:
        found += _lease(progress.lease, static=progress.plan.static is not None)
    if progress.source is not None:
        found.append(_boot_file(progress.source))
    found += _servers(progress)
    found += _configuration(progress)
    if progress.result is not None:
        found += _entry(progress.result, progress.plan)
    failed = None if progress.result is None else progress.result.failure
    told = [text for text in progress.warnings if failed is None or failed.message not in text]
    return [*found, *(warn("boot", text, "") for text in told)]


def _lease(lease: Lease, *, static: bool) -> list[Finding]:
    how = "given by hand" if static else f"acknowledged by {lease.server_id}"
    parts = [describe(lease), f"gateway {lease.routers[0]}" if lease.routers else "no gateway"]
    if lease.dns:
        parts.append(f"name servers {', '.join(map(str, lease.dns))}")
    found = [ok("lease", f"{how}: {', '.join(parts)}")]
    server = _unrouted_server(lease)
    if server is not None:
        hint = "have DHCP send the router (option 3 or 121), or --gateway ADDR"
        found.append(warn("lease", f"the boot server {server} is beyond the guest's subnet: no route", hint))
    return found


def _unrouted_server(lease: Lease) -> Optional[IPv4Address]:
    """Return the boot server if its address is known and the lease has no route to it."""
    try:
        server = IPv4Address(lease.next_server or "")
    except ValueError:  # a name, or none
        return None
    own = IPv4Network((lease.address, lease.prefix_length), strict=False)
    reached = (own, *(network for network, _gateway in lease.routes))
    return None if any(server in network for network in reached) else server


def _boot_file(source: BootSource) -> Finding:
    what = "no boot file" if source.bootfile is None else f"boot file {source.bootfile}"
    where = f" on {source.server}" if source.kind is Kind.PXELINUX and source.server else ""
    given = f", configuration file {source.config_file}" if source.config_file else ""
    return ok("boot file", f"{what}: {_MEANINGS.get(source.kind, source.kind.value)}{where}{given}")


def _servers(progress: BootProgress) -> list[Finding]:
    """Judge each server that was asked for files: whether it answers, and which options it takes."""
    asked: dict[tuple[str, str], list[Request]] = {}
    for request in progress.requests:
        location = _parse_url(request.url)
        if location is not None:
            asked.setdefault((location.scheme, location.host), []).append(request)
    found: list[Finding] = []
    for (scheme, host), requests in asked.items():
        failure = next((progress.failures[one.url] for one in requests if one.url in progress.failures), None)
        if not any(request.result in ("ok", "not-found") for request in requests):
            error = FetchError(
                f"{host}: {requests[0].result}", hint=None if failure is None else failure.hint
            )
            found.append(fail(scheme.upper(), error))
            continue
        found += _server(
            scheme, host, requests, [transfers for transfers in progress.transfers if transfers.host == host]
        )
    return found


def _parse_url(url: str) -> Optional[Location]:
    try:
        return parse(url)
    except Refused:
        return None


def _server(
    scheme: str, host: str, requests: Sequence[Request], transfers: Sequence[TftpStatistics]
) -> list[Finding]:
    topic = scheme.upper()
    count = sum(request.result == "ok" for request in requests)
    text = f"{host} answers: {count} of {len(requests)} files are there"
    if scheme != "tftp" or not transfers:
        return [ok(topic, text), *_speed(topic, host, requests)]
    largest = max(transfers, key=lambda one: one.size)
    options = [f"blksize {largest.blksize}"]
    options += [f"windowsize {largest.windowsize}"] if largest.windowsize > 1 else ["no windowsize"]
    options += ["tsize"] if any(one.tsize for one in transfers) else ["no tsize"]
    if largest.mtu < _ETHERNET_MTU:
        options.append(f"the path carries {largest.mtu} bytes")
    found = [ok(topic, f"{text}; takes {', '.join(options)}")]
    vanished = max((one.vanished or 0 for one in transfers), default=0)
    if vanished:
        headers = 52 if ":" in host else 32
        text = f"{host}: the path carries {largest.blksize + headers} bytes, but not {vanished + headers}"
        hint = (
            "a tunnel on the way (VXLAN, WireGuard, PPPoE) has a smaller MTU: set it on the bridge, or have "
            "DHCP send it (option 26; IPv6: the router advertisement)"
        )
        found.append(warn(topic, f"{text}: larger packets vanish without a word", hint))
    elif largest.blksize < _SMALL_BLOCKS:
        hint = "let through packets of 1500 bytes on the way, or use a TFTP server that knows RFC 2348"
        found.append(warn(topic, f"{host}: blocks of {largest.blksize} bytes only, which is slow", hint))
    blocks = largest.size / largest.blksize + 1
    if largest.retransmits > max(2, _LOSSY * blocks):
        hint = "look for errors on the links and at the switch (ip -s link)"
        text = f"{host}: {largest.retransmits} packets of {blocks:.0f} had to be asked for again"
        found.append(warn(topic, text, hint))
    return [*found, *_speed(topic, host, requests)]


def _speed(topic: str, host: str, requests: Sequence[Request]) -> list[Finding]:
    large = [one for one in requests if one.result == "ok" and one.bytes >= _LARGE]
    if not large:
        return []
    rate = sum(one.bytes for one in large) / max(sum(one.seconds for one in large), 0.001)
    if rate >= _SLOW:
        return [ok(topic, f"{host}: large files come at {size_text(rate)}/s")]
    hint = "serve kernel and initrd over HTTP (a path prefix of http://, option 210, will do)"
    if topic != "TFTP":
        hint = "look at the links on the way, and at the server's load"
    return [warn(topic, f"{host}: large files come at {size_text(rate)}/s only", hint)]


def _configuration(progress: BootProgress) -> list[Finding]:
    """Judge the search for a configuration: the names that were tried, and the one that is there."""
    source = progress.source
    if source is None or source.kind not in (Kind.PXELINUX, Kind.GRUB):
        return []
    mark = f"{source.config_directory}/" if source.kind is Kind.PXELINUX else "/grub.cfg"
    tried = [
        one for one in progress.requests if mark in one.url or one.url.endswith(source.config_file or mark)
    ]
    there = [one.url for one in tried if one.result == "ok"]
    missed = [one.url for one in tried if one.result == "not-found"]
    parts = [f"{url} is there" for url in there[:1]]
    if missed and source.kind is Kind.GRUB:
        parts.append(f"not there: {', '.join(missed)}")
    elif missed:
        names = ", ".join(url.rpartition(mark)[2] for url in missed)
        parts.append(f"not there: {missed[0].rpartition(mark)[0]}{mark} with {names}")
    text = "; ".join(parts)
    return [ok("config", text) if there else warn("config", text, "")] if parts else []


def _entry(result: BootResult, plan: Plan) -> list[Finding]:
    what = "the boot file" if result.label is None else f"entry {result.label}"
    if result.failure is not None:
        return [fail("script", ConfigError(result.failure.message, hint=result.failure.hint))]
    found = [ok("entry", f"{what}: {result.action.value} ({result.reason.value})")]
    kernel = result.kernel
    if result.action is not Action.BOOT or kernel is None:
        return found
    if kernel.size is None:
        return [*found, ok("kernel", f"{kernel.url}, not downloaded")]
    text = f"{kernel.url}: {kernel.format}, {size_text(kernel.size)}"
    wanted = "qemu" if plan.guest.hypervisor == "kvm" else "xen"
    if any(who.startswith(wanted) for who in kernel.boots):
        found.append(ok("kernel", f"{text}, boots as {' and '.join(kernel.boots)}"))
    elif kernel.boots and plan.look_inside:
        hint = f"serve a kernel that {wanted} boots, or say --hypervisor if the guest is of another kind"
        found.append(fail("kernel", Refused(f"{text}, boots as {kernel.boots[0]} only", hint=hint)))
    else:
        found.append(ok("kernel", f"{text}; whether it boots as {wanted} is not known"))
    if result.ramdisk is not None and result.ramdisk.size is not None:
        count = len(result.initrds)
        files = f"{count} file{'s' if count != 1 else ''}"
        found.append(ok("initrd", f"{files}, {size_text(result.ramdisk.size)}"))
    return found
