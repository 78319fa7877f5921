"""The iPXE commands about images: kernel, initrd, boot, chain and their kin (hci/commands/image_cmd.c)."""

from __future__ import annotations

from typing import Optional

from pypxeboot.effects import Steps
from pypxeboot.ipxe.commands.download import acquire, download
from pypxeboot.ipxe.commands.table import CommandTable
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.interpreter import is_executable, run_image
from pypxeboot.ipxe.engine.machine import Machine
from pypxeboot.ipxe.engine.options import CommandCall, syntax
from pypxeboot.ipxe.engine.status import Status

_OPTIONS = "name/n= timeout/t# autofree/a"
_FETCH = syntax(1, None, "<uri> [<arguments>...]", f"{_OPTIONS} quiet/q+")
_ONE = syntax(1, None, "<uri|image> [<arguments>...]", f"{_OPTIONS} quiet/q+")
_MAYBE = syntax(0, None, "[<uri|image> [<arguments>...]]", f"{_OPTIONS} replace/r quiet/q+")

COMMANDS = CommandTable()


def _prepare(
    machine: Machine, call: CommandCall, *, always: bool = False, clear: bool = False
) -> Steps[tuple[Optional[Image], int]]:
    """Find the image that a command is about, with its name and command line; else the failure.

    "All first look for an existing image whose name equals the whole argument, and only then download, except
    the imgfetch family, which ``always`` downloads." "``imgargs`` clears first, the others replace only if
    arguments are given."
    """
    get = download if always else acquire
    image, status = yield from get(machine, call.args[0], call.seconds(), call.has("quiet"))
    if image is None:
        return None, status
    name = call.text("name")
    if name is not None:
        image.name = name
    if len(call.args) > 1:
        image.cmdline = call.rest(1)
    elif clear:
        image.cmdline = None
    if call.has("autofree"):
        image.autofree = True
    return image, Status.OK


@COMMANDS.command("imgfetch module initrd", _FETCH)
def _fetch(machine: Machine, call: CommandCall) -> Steps[int]:
    _, status = yield from _prepare(machine, call, always=True)
    return status


@COMMANDS.command("kernel imgselect imgload", _ONE)
def _select(machine: Machine, call: CommandCall) -> Steps[int]:
    """``kernel``, ``imgselect`` and ``imgload``: "fails for what is not executable"."""
    image, status = yield from _prepare(machine, call)
    if image is None:
        return status
    machine.images.selected = None
    if not (yield from is_executable(machine, image)):
        return (yield from machine.fail("Could not select", Status.NOT_EXECUTABLE))
    machine.images.selected = image
    return Status.OK


@COMMANDS.command("imgargs", _ONE)
def _arguments(machine: Machine, call: CommandCall) -> Steps[int]:
    _, status = yield from _prepare(machine, call, clear=True)
    return status


@COMMANDS.command("boot chain imgexec", _MAYBE)
def _execute(machine: Machine, call: CommandCall) -> Steps[int]:
    """``boot``, ``chain`` and ``imgexec``. "With nothing selected it says so, and succeeds"."""
    image = machine.images.selected
    if call.args:
        image, status = yield from _prepare(machine, call)
        if image is None:
            return status
    elif image is None:
        yield from machine.say("No image selected")
        return Status.OK
    elif call.has("autofree"):
        image.autofree = True
    if call.has("replace"):
        status = yield from _replace(machine, image)
    else:
        status = yield from run_image(machine, image)
    return (yield from machine.fail("Could not boot", status)) if status else status


def _replace(machine: Machine, image: Image) -> Steps[int]:
    """End the script that runs, and have ``image`` run in its place."""
    if not (yield from is_executable(machine, image)):
        return Status.NOT_EXECUTABLE
    machine.stack.top.end(image)
    return Status.OK


def _find_images(machine: Machine, call: CommandCall) -> Steps[tuple[list[Image], int]]:
    """Return the images that are named, else all; if one is not there, those before it, and the failure."""
    found: list[Image] = []
    if not call.args:
        return list(machine.images), Status.OK
    for name in call.args:
        image = machine.images.find(name)
        if image is None:
            return found, (yield from _missing(machine, name))
        found.append(image)
    return found, Status.OK


def _missing(machine: Machine, name: str) -> Steps[int]:
    return (yield from machine.refuse(f'"{name}": no such image', Status.NO_SUCH_IMAGE))


@COMMANDS.command("imgstat", syntax(0, None, "[<image>...]"))
def _stat(machine: Machine, call: CommandCall) -> Steps[int]:
    images, status = yield from _find_images(machine, call)
    for image in images:
        kernel = yield from image.identify()
        words = [f"{image.name} : {image.size} bytes"]
        words += ["[script]"] if image.is_script else []
        words += [f"[{'Multiboot' if kernel.multiboot else kernel.format}]"] if kernel else []
        words += ["[TRUSTED]"] if image.trusted else []
        words += ["[SELECTED]"] if image is machine.images.selected else []
        words += ["[AUTOFREE]"] if image.autofree else []
        words += [f'"{image.cmdline}"'] if image.cmdline else []
        yield from machine.say(" ".join(words))
    return status


@COMMANDS.command("imgfree", syntax(0, None, "[<image>...]"))
def _free(machine: Machine, call: CommandCall) -> Steps[int]:
    """Free the images that are named, one after the other, else all."""
    for name in call.args or [image.name for image in machine.images]:
        image = machine.images.find(name)
        if image is None:
            return (yield from _missing(machine, name))
        yield from machine.images.free(image)
    return Status.OK
