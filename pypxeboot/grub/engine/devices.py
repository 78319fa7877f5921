"""Where files are: GRUB's ``(device)/path``, its devices of the network, and what is a disk of the guest.

"Paths are from the server's root": a TFTP file is asked for by the path as it is written, its slash included
(net/tftp.c), an HTTP file by what follows the host.
"""

from __future__ import annotations

import re
from typing import Optional

from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Fetch, Fetched, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.grub.engine import memdisk, mistakes
from pypxeboot.grub.engine.machine import Grub
from pypxeboot.grub.engine.status import CommandError, ErrorNumber
from pypxeboot.text import decode
from pypxeboot.url import Location, parse

_DISK = re.compile(r"\(?(hd|fd|cd|ahci|ata|usb|scsi|nvme|md|lvm|cryptouuid|crypto|virtio|efi)[^)]*\)?")
_SLASHES = re.compile("/+")
# The largest configurations of sites have some 100 KiB.
CONFIG_LIMIT = 1 << 20


@dataclass(frozen=True)
class FileName:
    """A file name in its parts: ``device`` is None where the variable ``root`` says it."""

    device: Optional[str]
    path: str

    @classmethod
    def of(cls, text: str) -> FileName:
        """Return the parts of a name. Raises CommandError where its parenthesis does not end."""
        if not text.startswith("("):
            return cls(None, text)
        device, end, path = text[1:].partition(")")
        if not end:
            raise CommandError(ErrorNumber.BAD_FILENAME, "missing `)' symbol")
        return cls(device, path)


def is_disk(device: str) -> bool:
    """Whether a device is a disk, which only the guest has."""
    return _DISK.fullmatch(device) is not None


def device_of(machine: Grub, name: FileName) -> str:
    """Return the device of a file. Raises CommandError where ``root`` names none."""
    if name.device is not None:
        return name.device
    root = machine.environment.get("root")
    if not root:
        raise CommandError(ErrorNumber.BAD_DEVICE, "variable `root' isn't set")
    return root


def server_of(machine: Grub, device: str) -> tuple[str, str]:
    """Return protocol and server of a device of the network. Raises CommandError for any other."""
    protocol, comma, server = device.partition(",")
    if device == "pxe" or device.startswith("pxe:"):
        protocol, comma, server = "tftp", device[3:4], device[4:]
    if protocol not in ("tftp", "http", "https"):
        if is_disk(device):
            machine.disk_wanted = True
        raise CommandError(ErrorNumber.UNKNOWN_DEVICE, f"disk `{device}' not found")
    if not comma:
        server = machine.environment.get("net_default_server") or ""
    if not server:
        raise CommandError(ErrorNumber.NET_BAD_ADDRESS, "no server is specified")
    return protocol, server


def locate(machine: Grub, text: str) -> Location:
    """Return where the file called ``text`` is. Raises CommandError where it cannot be on a server."""
    name = FileName.of(text)
    protocol, server = server_of(machine, device_of(machine, name))
    return location(protocol, server, name.path)


def location(protocol: str, server: str, path: str) -> Location:
    """Return the location of ``path`` on ``server`` (an address or name, with a port perhaps)."""
    try:
        if server.count(":") > 1 and not server.startswith("["):
            server = f"[{server}]"
        place = parse(f"{protocol}://{server}/")
        if protocol == "tftp":
            found = replace(place, path=_SLASHES.sub("/", path))
            if not path or any(ord(char) < 0x20 or char == "\x7f" for char in path):
                raise ConfigError("the name cannot be asked for")
            return found
        return replace(place, path=parse(f"{protocol}://{server}/{path.lstrip('/')}").path)
    except ConfigError as why:
        raise CommandError(ErrorNumber.NET_BAD_ADDRESS, why.message) from None


def memdisk_path(machine: Grub, text: str) -> Optional[str]:
    """Return the path of a file that is in the program itself; None of any other. Raises CommandError."""
    name = FileName.of(text)
    return name.path if machine.memdisk and device_of(machine, name) == memdisk.DEVICE else None


def built_in(machine: Grub, text: str) -> Optional[tuple[Location, bytes]]:
    """Return a file that is in the program itself, None where ``text`` names another. Raises CommandError."""
    path = memdisk_path(machine, text)
    if path is None or machine.memdisk is None:
        return None
    data = machine.memdisk.get(path)
    if data is None:
        raise CommandError(ErrorNumber.FILE_NOT_FOUND, f"file `{path}' not found")
    return Location("data", "", f"({memdisk.DEVICE}){path}"), data


def read(machine: Grub, text: str, limit: int = CONFIG_LIMIT) -> Steps[tuple[Location, str]]:
    """Read a small file; where it is, and its text. Raises CommandError where it cannot be had."""
    machine.budget.file()
    inside = built_in(machine, text)
    if inside is not None:
        machine.budget.text(len(inside[1][:limit]))
        return inside[0], decode(inside[1][:limit])
    place = locate(machine, text)
    reply: Fetched = yield Fetch(place, limit)
    if reply.data is None:
        raise not_read(place, text, reply.error)
    machine.budget.text(len(reply.data))
    return place, decode(reply.data)


def check(machine: Grub, text: str) -> Steps[Location]:
    """Return where a file of a server is. Raises CommandError where it cannot be read."""
    place, reply = yield from peek(machine, text)
    if reply.data is None:
        raise not_read(place, text, reply.error)
    return place


def peek(machine: Grub, text: str) -> Steps[tuple[Location, Fetched]]:
    """Ask a server for the first byte of a file; where it is, and the reply. Raises CommandError."""
    place = locate(machine, text)
    machine.budget.file()
    reply: Fetched = yield Fetch(place, 1, head=True)
    return place, reply


def not_read(place: Location, text: str, error: str, hint: Optional[str] = None) -> CommandError:
    """Return the error of a file that cannot be had, for the reason ``error``; ``hint`` says what to do."""
    status = ErrorNumber.IO if place.scheme == "tftp" else ErrorNumber.FILE_NOT_FOUND
    if error == "not-found":
        return CommandError(status, f"file `{text}' not found", hint=mistakes.of_file_name(text) or hint)
    return CommandError(status, f"{text}: {error}", hint=hint, unreached=True)
