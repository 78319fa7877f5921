"""Findings about DHCP servers: every answer to one DISCOVER, and whether the servers agree."""

from __future__ import annotations

from collections.abc import Sequence

from pypxeboot.dataclass import replace
from pypxeboot.dhcp import message, pxe_options
from pypxeboot.dhcp.boot_info import NO_BOOT_FILE
from pypxeboot.dhcp.client import Heard
from pypxeboot.dhcp.message import BadMessage, Type
from pypxeboot.doctor.findings import Finding, OfferReport, fail, ok, warn
from pypxeboot.errors import NoLease
from pypxeboot.lease import DhcpOption
from pypxeboot.text import printable

# Servers that ping an address before they offer it: dnsmasq for 3 s, ISC dhcpd for 1 s. PXE ROMs ask again
# after 4 s.
_PINGED, _SLOW = 0.9, 2.5


def describe_offer(heard: Heard) -> OfferReport:
    """Return an answer to a DISCOVER as text for the report, and what is wrong with it."""
    answer, options = heard.message, heard.message.options
    refused = address = ""
    remarks: tuple[str, ...] = ()
    proxy = not int(answer.yiaddr)
    next_server = bootfile = ""
    said = message.pxe_answer(answer, b"") if proxy else None
    if said is not None:
        bootfile, next_server = printable(said.bootfile), said.next_server or ""
    if not proxy:
        try:
            lease, remarks = message.lease_of(answer)
            address, bootfile = f"{lease.address}/{lease.prefix_length}", printable(lease.bootfile)
            next_server = lease.next_server or ""
        except BadMessage as why:
            refused = str(why)
    menu = pxe_options.services(options.get(DhcpOption.VENDOR_OPTIONS, b"")).menu
    return OfferReport(
        server=str(answer.server_id or answer.siaddr),
        seconds=round(heard.seconds, 3),
        address=address,
        bootfile=bootfile,
        next_server=next_server,
        config_file=_text(options.get(DhcpOption.CONFIG_FILE, b"")),
        path_prefix=_text(options.get(DhcpOption.PATH_PREFIX, b"")),
        vendor_class=_text(options.get(DhcpOption.VENDOR_CLASS, b"")),
        menu=", ".join(printable(item.text) for item in menu),
        proxy=proxy,
        refused=refused,
        remarks=remarks,
    )


def _text(value: bytes) -> str:
    return printable(value.partition(b"\0")[0])


def findings(heard: Sequence[Heard], where: str, seconds: float) -> list[Finding]:
    """Judge the answers to a DISCOVER, server by server and all together.

    ``where`` names the link (a bridge) for messages, ``seconds`` is how long it was listened to.
    """
    offers = _distinct_offers(heard)
    found = []
    for offer in offers:
        found += [_offer_finding(offer), *(_odd(offer, remark) for remark in offer.remarks)]
    usable = [offer for offer in offers if offer.address]
    if not usable:
        found.append(fail("DHCP", _no_lease(offers, where, seconds)))
        return found
    found += _conflicts(usable, proxies=any(offer.proxy for offer in offers))
    first = min(usable, key=lambda offer: offer.seconds)
    if first.seconds >= _SLOW:
        hint = "dnsmasq: no-ping; ISC dhcpd: ping-check false; or a relay or a switch that is slow"
        text = f"the first offer took {first.seconds:.1f} s: the server pings each fresh address first"
        found.append(warn("DHCP", text, hint))
    return found


def _distinct_offers(heard: Sequence[Heard]) -> list[OfferReport]:
    """Return each answer once: the DISCOVER may have gone out twice, and relays may double answers."""
    found: dict[OfferReport, OfferReport] = {}
    for one in heard:
        if one.message.type in (Type.OFFER, Type.ACK, None):
            offer = describe_offer(one)
            found.setdefault(replace(offer, seconds=0.0), offer)
    return list(found.values())


def _offer_finding(offer: OfferReport) -> Finding:
    if offer.refused:
        hint = f"fix the configuration of the DHCP server {offer.server}"
        return warn("DHCP", f"{offer.server} offers what no client takes: {offer.refused}", hint, offer)
    parts = [f"address {offer.address}" if offer.address else "no address (a proxy DHCP server)"]
    for what, value in (
        ("boot file", offer.bootfile),
        ("config file", offer.config_file),
        ("path prefix", offer.path_prefix),
        ("next server", offer.next_server),
        ("vendor class", offer.vendor_class),
        ("PXE menu:", offer.menu),
    ):
        parts += [f"{what} {value}"] if value else []
    pinged = " (it pings the address first)" if _PINGED <= offer.seconds < _SLOW and offer.address else ""
    return ok("DHCP", f"{offer.server} offers after {offer.seconds:.2f} s{pinged}: {', '.join(parts)}", offer)


def _odd(offer: OfferReport, remark: str) -> Finding:
    hint = f"fix what the DHCP server {offer.server} sends; --server ADDR names the boot server meanwhile"
    return warn("DHCP", f"{offer.server}: {remark}", hint)


def _no_lease(offers: Sequence[OfferReport], where: str, seconds: float) -> NoLease:
    if any(offer.proxy for offer in offers):
        hint = "start a DHCP server that gives addresses; a proxy says only what to boot"
        return NoLease(f"a proxy answers on {where}, but nobody offers an address", hint=hint)
    if offers:
        return NoLease(f"no offer on {where} can be used", hint="fix what the lines above say")
    hint = (
        "look at the warnings above first; then: does a DHCP server run on this network (VLAN), does it know "
        "this MAC, has its pool addresses left, does a firewall drop UDP 67 and 68?"
    )
    return NoLease(f"no DHCP server answers on {where} (listened for {seconds:.0f} s)", hint=hint)


def _conflicts(usable: Sequence[OfferReport], *, proxies: bool) -> list[Finding]:
    """Find servers that would boot the guest differently: which of them answers first is chance."""
    bootable = [offer for offer in usable if _is_bootable(offer)]
    if not bootable and not proxies:
        return [warn("DHCP", "no offer says what to boot", NO_BOOT_FILE[4])]
    servers_by_options = {_boot_options(offer): offer.server for offer in bootable}
    if len(servers_by_options) > 1:
        servers = " and ".join(sorted(set(servers_by_options.values())))
        hint = "stop the one that does not belong there: the first answer is taken, which is chance"
        return [warn("DHCP", f"servers offer different things to boot: {servers}", hint)]
    strangers = sorted({offer.server for offer in usable} - {offer.server for offer in bootable})
    if bootable and strangers:
        hint = "stop it, or tell it the boot file as well: firmware takes whichever answers first"
        text = f"{' and '.join(strangers)} offers addresses, but nothing to boot"
        return [warn("DHCP", text, hint)]
    return []


def _is_bootable(offer: OfferReport) -> bool:
    return bool(offer.bootfile or offer.config_file or offer.path_prefix)


def _boot_options(offer: OfferReport) -> tuple[str, ...]:
    return offer.bootfile, offer.next_server, offer.config_file, offer.path_prefix
