"""The iPXE commands that end a script for good, and those that have nothing to do in a guest like this."""

from __future__ import annotations

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action, Choice, Entry
from pypxeboot.ipxe.engine import status
from pypxeboot.ipxe.engine.machine import Command, Ended, Machine, script
from pypxeboot.ipxe.engine.options import Call, integer, syntax


def _end(machine: Machine, action: Action) -> Ended:
    return Ended(Choice(Entry(machine.chosen, action), machine.reason, script(machine)))


def _reboot(machine: Machine, call: Call) -> Steps[int]:
    yield Log("the script asks for a reboot")
    raise _end(machine, Action.REBOOT)


def _poweroff(machine: Machine, call: Call) -> Steps[int]:
    yield Log("the script asks for power off")
    raise _end(machine, Action.POWEROFF)


def _sanboot(machine: Machine, call: Call) -> Steps[int]:
    """Boot a drive: a local one is the guest's disk; "``sanboot http://iso``: fail cleanly"."""
    if call.args:
        return (yield from _sanhook(machine, call))
    yield from machine.say(f"Booting from SAN device {_drive(call):#x}")
    raise _end(machine, Action.LOCALBOOT)


def _sanhook(machine: Machine, call: Call) -> Steps[int]:
    machine.failure = f"{call.name}: a guest without firmware has no network disks"
    yield from machine.say(f"Could not open SAN device: {status.text(status.NO_SUCH_SCHEME)}")
    return status.NO_SUCH_SCHEME


def _sanunhook(machine: Machine, call: Call) -> Steps[int]:
    yield from machine.say(f"Unregistered SAN device {_drive(call):#x}")
    return status.OK


def _drive(call: Call) -> int:
    drive = call.number("drive")
    return _FIRST_DISK if drive is None else drive


def _colour(machine: Machine, call: Call) -> Steps[int]:
    if integer(call.args[0]) < _COLOURS:
        return status.OK
    return (yield from machine.fail("Could not define colour", status.NO_SUCH_COLOUR))


def _pair(machine: Machine, call: Call) -> Steps[int]:
    if integer(call.args[0]) < _PAIRS:
        return status.OK
    return (yield from machine.fail("Could not define colour pair", status.NO_SUCH_PAIR))


def _certificates(machine: Machine, call: Call) -> Steps[int]:
    """There are none in store."""
    subject = call.text("subject")
    if subject is None:
        return status.OK
    words = f'"{subject}" : no such certificate'
    return (yield from machine.refuse(words, status.NO_SUCH_CERTIFICATE))


def _nothing(machine: Machine, call: Call) -> Steps[int]:
    """There is nothing that it could do, and nothing that would be missed."""
    yield from ()
    return status.OK


def _impossible(machine: Machine, call: Call) -> Steps[int]:
    return (yield from machine.fail(f"Could not {call.name}", status.UNSUPPORTED))


# The first hard disk as the BIOS counts, and what a screen in text mode has.
_FIRST_DISK = 0x80
_COLOURS, _PAIRS = 8, 8

_CONSOLE = syntax(0, 0, "", "x/x# y/y# left/l# right/r# top/t# bottom/b# depth/d# picture/p= keep/k")
_SAN = "drive/d# no-describe/n"

COMMANDS = {
    "reboot": Command(syntax(0, 0, "", "warm/w setup/s"), _reboot),
    "poweroff": Command(syntax(0, 0), _poweroff),
    "sanboot": Command(
        syntax(0, None, "[<root-path>]", f"{_SAN} keep/k filename/f= extra/e= label/l= uuid/u="), _sanboot
    ),
    "sanhook": Command(syntax(1, None, "<root-path>", _SAN), _sanhook),
    "sanunhook": Command(syntax(0, 0, "", "drive/d#"), _sanunhook),
    "console": Command(_CONSOLE, _nothing),
    "colour": Command(syntax(1, 1, "<colour>", "basic/b# rgb/r#"), _colour),
    "cpair": Command(syntax(1, 1, "<cpair>", "foreground/f# background/b#"), _pair),
    "shim": Command(
        syntax(0, 1, "[<uri|image>]", "timeout/t# require-loader/l allow-pxe/p allow-sbat/s"), _nothing
    ),
    "fdt": Command(syntax(0, 1, "[<uri|image>]", "timeout/t#"), _nothing),
    "sync": Command(syntax(0, 0, "", "timeout/t#"), _nothing),
    "certstat": Command(syntax(0, 0, "", "subject/s="), _certificates),
    "certstore": Command(syntax(0, None, "[<uri|image>]", "subject/s= keep/k timeout/t#"), _impossible),
    "certfree": Command(syntax(0, 0, "", "subject/s="), _certificates),
    **dict.fromkeys(
        ("profstat", "lspci", "ipstat", "nstat", "neighbour"), Command(syntax(0, None), _nothing)
    ),
    **dict.fromkeys(
        ("pciscan", "usbscan", "gdbstub", "iwstat", "iwlist", "fcstat", "fcels", "ibstat", "ibmcast"),
        Command(syntax(0, None), _impossible),
    ),
    "config": Command(syntax(0, 1, "[<scope>]"), _impossible),
}
