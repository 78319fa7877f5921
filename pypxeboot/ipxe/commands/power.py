"""The iPXE commands that end a script for good, and those that have nothing to do in a guest like this."""

from __future__ import annotations

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action, Choice, Entry
from pypxeboot.ipxe.engine.machine import BootChosen, Machine, ScriptCommand, script
from pypxeboot.ipxe.engine.options import CommandCall, integer, syntax
from pypxeboot.ipxe.engine.status import Status, error_text


def _end(machine: Machine, action: Action) -> BootChosen:
    return BootChosen(Choice(Entry(machine.chosen, action), machine.reason, script(machine)))


def _reboot(machine: Machine, call: CommandCall) -> Steps[int]:
    yield Log("the script asks for a reboot")
    raise _end(machine, Action.REBOOT)


def _poweroff(machine: Machine, call: CommandCall) -> Steps[int]:
    yield Log("the script asks for power off")
    raise _end(machine, Action.POWEROFF)


def _sanboot(machine: Machine, call: CommandCall) -> Steps[int]:
    """Boot a drive: a local one is the guest's disk; "``sanboot http://iso``: fail cleanly"."""
    if call.args:
        return (yield from _sanhook(machine, call))
    yield from machine.say(f"Booting from SAN device {_drive(call):#x}")
    raise _end(machine, Action.LOCALBOOT)


def _sanhook(machine: Machine, call: CommandCall) -> Steps[int]:
    machine.failure = f"{call.name}: a guest without firmware has no network disks"
    yield from machine.say(f"Could not open SAN device: {error_text(Status.NO_SUCH_SCHEME)}")
    return Status.NO_SUCH_SCHEME


def _sanunhook(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.say(f"Unregistered SAN device {_drive(call):#x}")
    return Status.OK


def _drive(call: CommandCall) -> int:
    drive = call.number("drive")
    return _FIRST_DISK if drive is None else drive


def _colour(machine: Machine, call: CommandCall) -> Steps[int]:
    if integer(call.args[0]) < _COLOURS:
        return Status.OK
    return (yield from machine.fail("Could not define colour", Status.NO_SUCH_COLOUR))


def _pair(machine: Machine, call: CommandCall) -> Steps[int]:
    if integer(call.args[0]) < _PAIRS:
        return Status.OK
    return (yield from machine.fail("Could not define colour pair", Status.NO_SUCH_PAIR))


def _certificates(machine: Machine, call: CommandCall) -> Steps[int]:
    """There are none in store."""
    subject = call.text("subject")
    if subject is None:
        return Status.OK
    words = f'"{subject}" : no such certificate'
    return (yield from machine.refuse(words, Status.NO_SUCH_CERTIFICATE))


def _nothing(machine: Machine, call: CommandCall) -> Steps[int]:
    """There is nothing that it could do, and nothing that would be missed."""
    yield from ()
    return Status.OK


def _impossible(machine: Machine, call: CommandCall) -> Steps[int]:
    return (yield from machine.fail(f"Could not {call.name}", Status.UNSUPPORTED))


# The first hard disk as the BIOS counts, and what a screen in text mode has.
_FIRST_DISK = 0x80
_COLOURS, _PAIRS = 8, 8

_CONSOLE = syntax(0, 0, "", "x/x# y/y# left/l# right/r# top/t# bottom/b# depth/d# picture/p= keep/k")
_SAN = "drive/d# no-describe/n"

COMMANDS = {
    "reboot": ScriptCommand(syntax(0, 0, "", "warm/w setup/s"), _reboot),
    "poweroff": ScriptCommand(syntax(0, 0), _poweroff),
    "sanboot": ScriptCommand(
        syntax(0, None, "[<root-path>]", f"{_SAN} keep/k filename/f= extra/e= label/l= uuid/u="), _sanboot
    ),
    "sanhook": ScriptCommand(syntax(1, None, "<root-path>", _SAN), _sanhook),
    "sanunhook": ScriptCommand(syntax(0, 0, "", "drive/d#"), _sanunhook),
    "console": ScriptCommand(_CONSOLE, _nothing),
    "colour": ScriptCommand(syntax(1, 1, "<colour>", "basic/b# rgb/r#"), _colour),
    "cpair": ScriptCommand(syntax(1, 1, "<cpair>", "foreground/f# background/b#"), _pair),
    "shim": ScriptCommand(
        syntax(0, 1, "[<uri|image>]", "timeout/t# require-loader/l allow-pxe/p allow-sbat/s"), _nothing
    ),
    "fdt": ScriptCommand(syntax(0, 1, "[<uri|image>]", "timeout/t#"), _nothing),
    "sync": ScriptCommand(syntax(0, 0, "", "timeout/t#"), _nothing),
    "certstat": ScriptCommand(syntax(0, 0, "", "subject/s="), _certificates),
    "certstore": ScriptCommand(syntax(0, None, "[<uri|image>]", "subject/s= keep/k timeout/t#"), _impossible),
    "certfree": ScriptCommand(syntax(0, 0, "", "subject/s="), _certificates),
    **dict.fromkeys(
        ("profstat", "lspci", "ipstat", "nstat", "neighbour"), ScriptCommand(syntax(0, None), _nothing)
    ),
    **dict.fromkeys(
        ("pciscan", "usbscan", "gdbstub", "iwstat", "iwlist", "fcstat", "fcels", "ibstat", "ibmcast"),
        ScriptCommand(syntax(0, None), _impossible),
    ),
    "config": ScriptCommand(syntax(0, 1, "[<scope>]"), _impossible),
}
