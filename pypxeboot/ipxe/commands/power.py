"""The iPXE commands that end a script for good, and those that have nothing to do in a guest like this."""

from __future__ import annotations

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action, Entry
from pypxeboot.ipxe.commands.download import acquire
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.machine import BootChosen, Machine
from pypxeboot.ipxe.engine.options import CommandCall, integer, syntax
from pypxeboot.ipxe.engine.status import Status, error_text

# The first hard disk as the BIOS counts, and what a screen in text mode has.
_FIRST_DISK = 0x80
_COLOURS, _PAIRS = 8, 8

# What a picture begins with: PNG, and the PNM files that are in colour, gray or black and white.
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"P1", b"P2", b"P3", b"P4", b"P5", b"P6")
_HELP_COLUMNS = 5

_SAN = "drive/d# no-describe/n"

# The largest mode of QEMU's VGA, and the most bits of one (interface/vesafb): what is smaller takes the next.
_WIDEST, _HIGHEST, _DEEPEST = 3840, 2160, 32

COMMANDS = CommandTable()


def _end(machine: Machine, action: Action) -> BootChosen:
    return BootChosen(machine.choice(Entry(machine.selection.chosen, action)))


@COMMANDS.command("reboot", syntax(0, 0, "", "warm/w setup/s"))
def _reboot(machine: Machine, call: CommandCall) -> Steps[int]:
    yield Log("the script asks for a reboot")
    raise _end(machine, Action.REBOOT)


@COMMANDS.command("poweroff", syntax(0, 0))
def _poweroff(machine: Machine, call: CommandCall) -> Steps[int]:
    yield Log("the script asks for power off")
    raise _end(machine, Action.POWEROFF)


@COMMANDS.command(
    "sanboot", syntax(0, None, "[<root-path>]", f"{_SAN} keep/k filename/f= extra/e= label/l= uuid/u=")
)
def _sanboot(machine: Machine, call: CommandCall) -> Steps[int]:
    """Boot a drive: a local one is the guest's disk; "``sanboot http://iso``: fail cleanly"."""
    if call.args:
        return (yield from _sanhook(machine, call))
    yield from machine.say(f"Booting from SAN device {_drive(call):#x}")
    raise _end(machine, Action.LOCALBOOT)


@COMMANDS.command("sanhook", syntax(1, None, "<root-path>", _SAN))
def _sanhook(machine: Machine, call: CommandCall) -> Steps[int]:
    machine.failure.explain(f"{call.name}: a guest without firmware has no network disks")
    yield from machine.say(f"Could not open SAN device: {error_text(Status.NO_SUCH_SCHEME)}")
    return Status.NO_SUCH_SCHEME


@COMMANDS.command("sanunhook", syntax(0, 0, "", "drive/d#"))
def _sanunhook(machine: Machine, call: CommandCall) -> Steps[int]:
    yield from machine.say(f"Unregistered SAN device {_drive(call):#x}")
    return Status.OK


def _drive(call: CommandCall) -> int:
    drive = call.number("drive")
    return _FIRST_DISK if drive is None else drive


@COMMANDS.command("colour", syntax(1, 1, "<colour>", "basic/b# rgb/r#"))
def _colour(machine: Machine, call: CommandCall) -> Steps[int]:
    if integer(call.args[0]) < _COLOURS:
        return Status.OK
    return (yield from machine.fail("Could not define colour", Status.NO_SUCH_COLOUR))


@COMMANDS.command("cpair", syntax(1, 1, "<cpair>", "foreground/f# background/b#"))
def _pair(machine: Machine, call: CommandCall) -> Steps[int]:
    if integer(call.args[0]) < _PAIRS:
        return Status.OK
    return (yield from machine.fail("Could not define colour pair", Status.NO_SUCH_PAIR))


@COMMANDS.command("certstat certfree", syntax(0, 0, "", "subject/s="))
def _certificates(machine: Machine, call: CommandCall) -> Steps[int]:
    """There are none in store."""
    subject = call.text("subject")
    if subject is None:
        return Status.OK
    words = f'"{subject}" : no such certificate'
    return (yield from machine.refuse(words, Status.NO_SUCH_CERTIFICATE))


@COMMANDS.command(
    "console", syntax(0, 0, "", "x/x# y/y# left/l# right/r# top/t# bottom/b# depth/d# picture/p= keep/k")
)
def _console(machine: Machine, call: CommandCall) -> Steps[int]:
    """Set nothing up, since text it stays; but a picture has to be there and to be one, and a mode, too."""
    name = call.text("picture")
    image, status = None, int(Status.OK)
    if name is not None:
        image, status = yield from acquire(machine, name)
        if image is None:
            return status
        if not image.head.startswith(_PICTURES):
            status = yield from machine.fail("Could not use picture", Status.NO_PICTURE)
    width, height, depth = (call.number(option) or 0 for option in ("x", "y", "depth"))
    wanted = bool(width or height)  # else it stays in the mode of text, whatever the depth
    if not status and wanted and (width > _WIDEST or height > _HIGHEST or depth > _DEEPEST):
        status = yield from machine.fail("Could not configure console", Status.NO_VIDEO_MODE)
    if image is not None and not call.has("keep"):
        yield from machine.images.free(image)
    return status


@COMMANDS.command("help", syntax(0, 0))
def _help(machine: Machine, call: CommandCall) -> Steps[int]:
    """Print the names of all commands, five on a line (core/exec.c, help_exec())."""
    names = sorted(machine.build.commands)
    columns = (names[at : at + _HELP_COLUMNS] for at in range(0, len(names), _HELP_COLUMNS))
    lines = (f"  {''.join(f'{name:<16}' for name in row)}".rstrip() for row in columns)
    yield from machine.say("\nAvailable commands:\n\n" + "\n".join(lines))
    yield from machine.say('\nType "<command> --help" for further information\n')
    return Status.OK


@COMMANDS.command(
    "shim", syntax(0, 1, "[<uri|image>]", "timeout/t# require-loader/l allow-pxe/p allow-sbat/s")
)
@COMMANDS.command("sync", syntax(0, 0, "", "timeout/t#"))
@COMMANDS.command("profstat ipstat nstat neighbour", syntax(0, None))
def _nothing(machine: Machine, call: CommandCall) -> Steps[int]:
    """There is nothing that it could do, and nothing that would be missed."""
    yield from ()
    return Status.OK


@COMMANDS.command("certstore", syntax(0, None, "[<uri|image>]", "subject/s= keep/k timeout/t#"))
@COMMANDS.command("pciscan usbscan gdbstub iwstat iwlist fcstat fcels ibstat ibmcast", syntax(0, None))
@COMMANDS.command("config", syntax(0, 1, "[<scope>]"))
def _impossible(machine: Machine, call: CommandCall) -> Steps[int]:
    return (yield from machine.fail(f"Could not {call.name}", Status.UNSUPPORTED))
