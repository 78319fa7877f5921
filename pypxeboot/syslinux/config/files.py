"""Read files of the boot servers as PXELINUX does: by names under a prefix, within limits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from ipaddress import ip_address
from typing import Optional

from pypxeboot.bootsource import BootSource
from pypxeboot.dataclass import dataclass, replace
from pypxeboot.effects import Fetch, Fetched, Log, Resolve, Resolved, Steps
from pypxeboot.errors import ConfigError
from pypxeboot.syslinux.config.model import Config
from pypxeboot.syslinux.config.parser import SyslinuxParser
from pypxeboot.text import printable
from pypxeboot.url import Location, is_absolute, resolve

# A generous menu has some 10 KiB; what is larger is not a configuration.
CONFIG_LIMIT = 256 * 1024
# Files a boot may ask for while it reads its configuration: the search (some 17 names) and the includes, of
# which Debian's netboot tree has 15. U-Boot and petitboot only bound the depth.
FETCH_LIMIT = 64
# Bytes a boot may read from its configuration files, each as often as it is included: a second or two of
# work. Files that each include ten others would be without end otherwise.
READ_LIMIT = 2 * 1024 * 1024

# A file is taken for a configuration by a LABEL line this near its beginning.
_JUDGED = 4096
_LABEL = re.compile(rb"^[ \t]*label[ \t]+\S", re.IGNORECASE | re.MULTILINE)

# "6.x asks for name.c32, ... and only then name"
_EXTENSIONS = (".c32", ".img", ".bss", ".bin", ".bs", ".0")


@dataclass
class _Spent:
    """How many files a boot has asked for since somebody last chose, and how many bytes it has read."""

    requests: int = 0
    size: int = 0


class ServerFiles:
    """The loader's view of the servers: its current directory, what it has read, and how much it may.

    ``empty`` are the files of no bytes that were asked for, ``odd`` says in words what was answered for
    others than that they are there or not; ``unknown`` are hosts without an address, and why.
    ``lost`` is what was told of lines that mean nothing, and of missing files that are included.
    """

    def __init__(self, source: BootSource) -> None:
        self.server = source.server
        self.prefix = source.prefix
        self._spent = _Spent()
        self._read: dict[Location, Optional[bytes]] = {}
        self.unknown: dict[str, str] = {}
        self._hosts: dict[str, bool] = {}
        self._told: set[str] = set()
        self.empty: list[Location] = []
        self.odd: list[str] = []
        self.lost: list[str] = []

    def refresh(self) -> None:
        """Count anew against the limits: somebody at the terminal asks for more."""
        self._spent.requests = self._spent.size = 0

    def copy(self) -> ServerFiles:
        """Return another view, with a directory of its own, and all that was read and spent in common."""
        return copy(self)

    def locate(self, name: str) -> Location:
        """Give the location of the file ``name``. Raises ConfigError if the name cannot be one."""
        location = resolve(name, self.prefix, self.server)
        known = self._hosts.get(location.host, True)
        return location if known or self.server is None else replace(location, host=self.server)

    def look_up(self, *names: str) -> Steps[None]:
        """Resolve the servers that ``names`` name.

        "Default to the server IP on resolve failure" (core/fs/pxe/pxe.c): :meth:`locate` does so then.
        """
        for host in dict.fromkeys(
            place.host for place in map(self._absolute_location, names) if place is not None
        ):
            if host == self.server or host in self._hosts or _is_address(host):
                continue
            found: Resolved = Resolved((), "no address") if host == "0.0.0.0" else (yield Resolve(host))
            self._hosts[host] = bool(found.addresses)
            if not found.addresses:
                why = self.unknown[host] = printable(found.error)
                yield Log(f"{host}: {why}; the boot server is asked instead, as by PXELINUX", warning=True)

    @property
    def lost_host(self) -> Optional[str]:
        """Say which server was not asked because its name has no address, None if there is none."""
        for host, why in self.unknown.items():
            return f"{printable(host)} has no address ({why}), and so the boot server was asked"
        return None

    def _absolute_location(self, name: str) -> Optional[Location]:
        """Give the location of ``name`` if it names a server; None if not, or if it cannot be a file."""
        try:
            return self.locate(name) if is_absolute(name) else None
        except ConfigError:
            return None

    def read(self, name: str) -> Steps[Optional[bytes]]:
        """Get the content of the configuration file ``name``, None if it is not there."""
        yield from self.look_up(name)
        try:
            location = self.locate(name)
        except ConfigError as error:
            self._count()
            yield Log(f"skipped: {error.message}", warning=True)
            return None
        return (yield from self.load(location))

    def load(self, location: Location) -> Steps[Optional[bytes]]:
        """Get the content of the configuration file at ``location``, None if there is none.

        It is asked for once in a boot.
        """
        if location not in self._read:
            reply = yield from self._fetch(Fetch(location, CONFIG_LIMIT))
            if reply.data is not None and len(reply.data) > CONFIG_LIMIT:
                raise ConfigError(f"{location} is larger than {CONFIG_LIMIT} bytes: no boot configuration is")
            if reply.words:
                self.odd.append(f"{printable(str(location))}: {printable(reply.words)}")
            if reply.error and reply.error != "not-found":
                yield Log(f"{location}: {printable(reply.error)}", warning=True)
            # "A zero-length file counts as not found" (core/fs/pxe/pxe.c)
            self._read[location] = reply.data or None
            if reply.data == b"":
                self.empty.append(location)
        data = self._read[location]
        self._spent.size += len(data or b"")
        if self._spent.size > READ_LIMIT:
            raise ConfigError(
                f"the boot configuration and what it includes is larger than {READ_LIMIT} bytes",
                hint=f"do files include each other? the last one is {location}",
            )
        return data

    def tell_skipped(self, parser: SyslinuxParser) -> Steps[None]:
        """Warn of what the files that ``parser`` has read say in vain: of each line once in a boot."""
        missing = [printable(name) for name in parser.missing if name not in self._told]
        if missing:
            self.lost.append(f"INCLUDE {', '.join(missing)}: not there, skipped")
            yield Log(self.lost[-1], warning=True)
        for text in parser.skipped.told():
            if text not in self._told:
                self.lost.append(text)
                yield Log(text, warning=True)
        self._told.update(parser.missing, parser.skipped.told())

    def exists(self, name: str) -> Steps[bool]:
        """Ask whether there is a file called ``name``."""
        yield from self.look_up(name)
        reply = yield from self._fetch(Fetch(self.locate(name), 1, head=True))
        return bool(reply.data)

    def complete_extension(self, word: str, directories: Sequence[str]) -> Steps[str]:
        """Add to ``word`` the extension of a file that exists, here or in one of PATH's ``directories``."""
        for extension in _EXTENSIONS:
            for place in ("", *directories):
                if (yield from self.exists(f"{place}{word}{extension}")):
                    return word + extension
        return word

    def holds_config(self, name: str) -> Steps[bool]:
        """Ask whether the URL ``name`` leads to a configuration, as web programs render them for kernels."""
        if "://" not in name:
            return False
        reply = yield from self._fetch(Fetch(self.locate(name), _JUDGED, head=True))
        data = reply.data or b""
        return b"\0" not in data and _LABEL.search(data) is not None

    def _fetch(self, fetch: Fetch) -> Steps[Fetched]:
        self._count()
        reply: Fetched = yield fetch
        return reply

    def _count(self) -> None:
        self._spent.requests += 1
        if self._spent.requests > FETCH_LIMIT:
            raise ConfigError(
                f"the boot configuration asks for more than {FETCH_LIMIT} files",
                hint="does a file include itself?",
            )


def _is_address(host: str) -> bool:
    try:
        return not ip_address(host).is_unspecified
    except ValueError:
        return False


def parse(files: ServerFiles, data: bytes, name: str, sysappend: int = 0) -> Steps[Config]:
    """Parse the configuration in ``data`` and in what it includes, as the loader itself reads it.

    ``name`` is what messages call it, ``sysappend`` what the configuration before it left behind.
    """
    parser = SyslinuxParser(files.read, sysappend=sysappend)
    yield from parser.file(data, name)
    config = parser.config()
    if not config.is_empty:  # else it is no configuration, which is told in place of its lines
        yield from files.tell_skipped(parser)
    return config
