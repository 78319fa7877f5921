"""The commands that load what is booted, and that boot it (loader/i386/linux.c, loader/multiboot.c)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Optional

from pypxeboot.bootsource import Kind, kind_of_name
from pypxeboot.effects import (
    Assemble,
    Download,
    DropFile,
    Identified,
    Identify,
    KeepData,
    Loaded,
    ReadFile,
    RunIpxe,
    ScriptFile,
    Steps,
    Unpack,
)
from pypxeboot.entry import Action, Choice, Entry, Module
from pypxeboot.grub.commands.table import GrubCommands
from pypxeboot.grub.engine import devices, images
from pypxeboot.grub.engine.images import GrubInitrd, Kernel, Program
from pypxeboot.grub.engine.machine import BootEnds, Call, CommandRun, Grub, Listed
from pypxeboot.grub.engine.status import CommandError, ErrorNumber
from pypxeboot.text import encode, printable
from pypxeboot.url import Location

COMMANDS = GrubCommands()

# COMMAND_LINE_SIZE of x86 without the NUL: for kernels that do not say what they take.
_ROOM = 2048
_OLD_ROOM = 256  # before protocol 2.06
_LEAST_ROOM = 128
_HEADER = 0x240
# Magic numbers of headers, and how far into a file they may stand.
_MULTIBOOT = {"multiboot": (b"\x02\xb0\xad\x1b", 8192), "multiboot2": (b"\xd6\x50\x52\xe8", 32768)}
_LEAST_HEAD = 32
_GZIP = b"\x1f\x8b"
# Initrds and modules of one entry; what a boot may keep open is bounded, too.
_FILES = 40


def _no_file() -> CommandError:
    return CommandError(ErrorNumber.BAD_ARGUMENT, "filename expected")


def _download(machine: Grub, name: str) -> Steps[tuple[Location, Optional[int], int]]:
    """Download a file: its location, handle (None in a list) and size. Raises CommandError."""
    machine.budget.file()
    inside = devices.built_in(machine, name)
    place = devices.locate(machine, name) if inside is None else inside[0]
    if machine.selection.listing:
        return place, None, 0
    reply: ScriptFile = yield Download(place) if inside is None else KeepData(inside[1], place)
    if reply.handle is None:
        raise devices.not_read(place, name, reply.error, reply.hint)
    return place, reply.handle, reply.size


def _drop(handles: Sequence[int]) -> Steps[None]:
    for handle in handles:
        yield DropFile(handle)


def _replace(machine: Grub, kernel: Kernel) -> Steps[None]:
    """Have ``kernel`` loaded in place of what was."""
    yield from unload(machine)
    machine.images.loaded, machine.images.takes = kernel, kernel.kind


def unload(machine: Grub) -> Steps[None]:
    """Forget what is loaded."""
    loaded, machine.images.loaded = machine.images.loaded, None
    if isinstance(loaded, Kernel):
        yield from _drop(list(loaded.handles))


def _linux(machine: Grub, call: Call) -> Steps[int]:
    """Load a kernel; its command line begins with its name as it is written.

    One that fails leaves what was loaded before.
    """
    if not call.arguments:
        raise _no_file()
    machine.images.takes = ""
    place, handle, _ = yield from _download(machine, call.arguments[0])
    room = _ROOM
    if handle is not None:
        found: Optional[Identified] = yield Identify(handle)
        if found is None or found.format == "multiboot":
            yield DropFile(handle)
            raise CommandError(ErrorNumber.BAD_OS, "invalid magic number")
        header: bytes = yield ReadFile(handle, 0, _HEADER)
        room = _room(header, call.name)
    # In a BIOS, linux16 is a loader of its own, and the initrd of the other is not its.
    kind = "linux16" if call.name == "linux16" and machine.platform == "pc" else "linux"
    yield from _replace(machine, Kernel(kind, place, handle, images.linux_cmdline(call.arguments, room)))
    return ErrorNumber.NONE


def _room(header: bytes, command: str) -> int:
    """Return how many bytes a kernel takes as its command line, with the NUL."""
    if header[0x202:0x206] != b"HdrS" or len(header) < _HEADER:
        return _ROOM
    (version,) = struct.unpack_from("<H", header, 0x206)
    (size,) = struct.unpack_from("<I", header, 0x238)
    if version < 0x206:
        return _OLD_ROOM
    room = size + 1 if size else _ROOM
    return room if command == "linux16" else max(room, _LEAST_ROOM)


def _initrd(machine: Grub, call: Call) -> Steps[int]:
    """Load initrds, in place of those that were.

    Where one is missing, those before stay; a kernel that had none boots without.
    """
    if not call.arguments:
        raise _no_file()
    kernel = machine.images.loaded
    kind = "linux16" if call.name == "initrd16" and machine.platform == "pc" else "linux"
    if machine.images.takes != kind or not isinstance(kernel, Kernel):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "you need to load the kernel first")
    if len(call.arguments) > _FILES:
        raise CommandError(ErrorNumber.OUT_OF_RANGE, f"more than {_FILES} initrds")
    found: list[GrubInitrd] = []
    try:
        for name in call.arguments:
            path, name = _newc(name)
            place, handle, size = yield from _download(machine, name)
            found.append(GrubInitrd(place, handle, size, path))
    except CommandError:
        yield from _drop([file.handle for file in found if file.handle is not None])
        raise
    yield from _drop([file.handle for file in kernel.initrds if file.handle is not None])
    kernel.initrds = found
    return ErrorNumber.NONE


def _newc(name: str) -> tuple[Optional[bytes], str]:
    """Split ``newc:PATH:FILE``: where the file is to be unpacked, None if it is an initrd, and its name."""
    if name.startswith("newc:"):
        path, colon, file = name[5:].lstrip("/").partition(":")
        if colon:
            return encode(path), file
    return None, name


def _multiboot(machine: Grub, call: Call) -> Steps[int]:
    """Load a multiboot kernel. Its command line has no name of a file in front ("Skip filename")."""
    yield from unload(machine)
    words = list(call.arguments)
    while words and words[0].startswith("--quirk-"):
        words.pop(0)
    if not words:
        raise _no_file()
    place, handle, _ = yield from _download(machine, words[0])
    kind = "multiboot2" if call.name == "multiboot2" else "multiboot"
    if handle is not None:
        magic, within = _MULTIBOOT[kind]
        head = yield from _unpacked_head(handle, within)
        if len(head) < _LEAST_HEAD:
            yield DropFile(handle)
            raise CommandError(ErrorNumber.BAD_OS, f"premature end of file {printable(words[0], 200)}")
        if magic not in head:
            yield DropFile(handle)
            raise CommandError(ErrorNumber.BAD_ARGUMENT, f"no {kind} header found")
    yield from _replace(machine, Kernel(kind, place, handle, images.joined(words[1:])))
    return ErrorNumber.NONE


def _unpacked_head(handle: int, count: int) -> Steps[bytes]:
    """Return the first bytes of a file, as they are once it is unpacked (``gzio``)."""
    head: bytes = yield ReadFile(handle, 0, count)
    if head.startswith(_GZIP):
        unpacked: ScriptFile = yield Unpack(handle)
        if unpacked.handle is not None:
            head = yield ReadFile(unpacked.handle, 0, count)
            yield DropFile(unpacked.handle)
    return head


def _module(machine: Grub, call: Call) -> Steps[int]:
    """Add a module to the multiboot kernel."""
    words = call.arguments[1:] if call.arguments[:1] == ["--nounzip"] else call.arguments
    if not words:
        raise _no_file()
    kind, kernel = "multiboot2" if call.name == "module2" else "multiboot", machine.images.loaded
    if machine.images.takes != kind or not isinstance(kernel, Kernel):
        raise CommandError(ErrorNumber.BAD_ARGUMENT, "you need to load the kernel first")
    if len(kernel.modules) >= _FILES:
        raise CommandError(ErrorNumber.OUT_OF_RANGE, f"more than {_FILES} modules")
    place, handle, _ = yield from _download(machine, words[0])
    kernel.modules.append((Module(place, images.joined(words[1:])), handle))
    return ErrorNumber.NONE


def _chainloader(machine: Grub, call: Call) -> Steps[int]:
    """Load another program.

    The one on the guest's disk is its local boot. Of the network an iPXE is known, and a unified kernel
    image: the words behind its name are its command line.
    """
    words = [word for word in call.arguments if not word.startswith("--")]
    if not words:
        raise _no_file()
    name = devices.FileName.of(words[0])
    device = devices.device_of(machine, name)
    if "+" in name.path.lstrip("0123456789,")[:1] or devices.is_disk(device):
        # Sectors are those of a disk, whichever: "chainloader +1" with the network as root means it, too.
        machine.images.loaded = Program(None)
        return ErrorNumber.NONE
    place = devices.locate(machine, words[0])
    if kind_of_name(place.name) is Kind.IPXE_BINARY:
        yield from unload(machine)
        machine.images.loaded = Program(place)
        return ErrorNumber.NONE
    place, handle, _ = yield from _download(machine, words[0])
    if handle is not None:
        found: Optional[Identified] = yield Identify(handle)
        if found is None or found.format != "UKI":
            yield DropFile(handle)
            program = f"{printable(str(place))} is a program, which needs firmware"
            raise CommandError(ErrorNumber.BAD_OS, program)
    yield from _replace(machine, Kernel("image", place, handle, images.joined(words[1:])))
    return ErrorNumber.NONE


def _on_efi(run: CommandRun) -> CommandRun:
    """Return a command that only a GRUB for EFI has."""

    def checked(machine: Grub, call: Call) -> Steps[int]:
        if machine.platform != "efi":
            hint = (
                f"GRUB has {call.name} for EFI alone, and the boot file is for a BIOS: say {call.name[:-3]}"
            )
            yield from machine.fail("", f"can't find command `{call.name}'", warning=True, hint=hint)
            return ErrorNumber.NONE
        return (yield from run(machine, call))

    return checked


COMMANDS.command("linux")(_linux)
COMMANDS.command("linux16")(_linux)
COMMANDS.command("linuxefi")(_on_efi(_linux))
COMMANDS.command("initrd initrd16")(_initrd)
COMMANDS.command("initrdefi")(_on_efi(_initrd))
COMMANDS.command("multiboot multiboot2")(_multiboot)
COMMANDS.command("module module2")(_module)
COMMANDS.command("chainloader")(_chainloader)


@COMMANDS.command("boot")
def boot(machine: Grub, call: Call) -> Steps[int]:
    """Boot what is loaded."""
    loaded = machine.images.loaded
    if loaded is None:
        raise CommandError(ErrorNumber.NO_KERNEL, "you need to load the kernel first")
    label = machine.environment.get("chosen")
    if isinstance(loaded, Program):
        if machine.selection.listing:
            what = "boots from the local disk" if loaded.location is None else f"starts {loaded.location}"
            raise Listed(what)
        if loaded.location is not None:
            choice: Choice = yield RunIpxe(loaded.location)
            raise BootEnds(choice)
        raise BootEnds(local(machine, Action.LOCALBOOT))
    entry = entry_of(machine, loaded, label)
    if machine.selection.listing:
        raise Listed()
    assert loaded.handle is not None
    modules = tuple(handle for _, handle in loaded.modules if handle is not None)
    reply: Loaded = yield Assemble(entry, loaded.handle, images.ramdisk(loaded.initrds), modules)
    if not reply.ok:
        yield from unload(machine)
        raise CommandError(ErrorNumber.BAD_OS, printable(reply.error), hint=reply.hint)
    raise BootEnds(Choice(entry, machine.selection.reason, machine.config))


def entry_of(machine: Grub, kernel: Kernel, label: Optional[str]) -> Entry:
    """Return what a loaded kernel is as the entry that boots."""
    cmdline = " ".join(filter(None, (kernel.cmdline, machine.request.append)))
    return Entry(
        label,
        Action.BOOT,
        kernel=kernel.location,
        initrds=tuple(file.location for file in kernel.initrds),
        cmdline=cmdline,
        modules=tuple(module for module, _ in kernel.modules),
    )


def local(machine: Grub, action: Action) -> Choice:
    """Return the choice of something else than a kernel."""
    return Choice(Entry(machine.environment.get("chosen"), action), machine.selection.reason, machine.config)
