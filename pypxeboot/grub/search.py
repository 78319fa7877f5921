"""Where GRUB looks for its configuration (normal/main.c, net/net.c ``grub_net_search_config_file``)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Optional

from pypxeboot.bootsource import BootRequest
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import (
    ComputeDigest,
    Download,
    DropFile,
    Fetch,
    Fetched,
    Log,
    ReadFile,
    ScriptFile,
    Steps,
)
from pypxeboot.errors import NoBootSource, NoConfiguration
from pypxeboot.grub import program
from pypxeboot.grub.engine.devices import CONFIG_LIMIT, location
from pypxeboot.grub.engine.memdisk import DEVICE, Memdisk
from pypxeboot.grub.engine.status import CommandError
from pypxeboot.grub.engine.variables import client_uuid
from pypxeboot.grub.program import BuiltIn
from pypxeboot.text import decode, printable
from pypxeboot.url import Location, resolve

_PLATFORM = re.compile(r"/[a-z0-9_]+-(pc|efi|ieee1275|coreboot|emu|xen|xen_pvh)$")
# Where programs look whose prefix cannot be read: those of grub-mknetdir, of Ubuntu and Cobbler.
_USUAL = ("/boot/grub", "/grub")
_PIECE = 1 << 20
# As a device; memdisk is also what SYSLINUX calls a kernel that starts images of disks.
_NAMES_DISK = re.compile(rf"[(=]['\"]?{DEVICE}\b")


@dataclass(frozen=True)
class Found:
    """The configuration: where it is, its text, and where GRUB's directory is, its ``prefix``.

    ``built_in``: the text is the one in the program at ``place``, which runs before any is looked for.
    """

    place: Location
    text: str
    device: str
    directory: str
    memdisk: Optional[Memdisk] = None
    built_in: bool = False


def names(request: BootRequest, scheme: str) -> list[str]:
    """List the names of configurations in a directory, in order; over HTTP there is one."""
    if scheme != "tftp":
        return ["grub.cfg"]
    guest, lease = request.guest, request.lease
    found = []
    uuid = client_uuid(lease)
    if uuid is not None:  # "if the server returns it"
        found.append(uuid)
    found.append("01-" + guest.mac.lower().replace(":", "-"))
    if lease.address.version == 4:
        address = f"{int(lease.address):08X}"
        found += [address[:digits] for digits in range(8, 0, -1)]
    else:
        found.append("-".join(f"{int(group, 16):x}" for group in lease.address.exploded.split(":")))
    return [*(f"grub.cfg-{name}" for name in found), "grub.cfg"]


def find(request: BootRequest) -> Steps[Found]:
    """Find the configuration. Raises NoBootSource, ConfigError."""
    source = request.source
    places = _Places(request)
    if source.config_file is not None:
        return (yield from places.with_memdisk((yield from _given(request, source.config_file))))
    tried: list[str] = []
    for device, directory in places.near():
        found = yield from _look(request, device, directory, tried)
        if found is not None:
            return (yield from places.with_memdisk(found))
    inside = yield from places.program()
    if inside is not None and (inside.config or inside.prefix.startswith(f"({DEVICE})")):
        return places.started(inside)
    for device, directory in places.built_in(inside):
        found = yield from _look(request, device, directory, tried)
        if found is not None:
            return found if inside is None else replace(found, memdisk=inside.memdisk)
    raise NoConfiguration(
        f"no configuration of GRUB on the server: none of {len(tried)} names is there",
        hint=f"tried {_grouped(tried)}; where the site has pxelinux.cfg, too: --bootfile pxelinux.0",
    )


def _grouped(tried: Sequence[str]) -> str:
    """Return the URLs ``tried`` in few words: the directories, and what was asked for in each."""
    folders = dict.fromkeys(url.rpartition("/")[0] + "/" for url in tried)
    asked = dict.fromkeys(url.rpartition("/")[2] for url in tried)
    return f"{' '.join(asked)} in {' '.join(folders)}"


def _given(request: BootRequest, name: str) -> Steps[Found]:
    """Read the configuration that the administrator names."""
    place = resolve(name, request.source.prefix, request.source.server)
    reply: Fetched = yield Fetch(place, CONFIG_LIMIT)
    if reply.data is None:
        raise NoBootSource(f"no boot configuration: {place} is not there ({printable(reply.error)})")
    port = "" if place.port is None else f":{place.port}"
    directory = ("/" + place.path.partition("?")[0].lstrip("/")).rpartition("/")[0]
    return Found(place, decode(reply.data), f"{place.scheme},{place.host}{port}", directory)


def _look(request: BootRequest, device: str, directory: str, tried: list[str]) -> Steps[Optional[Found]]:
    """Look into one directory, unless that was done."""
    scheme, _, server = device.partition(",")
    for name in names(request, scheme):
        try:
            place = location(scheme, server, f"{directory}/{name}")
        except CommandError:
            return None
        shown = printable(str(place))
        if shown in tried:
            continue
        tried.append(shown)
        reply: Fetched = yield Fetch(place, CONFIG_LIMIT)
        if reply.data is not None:
            return Found(place, decode(reply.data), device, directory)
    return None


class _Places:
    """The directories of one boot."""

    def __init__(self, request: BootRequest) -> None:
        self._request = request
        self._bootfile = request.source.bootfile
        place = self._bootfile
        self._scheme = "tftp" if place is None else place.scheme
        server = request.source.server or ""
        if place is not None:
            server = place.host if place.port is None else f"{place.host}:{place.port}"
        self._device = f"{self._scheme},{server}"
        self._started: Optional[Location] = None

    def near(self) -> Iterator[tuple[str, str]]:
        """Yield the directory that the boot file came from, without that of a platform at its end."""
        if self._bootfile is None:
            return
        path = "/" + self._bootfile.path.partition("?")[0].lstrip("/")
        directory = path.rpartition("/")[0]
        yield self._device, _PLATFORM.sub("", directory)

    def program(self) -> Steps[Optional[BuiltIn]]:
        """Return what is built into the boot file, or into what it starts; None where that cannot be read."""
        for name in self._programs():
            found = yield from _built_in(name)
            if found is not None:
                self._started = name
                yield Log(
                    f"GRUB: the boot file looks for its configuration in {printable(found.prefix)}"
                    f"{', by one that is built into it' if found.config else ''}"
                )
                return found
        return None

    def with_memdisk(self, found: Found) -> Steps[Found]:
        """Add the disk that is built into the program, where the configuration ``found`` speaks of it.

        Programs have several MiB, and few configurations beside them do.
        """
        if not _NAMES_DISK.search(found.text):
            return found
        inside = yield from self.program()
        return found if inside is None else replace(found, memdisk=inside.memdisk)

    def built_in(self, program: Optional[BuiltIn]) -> list[tuple[str, str]]:
        """Return the directory that is built into the program, or those that are usual."""
        if program is None:
            return [(self._device, directory) for directory in _USUAL]
        device, path = self._device, program.prefix
        if path.startswith("("):
            inside, _, path = path[1:].partition(")")
            protocol, comma, server = inside.partition(",")
            if protocol in ("tftp", "http", "https"):
                device = f"{protocol},{server}" if comma else f"{protocol},{self._device.partition(',')[2]}"
            elif inside == DEVICE and program.memdisk is not None:
                device = inside
        return [(device, path.rstrip("/"))]

    def started(self, program: BuiltIn) -> Found:
        """Return the configuration in the program itself."""
        ((device, directory),) = self.built_in(program)
        assert self._started is not None
        return Found(self._started, program.config, device, directory, program.memdisk, built_in=True)

    def _programs(self) -> list[Location]:
        """List what may be GRUB's program: the boot file, and what shim starts from beside it."""
        place = self._bootfile
        if place is None:
            return []
        architecture = {"i386": "ia32", "arm64": "aa64", "arm": "arm", "riscv64": "riscv64"}
        suffix = architecture.get(self._request.guest.processor, "x64")
        head, slash, _ = place.path.partition("?")[0].rpartition("/")
        beside = Location(
            place.scheme, place.host, f"{head}{slash}grub{suffix}.efi", place.port, place.user, place.password
        )
        efi = place.path.lower().endswith(".efi") or "shim" in place.name.lower()
        return [place, beside] if efi and beside != place else [place]


def _built_in(place: Location) -> Steps[Optional[BuiltIn]]:
    """Read what is built into the program at ``place``; None where there is no program, or nothing in it."""
    reply: ScriptFile = yield Download(place)
    if reply.handle is None:
        return None
    # With --not-really a script has the head of a file alone, until it wants to know something of all of it.
    yield ComputeDigest(reply.handle, "sha256")
    data = b""
    while len(data) < program.LIMIT:
        piece: bytes = yield ReadFile(reply.handle, len(data), _PIECE)
        if not piece:
            break
        data += piece
    yield DropFile(reply.handle)
    return program.built_in(data)
