"""iPXE and gPXE scripts, run as a real iPXE 2.0 would, for a guest that has no firmware.

A script is a generator over effects, as PXELINUX is. What it boots ends it; a script that ends without having
booted anything, or fails, leaves the guest to its own disk, as iPXE leaves a machine to the next boot device.
"""

from __future__ import annotations

from typing import Optional

from pypxeboot.bootsource import PAGE, PAGE_HINT, BootRequest, BootSource, describe_content
from pypxeboot.effects import Download, Log, ScriptFile, Steps
from pypxeboot.entry import Action, BootMenu, Choice, Entry, Reason
from pypxeboot.errors import ConfigError, FetchError, NoBootSource, NotFound
from pypxeboot.ipxe import execute
from pypxeboot.ipxe.commands import dialogs, images, language, network, power, tools
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.interpreter import run_image
from pypxeboot.ipxe.engine.machine import BootChosen, Build, Machine, MenuFound, ScriptCommand
from pypxeboot.ipxe.engine.script import is_script
from pypxeboot.ipxe.engine.uri import Uri
from pypxeboot.text import printable
from pypxeboot.url import Location

COMMANDS: dict[str, ScriptCommand] = {
    **language.COMMANDS,
    **images.COMMANDS,
    **dialogs.COMMANDS,
    **tools.COMMANDS,
    **network.COMMANDS,
    **power.COMMANDS,
}
BUILD = Build(COMMANDS, execute.start)


def entries(request: BootRequest) -> Steps[tuple[Location, BootMenu]]:
    """List the items of the first menu that the script shows; without one, what it boots."""
    # What is chosen, and what it is started with, is no part of a list.
    request = BootRequest(request.source, request.guest, request.lease)
    machine = Machine.of(request, BUILD, listing=True)
    image = yield from _script(request.source)
    try:
        yield from _run(machine, image)
    except MenuFound as found:
        return found.location, found.menu
    except BootChosen as end:
        return image.location, BootMenu((end.choice.entry,))
    return image.location, BootMenu((Entry(None, Action.LOCALBOOT),))


def boot(request: BootRequest) -> Steps[Choice]:
    """Run the script that is the boot file, and end with what it boots. The label names a menu item.

    Raises FetchError if the script is not there, NoBootSource if it is none, ConfigError if it leads nowhere.
    """
    machine = Machine.of(request, BUILD)
    image = yield from _script(request.source)
    shown = printable(str(image.location))
    yield Log(f"iPXE script {shown}")
    choice: Optional[Choice] = None
    try:
        status = yield from _run(machine, image)
    except BootChosen as end:
        choice = end.choice
    selection = machine.selection
    if selection.label is not None:
        raise ConfigError(
            f"no menu of {shown} has an item {printable(selection.label)!r}",
            hint="name an item of its menus as the script calls it",
        )
    if choice is not None:
        return choice
    if status:
        where, why = printable(machine.failure.where), printable(machine.failure.words)
        text, hint = f"the iPXE script failed ({where}: {why})", machine.failure.hint
        yield Log(f"{text}: booting from the local disk", warning=True)
        if hint:
            yield Log(f"hint: {hint}")
        entry = Entry(selection.chosen, Action.LOCALBOOT)
        return Choice(entry, Reason.SCRIPT_FAILED, image.location, failure=text, hint=hint)
    loaded = machine.images.selected
    if loaded is not None and not loaded.is_script:
        what = f"has loaded {printable(loaded.name)}, and boots nothing: is 'boot' missing at its end?"
        yield Log(f"the iPXE script {what}", warning=True)
    yield Log("the iPXE script boots nothing from the network: booting from the local disk")
    return Choice(Entry(selection.chosen, Action.LOCALBOOT), selection.reason, image.location)


def _script(source: BootSource) -> Steps[Image]:
    """Download the script."""
    if source.bootfile is None:
        raise NoBootSource("no iPXE script is named", hint="have DHCP name one")
    location = source.bootfile
    reply: ScriptFile = yield Download(location)
    if reply.handle is None:
        kind = NotFound if reply.error == "not-found" else FetchError
        raise kind(f"{printable(str(location))}: {printable(reply.error)}", hint=reply.hint)
    if not is_script(reply.head):
        what, hint = describe_content(reply.head), "its first line has to be #!ipxe"
        if reply.head.startswith(b"\xef\xbb\xbf"):
            what, hint = (
                "text with a byte order mark",
                "save it without one: #!ipxe has to be its first bytes",
            )
        elif what == PAGE:
            hint = PAGE_HINT
        elif what.startswith("text in UTF-16"):
            hint = "save it as UTF-8, or as ASCII"
        said = f"{printable(str(location))} is not an iPXE script: it looks like {what}"
        raise NoBootSource(said, hint=hint)
    where = reply.location or location
    uri = Uri.of(where)
    return Image(location.name, uri, where, reply.handle, reply.size, reply.head, autofree=True)


def _run(machine: Machine, image: Image) -> Steps[int]:
    machine.images.add(image)
    return (yield from run_image(machine, image))
