"""The commands about the network: what DHCP said, names, addresses (net/bootp.c, net/dns.c)."""

from __future__ import annotations

from pypxeboot.effects import Resolve, Resolved, Steps
from pypxeboot.grub.commands.table import GrubCommands
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
    if interface not in _interfaces(machine):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, f"unrecognised network interface `{interface}'")
    wanted, _ = number(code)
    if not 0 < wanted < 255:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "invalid DHCP option code")
    raw = machine.request.lease.options.get(wanted)
    if raw is None:
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


def _interfaces(machine: Grub) -> set[str]:
    name = machine.environment.get("net_default_interface") or ""
    return {name, name.partition(":")[0], f"{name.partition(':')[0]}:dhcp"}


@COMMANDS.command("net_bootp net_dhcp net_bootp6 net_ipv6_autoconf")
def _net_bootp(machine: Grub, call: Call) -> Steps[int]:
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


@COMMANDS.command(
    "net_add_addr net_del_addr net_add_route net_del_route net_add_dns net_del_dns net_set_vlan"
)
def _net_change(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    raise CommandError(ErrorNumber.NOT_IMPLEMENTED, "addresses and routes are those that DHCP gave")
