"""The commands about the machine: its disks, its firmware, how it ends; and those that do nothing here."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Log, Steps
from pypxeboot.entry import Action
from pypxeboot.grub.commands.loaders import local
from pypxeboot.grub.commands.table import Flag, GrubCommands, parse
from pypxeboot.grub.engine import devices
from pypxeboot.grub.engine.machine import BootEnds, Call, Grub, Listed
from pypxeboot.grub.engine.status import CommandError, ErrorNumber, number
from pypxeboot.text import printable

COMMANDS = GrubCommands()

_MEANINGS = {
    Action.LOCALBOOT: "boots from the local disk",
    Action.REBOOT: "restarts the machine",
    Action.POWEROFF: "switches the machine off",
}


def _end(machine: Grub, action: Action) -> Steps[int]:
    """End with something else than a kernel.

    A script that looked for the guest's disk, and would have started what is there, gives up only here: the
    disk is the guest's own business, and boots.
    """
    if machine.disk_wanted and action is not Action.LOCALBOOT:
        if not machine.selection.listing:
            yield Log("GRUB: the entry looks for a disk of the guest: booting from it")
        action = Action.LOCALBOOT
    if machine.selection.listing:
        raise Listed(_MEANINGS[action])
    raise BootEnds(local(machine, action))


@COMMANDS.command("exit")
def _exit(machine: Grub, call: Call) -> Steps[int]:
    """Leave GRUB: the firmware boots what comes next, which is the disk."""
    return (yield from _end(machine, Action.LOCALBOOT))


@COMMANDS.command("reboot")
def _reboot(machine: Grub, call: Call) -> Steps[int]:
    return (yield from _end(machine, Action.REBOOT))


@COMMANDS.command("halt poweroff")
def _halt(machine: Grub, call: Call) -> Steps[int]:
    return (yield from _end(machine, Action.POWEROFF))


_SEARCH = (
    Flag("file", "f"),
    Flag("label", "l"),
    Flag("fs-uuid", "u"),
    Flag("set", "s", value=True, optional=True),
    Flag("no-floppy", "n"),
    Flag("efidisk-only"),
    Flag("cryptodisk-only"),
    *(Flag(f"hint{which}", "h" if not which else "", value=True) for which in (
        "", "-ieee1275", "-bios", "-baremetal", "-efi", "-arc"
    )),
)  # fmt: skip


@COMMANDS.command("search search.file search.fs_label search.fs_uuid")
def _search(machine: Grub, call: Call) -> Steps[int]:
    """Look for a disk: only the guest has one, so none is found; what boots nothing then means that disk."""
    yield from ()
    found = parse(call.arguments, _SEARCH, dash=True)
    named = [word for word in found.arguments if not word.startswith("--hint-")] or found.values("set")
    if not named:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    if call.name == "search" and not {"file", "label", "fs-uuid"} & found.options.keys():
        raise CommandError(ErrorNumber.INVALID_COMMAND, "unspecified search type")
    machine.disk_wanted = True
    raise CommandError(ErrorNumber.FILE_NOT_FOUND, f"no such device: {named[0]}")


@COMMANDS.command("loopback")
def _loopback(machine: Grub, call: Call) -> Steps[int]:
    """Make a device of an image: one on a server is not read, one on a disk is the guest's."""
    found = parse(call.arguments, (Flag("delete", "d"),))
    if len(found.arguments) < 2 - ("delete" in found.options):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "device name required")
    if "delete" in found.options:
        raise CommandError(ErrorNumber.BAD_DEVICE, "device not found")
    place = yield from devices.check(machine, found.arguments[1])
    hint = "serve the kernel and the initrd that are in it as files of their own"
    words = f"the files in {printable(str(place))} are not read: it is an image of a disk"
    raise CommandError(ErrorNumber.NOT_IMPLEMENTED, words, hint=hint)


@COMMANDS.command("probe blscfg blsuki cryptomount ntldr legacy_configfile")
def _needs_disk(machine: Grub, call: Call) -> Steps[int]:
    yield from ()
    if call.name == "probe" and not call.arguments:
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "one argument expected")
    machine.disk_wanted = True
    raise CommandError(ErrorNumber.UNKNOWN_DEVICE, "it needs a disk, which only the guest has")


@COMMANDS.command(
    "fwsetup lsefi lsefisystab lsefimmap lsacpi acpi drivemap parttool gptsync appleloader freedos plan9"
    " truecrypt xnu_kernel xnu_kernel64 kfreebsd knetbsd knetbsd_module kopenbsd outb outw outl inb inw inl"
    " write_byte write_word write_dword nativedisk trust verify_detached pxechainloader hwmatch"
    " kfreebsd_loadenv kfreebsd_module kfreebsd_module_elf knetbsd_module_elf kopenbsd_ramdisk"
    " xnu_devprop_load xnu_kext xnu_kextdir xnu_mkext xnu_ramdisk xnu_resume xnu_splash"
)
def _needs_firmware(machine: Grub, call: Call) -> Steps[int]:
    yield Log(f"GRUB: {call.name} needs firmware, or a machine of its own", warning=True)
    raise CommandError(ErrorNumber.NOT_IMPLEMENTED, "it needs firmware, or a machine of its own")


@COMMANDS.command(
    "legacy_source legacy_kernel legacy_initrd legacy_initrd_nounzip extract_legacy_entries_source"
    " extract_legacy_entries_configfile syslinux_source syslinux_configfile extract_syslinux_entries_source"
    " extract_syslinux_entries_configfile"
)
def _other_language(machine: Grub, call: Call) -> Steps[int]:
    yield Log(
        f"GRUB: {call.name} reads another loader's configuration: let the boot file be that one", warning=True
    )
    raise CommandError(ErrorNumber.NOT_IMPLEMENTED, "it reads another loader's configuration")


@COMMANDS.command("devicetree")
def _devicetree(machine: Grub, call: Call) -> Steps[int]:
    """Fail: a virtual machine has a device tree of its own; and a PC knows no such command."""
    if machine.request.guest.processor in ("x86_64", "i386"):
        yield from machine.fail("", f"can't find command `{call.name}'", warning=True)
        return ErrorNumber.NONE
    return (yield from _needs_firmware(machine, call))


@COMMANDS.command(
    "insmod rmmod lsmod loadfont lsfonts terminal_input terminal_output terminal_info terminfo serial"
    " spkmodem play keymap vbeinfo vbetest videoinfo videotest cbmemc"
    " help"
)
def _nothing(machine: Grub, call: Call) -> Steps[int]:
    """Do nothing, as nothing has to be done: there is no screen, no module, no key."""
    yield from ()
    return ErrorNumber.NONE


@COMMANDS.command("background_image background_color")
def _background(machine: Grub, call: Call) -> Steps[int]:
    """Fail, as it does on a text terminal: scripts choose colours by it that are for a picture."""
    yield from ()
    raise CommandError(ErrorNumber.BAD_DEVICE)


@COMMANDS.command("cpuid")
def _cpuid(machine: Grub, call: Call) -> Steps[int]:
    """Say whether the processor has 64 bits (``-l``, and without an option) or PAE (``-p``)."""
    yield from ()
    found = parse(call.arguments, (Flag("long-mode", "l"), Flag("pae", "p")))
    if "pae" in found.options or machine.request.guest.processor == "x86_64":
        return ErrorNumber.NONE
    return ErrorNumber.TEST_FAILURE


# Type and offset of the strings of SMBIOS (DSP0134), by the names of SYSAPPEND.
_STRINGS = {
    (0, 4): "BIOSVENDOR",
    (0, 5): "BIOSVERSION",
    (1, 4): "SYSVENDOR",
    (1, 5): "SYSPRODUCT",
    (1, 6): "SYSVERSION",
    (1, 7): "SYSSERIAL",
    (1, 25): "SYSSKU",
    (1, 26): "SYSFAMILY",
    (2, 4): "MBVENDOR",
    (2, 5): "MBPRODUCT",
    (2, 6): "MBVERSION",
    (2, 7): "MBSERIAL",
    (2, 8): "MBASSET",
}

_SMBIOS = (
    Flag("type", "t", value=True),
    Flag("handle", "h", value=True),
    Flag("match", "m", value=True),
    Flag("get-byte", "b", value=True),
    Flag("get-word", "w", value=True),
    Flag("get-dword", "d", value=True),
    Flag("get-qword", "q", value=True),
    Flag("get-string", "s", value=True),
    Flag("get-uuid", "u", value=True),
    Flag("set", "", value=True),
)


@COMMANDS.command("smbios")
def _smbios(machine: Grub, call: Call) -> Steps[int]:
    """Read a string, or the UUID, of the guest's SMBIOS."""
    found = parse(call.arguments, _SMBIOS)
    kind = number(found.get("type") or "")[0] if "type" in found.options else -1
    value: Optional[str] = None
    if "get-uuid" in found.options and kind == 1:
        value = machine.request.guest.uuid
    elif "get-string" in found.options:
        offset = number(found.get("get-string") or "")[0]
        value = machine.request.guest.smbios.get(_STRINGS.get((kind, offset), ""))
    elif not any(name.startswith("get-") for name in found.options):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "no value is asked for")
    if value is None:
        raise CommandError(ErrorNumber.IO, "structure not found")
    if found.get("set"):
        machine.environment.set(found.get("set") or "", value)
    else:
        yield from machine.say(value)
    return ErrorNumber.NONE
