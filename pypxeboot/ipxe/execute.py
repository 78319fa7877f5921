"""How an image that is no script runs: a kernel boots, a PXELINUX goes its own way, nothing else can."""

from __future__ import annotations

from typing import Optional

from pypxeboot.bootsource import BootRequest, BootSource, Kind
from pypxeboot.dataclass import replace
from pypxeboot.dhcp import boot_info
from pypxeboot.effects import Assemble, Loaded, Log, Steps
from pypxeboot.entry import Action, Entry, Module
from pypxeboot.errors import NoBootSource
from pypxeboot.ipxe.engine import images, settings
from pypxeboot.ipxe.engine.images import Image
from pypxeboot.ipxe.engine.interpreter import is_executable
from pypxeboot.ipxe.engine.machine import BootChosen, Machine, MenuFound
from pypxeboot.ipxe.engine.setting_types import TYPES, c_string
from pypxeboot.ipxe.engine.settings import Value
from pypxeboot.ipxe.engine.status import Status
from pypxeboot.lease import DhcpOption, Lease
from pypxeboot.syslinux.loader import boot
from pypxeboot.text import printable


def start(machine: Machine, image: Image) -> Steps[int]:
    """Run ``image``. A kernel ends the boot; a status means that it could not be run."""
    kernel = yield from image.identify()
    if kernel is not None:
        return (yield from (_multiboot if kernel.multiboot else _linux)(machine, image))
    if images.is_pxelinux(image):
        yield Log(f"{printable(image.name)}: going on as PXELINUX")
        return (yield from _pxelinux(machine, None))
    if images.is_syslinux_menu(image):
        yield Log(f"{printable(image.name)}: going on as a menu of SYSLINUX")
        return (yield from _pxelinux(machine, (image.cmdline or "").partition(" ")[0] or None))
    yield from is_executable(machine, image)  # which says why it is not
    return Status.NOT_EXECUTABLE


def _linux(machine: Machine, image: Image) -> Steps[int]:
    """Boot a kernel whose ramdisk is all other images, one behind the other."""
    others = [other for other in machine.images if other is not image]
    for other in others:
        if other.is_script and not other.cmdline:
            name = printable(other.name)
            yield Log(f"the script {name} is in the ramdisk, as iPXE has it: chain it with --autofree")
    cmdline = _joined(image.cmdline or "", machine.request.append)
    locations = tuple(other.location for other in others)
    entry = Entry(
        machine.selection.chosen, Action.BOOT, kernel=image.location, initrds=locations, cmdline=cmdline
    )
    return (yield from _assemble(machine, image, entry, images.ramdisk(others), ()))


def _multiboot(machine: Machine, image: Image) -> Steps[int]:
    """Boot a multiboot kernel: "cmdline is the URI and the arguments", as that of every other image."""
    others = [other for other in machine.images if other is not image]
    cmdline = _joined(_joined(image.uri.without_password, image.cmdline or ""), machine.request.append)
    modules = tuple(
        Module(other.location, _joined(other.uri.without_password, other.cmdline or "")) for other in others
    )
    entry = Entry(
        machine.selection.chosen, Action.BOOT, kernel=image.location, cmdline=cmdline, modules=modules
    )
    return (yield from _assemble(machine, image, entry, (), tuple(other.handle for other in others)))


def _assemble(
    machine: Machine,
    image: Image,
    entry: Entry,
    parts: tuple[images.Part, ...],
    modules: tuple[int, ...],
) -> Steps[int]:
    reply: Loaded = yield Assemble(entry, image.handle, parts, modules)
    if not reply.ok:
        machine.failure.explain(printable(reply.error) or f"{image.name} cannot be booted", reply.hint)
        yield Log(machine.failure.words, warning=True)
        return Status.NOT_EXECUTABLE
    raise BootChosen(machine.choice(entry))


def _joined(first: str, second: str) -> str:
    return f"{first} {second}" if first and second else first or second


def _pxelinux(machine: Machine, config: Optional[str]) -> Steps[int]:
    """Go on as a PXELINUX does that finds the settings in place of a DHCP packet (net/fakedhcp.c).

    So 209 to 211, ``filename`` and ``next-server`` that the script has set can count; the prefix comes from
    the filename, "not the URL pxelinux.0 was chained from".
    """
    lease = _lease(machine)
    try:
        source = replace(boot_info.boot_source(lease, config=config), kind=Kind.PXELINUX)
    except NoBootSource:
        source = BootSource(Kind.PXELINUX, lease.next_server, "::")
    asked = machine.request
    if machine.selection.listing:
        raise MenuFound(*(yield from boot.entries(BootRequest(source, asked.guest, lease))))
    request = BootRequest(
        source,
        asked.guest,
        lease,
        append=asked.append,
        label=machine.selection.take_label(),
        patience=asked.patience,
    )
    raise BootChosen((yield from boot.boot(request)))


def _lease(machine: Machine) -> Lease:
    """Return the lease, as the settings tell it now.

    "The fake ACK holds all settings (root then netdev)", so what DHCP said stands, unless the script has
    changed it in the block of the card.
    """

    def setting(name: str) -> Optional[Value]:
        for place in (f"{machine.settings.card}/{name}", name):
            value, _ = machine.settings.find(settings.parse_name(place))
            if value is not None:
                return value
        return None

    lease, options = machine.network.lease, dict(machine.network.lease.options)
    for code in (DhcpOption.CONFIG_FILE, DhcpOption.PATH_PREFIX, DhcpOption.REBOOT_TIME):
        value = setting(f"{code:d}")
        if value is not None:
            options[code] = value.raw
    filename, server = setting("filename"), setting("next-server")
    return replace(
        lease,
        options=options,
        bootfile=c_string(filename.raw) if filename else "",
        next_server=TYPES["ipv4"].format(server.raw) if server else lease.next_server,
    )
