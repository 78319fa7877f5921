"""The commands about the network: what DHCP said, names, addresses (net/bootp.c, net/dns.c)."""

from __future__ import annotations

from ipaddress import ip_address

from pypxeboot.effects import Log, Resolve, Resolved, Steps
from pypxeboot.grub.commands.table import GrubCommands
from pypxeboot.grub.engine import variables
from pypxeboot.grub.engine.machine import Call, Grub
from pypxeboot.grub.engine.status import CommandError, ErrorNumber, number
from pypxeboot.text import decode

COMMANDS = GrubCommands()


@COMMANDS.command("net_get_dhcp_option")
def _net_get_dhcp_option(machine: Grub, call: Call) -> Steps[int]:
    """Store or print an option of the DHCP answer: VARIABLE INTERFACE NUMBER string, number or hex."""
    if len(call.arguments) < 4:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "four arguments expected")
    name, interface, code, kind = call.arguments[:4]
    _check_interface(machine, interface)
    wanted, _ = number(code)
    if not 0 < wanted < 255:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "invalid DHCP option code")
    card = variables.card_name(machine.platform)
    raw = machine.request.lease.options.get(wanted)
    if raw is None or interface not in (card, f"{card}:dhcp"):
        raise CommandError(ErrorNumber.IO, f"no DHCP option {wanted} found")
    if kind == "string":
        value = decode(raw.partition(b"\0")[0])
    elif kind == "number":
        # "%lld\n": the line end is in the variable, too.
        value = f"{int.from_bytes(raw[-8:], 'big')}" + ("" if name == "-" else "\n")
    elif kind == "hex":
        value = raw.hex()
    else:
        raise CommandError(
            ErrorNumber.BAD_ARGUMENT, f"unrecognised DHCP option format specification `{kind}'"
        )
    if name == "-":
        yield from machine.say(value)
    else:
        machine.environment.set(name, value)
    return ErrorNumber.NONE


def _check_interface(machine: Grub, name: str) -> None:
    """Find an interface: the card has one from the start, net_bootp and net_add_addr make others."""
    if machine.environment.get(variables.variable(name, "mac")) is None:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, f"unrecognised network interface `{name}'")


@COMMANDS.command("net_bootp net_dhcp")
def _net_bootp(machine: Grub, call: Call) -> Steps[int]:
    """Make another interface of the card, with the address that the guest has from DHCP."""
    yield from ()
    card = variables.card_name(machine.platform)
    if call.arguments and call.arguments[0] != card:
        raise CommandError(ErrorNumber.NET_NO_CARD, "no network card found")
    machine.environment.fix(variables.dhcp_properties(machine.request, f"{card}:dhcp"))
    return ErrorNumber.NONE


@COMMANDS.command("net_bootp6 net_ipv6_autoconf")
def _net_bootp6(machine: Grub, call: Call) -> Steps[int]:
    """Do nothing: the guest has the address that DHCP gave it."""
    yield from ()
    return ErrorNumber.NONE


@COMMANDS.command("net_nslookup")
def _net_nslookup(machine: Grub, call: Call) -> Steps[int]:
    if len(call.arguments) not in (1, 2):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    if machine.selection.listing:
        return ErrorNumber.NONE
    reply: Resolved = yield Resolve(call.arguments[0])
    if not reply.addresses:
        raise CommandError(ErrorNumber.NET_NO_DOMAIN, f"no DNS record found for {call.arguments[0]}")
    for address in reply.addresses:
        yield from machine.say(address)
    return ErrorNumber.NONE


@COMMANDS.command("net_ls_addr net_ls_cards net_ls_routes net_ls_dns")
def _net_ls(machine: Grub, call: Call) -> Steps[int]:
    lease, guest = machine.request.lease, machine.request.guest
    name = machine.environment.get("net_default_interface") or ""
    shown = {
        "net_ls_addr": [f"{name} {guest.mac} {lease.address}"],
        "net_ls_cards": [f"{name.partition(':')[0]} {guest.mac}"],
        "net_ls_routes": [f"{network} {gateway or name}" for network, gateway in lease.routes],
        "net_ls_dns": [str(server) for server in lease.dns],
    }
    for line in shown[call.name]:
        yield from machine.say(line)
    return ErrorNumber.NONE


@COMMANDS.command("net_add_addr")
def _net_add_addr(machine: Grub, call: Call) -> Steps[int]:
    """Make an interface: NAME CARD ADDRESS. It has variables; files come by the address of DHCP."""
    _need_three(call)
    name, card, address = call.arguments[:3]
    if card != variables.card_name(machine.platform):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "card not found")
    try:
        shown = str(ip_address(address))
    except ValueError:
        if machine.selection.listing:
            return ErrorNumber.NONE
        reply: Resolved = yield Resolve(address)
        if not reply.addresses:
            raise CommandError(ErrorNumber.NET_NO_DOMAIN, f"no DNS record found for {address}") from None
        shown = reply.addresses[0]
    machine.environment.fix(variables.interface_properties(name, machine.request.guest.mac, shown))
    return (yield from _keep(machine, call))


@COMMANDS.command("net_add_route")
def _net_add_route(machine: Grub, call: Call) -> Steps[int]:
    """NAME NETWORK INTERFACE, or NAME NETWORK gw ADDRESS."""
    _need_three(call)
    if call.arguments[2] != "gw":
        _check_interface(machine, call.arguments[2])
    return (yield from _keep(machine, call))


@COMMANDS.command("net_del_addr net_del_route net_add_dns net_del_dns")
def _net_change(machine: Grub, call: Call) -> Steps[int]:
    """Take one argument: an interface, a route, or the address of a name server."""
    if len(call.arguments) != 1:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    if call.name == "net_del_addr":
        _check_interface(machine, call.arguments[0])
    return (yield from _keep(machine, call))


@COMMANDS.command("net_set_vlan")
def _net_set_vlan(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    raise CommandError(ErrorNumber.NOT_IMPLEMENTED, "the guest's VLAN is that of its bridge")


def _need_three(call: Call) -> None:
    if len(call.arguments) < 3:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "three arguments expected")


def _keep(machine: Grub, call: Call) -> Steps[int]:
    """Say that nothing changes: what the script goes on with is that it has worked."""
    if not machine.selection.listing:
        yield Log(f"GRUB: {call.name} changes nothing: addresses and routes are those that DHCP gave")
    return ErrorNumber.NONE
