"""The iPXE commands about the network, of which a guest has one card (ifmgmt_cmd.c and others)."""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.effects import ChangeVlan, Leased, Ping, Resolve, Resolved, RunDhcp, Steps
from pypxeboot.ipxe.commands.download import download
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.assign import store
from pypxeboot.ipxe.engine.interpreter import expand, run_image
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.network import vlan_tag
from pypxeboot.ipxe.engine.options import CommandCall, syntax
from pypxeboot.ipxe.engine.setting_types import TYPES
from pypxeboot.ipxe.engine.settings import Value
from pypxeboot.ipxe.engine.status import Status, error_text
from pypxeboot.lease import DhcpOption
from pypxeboot.text import printable

# Settings that a server sees in a request, and may answer otherwise for.
_ASKED_WITH = (
    DhcpOption.VENDOR_CLASS,
    DhcpOption.CLIENT_ID,
    DhcpOption.USER_CLASS,
    DhcpOption.CLIENT_ARCH,
    DhcpOption.CLIENT_INTERFACE,
    DhcpOption.CLIENT_UUID,
)
# Without --count the real one goes on until a key is pressed.
_PINGS = 4
_MOST_PINGS = 100
_MOST_SECONDS = 60.0
_VLAN_TAGS = range(1, 4095)
# What the help of most of them has for the arguments.
_CARDS = "[<interface>...]"

COMMANDS = CommandTable()


def _cards(machine: Machine, names: tuple[str, ...]) -> Steps[Optional[list[str]]]:
    """Return the cards that are meant, all for none; None if one of them is not there, which is said."""
    found = []
    for name in names or ("net0",):
        card = machine.network.find_card(name)
        if card is None:
            yield from machine.refuse(f'"{name}": no such network device', Status.NO_SUCH_CARD)
            return None
        found.append(card)
    return found


# The card.


@COMMANDS.command("dhcp ifconf", syntax(0, None, _CARDS, "configurator/c= timeout/t#"))
def _dhcp(machine: Machine, call: CommandCall) -> Steps[int]:
    """``dhcp`` and ``ifconf``: the lease there is will do, unless the request would be another one now."""
    configurator = call.text("configurator")
    if configurator not in (None, "dhcp", *(("ipv6",) if machine.network.lease.address.version == 6 else ())):
        words = f'"{configurator}": no such configurator'
        return (yield from machine.refuse(words, Status.NO_SUCH_CONFIGURATOR))
    cards = yield from _cards(machine, call.args)
    if cards is None:
        return Status.NO_SUCH_CARD
    card = machine.settings.card = cards[0]
    which = "" if configurator is None else f"[{configurator}] "
    options = _options(machine)
    yield from machine.say(f"Configuring {which}({card} {machine.request.guest.mac})...", end="")
    if not options and not vlan_tag(card) and machine.network.is_leased:
        yield from machine.say(" ok")
        return Status.OK
    seconds = call.seconds()
    within = None if seconds is None else min(seconds, _MOST_SECONDS)
    reply: Leased = yield RunDhcp(options, within, vlan_tag(card))
    if reply.lease is None:
        words = printable(reply.error) or error_text(Status.TIMED_OUT)
        return (yield from machine.refuse(f" {words}", Status.TIMED_OUT))
    machine.network.renew(card, reply.lease)
    yield from machine.say(" ok")
    return Status.OK


def _options(machine: Machine) -> tuple[tuple[int, bytes], ...]:
    """Return what the script has set of the options that a server is asked with."""
    found = []
    for code in _ASKED_WITH:
        value = machine.settings.root.own(code) or machine.settings.block("net0").own(code)
        if value is not None:
            found.append((code, value.raw))
    return tuple(found)


@COMMANDS.command("ifopen", syntax(0, None, _CARDS))
def _open(machine: Machine, call: CommandCall) -> Steps[int]:
    cards = yield from _cards(machine, call.args)
    if cards is None:
        return Status.NO_SUCH_CARD
    machine.settings.card = cards[-1]
    yield from machine.network.settle()
    return Status.OK


@COMMANDS.command("ifclose", syntax(0, None, _CARDS))
def _close(machine: Machine, call: CommandCall) -> Steps[int]:
    """Nothing is closed: the card belongs to whoever boots the guest."""
    return Status.NO_SUCH_CARD if (yield from _cards(machine, call.args)) is None else Status.OK


@COMMANDS.command("ifstat", syntax(0, None, _CARDS))
def _stat(machine: Machine, call: CommandCall) -> Steps[int]:
    cards = yield from _cards(machine, call.args)
    if cards is None:
        return Status.NO_SUCH_CARD
    chip = machine.settings.show("net0/chip")
    for card in cards:
        yield from machine.say(
            f"{card}: {machine.request.guest.mac} using {chip} (Ethernet) [open]\n  [Link:up]"
        )
    return Status.OK


@COMMANDS.command("route", syntax(0, 0))
def _route(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.network.settle()
    lease = machine.network.lease
    gateway = f" gw {lease.routers[0]}" if lease.routers else ""
    mask = lease.netmask or lease.prefix_length
    yield from machine.say(f"{machine.settings.card}: {lease.address}/{mask}{gateway}")
    return Status.OK


@COMMANDS.command("vcreate", syntax(1, 1, "<trunk interface>", "tag/t# priority/p#"))
def _vcreate(machine: Machine, call: CommandCall) -> Steps[int]:
    """Make a VLAN on the card, which is called ``net0-10`` then."""
    tag = call.number("tag") or 0
    cards = yield from _cards(machine, call.args)
    if cards is None:
        return Status.NO_SUCH_CARD
    if tag not in _VLAN_TAGS:
        return (yield from machine.fail("Could not create VLAN device", Status.NO_VLAN_TAG))
    why: str = yield ChangeVlan(tag)
    if why:
        words = f"Could not create VLAN device: {printable(why)}"
        return (yield from machine.refuse(words, Status.UNSUPPORTED))
    block = machine.settings.block(f"net0-{tag}", create=True)
    block.values["mac"] = Value(machine.request.guest.mac_bytes, TYPES["hex"])
    block.values["ifname"] = Value(f"net0-{tag}".encode())
    return Status.OK


@COMMANDS.command("vdestroy", syntax(1, 1, "<VLAN interface>"))
def _vdestroy(machine: Machine, call: CommandCall) -> Steps[int]:
    cards = yield from _cards(machine, call.args)
    if cards is None:
        return Status.NO_SUCH_CARD
    for card in cards:
        if not vlan_tag(card):
            return (yield from machine.fail("Could not destroy VLAN device", Status.NO_VLAN))
        why: str = yield ChangeVlan(vlan_tag(card), remove=True)
        if why:
            words = f"Could not destroy VLAN device: {printable(why)}"
            return (yield from machine.refuse(words, Status.NO_SUCH_CARD))
        del machine.settings.root.children[card]
        machine.settings.card = "net0"
    return Status.OK


# Other hosts.


@COMMANDS.command("nslookup", syntax(2, 2, "<setting> <name>"))
def _nslookup(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.network.settle()
    found: Resolved = yield Resolve(call.args[1])
    if not found.addresses:
        words = f'Could not resolve "{call.args[1]}": {printable(found.error)}'
        return (yield from machine.refuse(words, Status.NOT_FOUND))
    name = call.args[0]
    kind = "" if ":" in name else ":ipv6" if ":" in found.addresses[0] else ":ipv4"
    return (yield from store(machine, name + kind, found.addresses[0]))


@COMMANDS.command("ping", syntax(1, 1, "<host>", "size/s# timeout/t# count/c# quiet/q"))
def _ping(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.network.settle()
    count = min(call.number("count") or _PINGS, _MOST_PINGS)
    seconds = min(call.seconds() or 1.0, _MOST_SECONDS)
    size = min(call.number("size") or 64, 1400)
    answered: int = yield Ping(call.args[0], count, size, seconds)
    lost = error_text(Status.PING_TIMED_OUT)
    for number in range(0 if call.has("quiet") else count):
        came = f"{size} bytes from {call.args[0]}" if number < answered else "0 bytes from <none>"
        yield from machine.say(f"{came}: seq={number + 1}{'' if number < answered else f': {lost}'}")
    if answered:
        return Status.OK
    yield from machine.say(f"Finished: {lost}")
    return Status.PING_TIMED_OUT


@COMMANDS.command("ntp", syntax(1, 1, "<server>"))
def _ntp(machine: Machine, call: CommandCall) -> Steps[int]:
    """Do nothing: the clock of the host is right already, or nobody else's business."""
    yield from ()
    return Status.OK


@COMMANDS.command("autoboot", syntax(0, None, _CARDS))
def _autoboot(machine: Machine, call: CommandCall) -> Steps[int]:
    """Boot what ``filename`` and ``next-server`` say now (usr/autoboot.c)."""
    if (yield from _cards(machine, call.args)) is None:
        return Status.NO_SUCH_CARD
    filename = yield from expand(machine, machine.settings.show("filename") or "", [])
    if not filename:
        return (yield from machine.fail("Nothing to boot", Status.NOTHING_TO_BOOT))
    image, status = yield from download(machine, _boot_uri(machine, filename))
    if image is None:
        return status
    image.autofree = True
    status = yield from run_image(machine, image)
    return (yield from machine.fail("Could not boot image", status)) if status else status


def _boot_uri(machine: Machine, filename: str) -> str:
    """Return the URI that a boot file's name means.

    "An absolute hierarchical URI is used as is; anything else becomes tftp://server/ and name, literally."
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:/", filename):
        return filename
    escaped = filename.replace("%", "%25").replace("#", "%23").replace("?", "%3F")
    return f"tftp://{machine.settings.show('next-server') or ''}/{escaped}"


@COMMANDS.command("iflinkwait", syntax(0, None, _CARDS, "timeout/t#"))
def _linkwait(machine: Machine, call: CommandCall) -> Steps[int]:
    """Do nothing: the link is up, a boot does not come so far otherwise."""
    cards = yield from _cards(machine, call.args)
    for card in cards or ():
        yield from machine.say(f"Waiting for link-up on {card}... ok")
    return Status.NO_SUCH_CARD if cards is None else Status.OK
