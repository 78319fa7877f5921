"""The configuration that is in force: found at first, and replaced by CONFIG, config.c32 and pxechn.c32."""

from __future__ import annotations

from copy import copy
from typing import Optional, Union

from pypxeboot.bootsource import BootRequest, not_a_configuration, source_of_chained
from pypxeboot.dataclass import replace
from pypxeboot.effects import Log, Steps
from pypxeboot.errors import ConfigError, joined_hints
from pypxeboot.syslinux.com32.module import ToConfig, ToLoader
from pypxeboot.syslinux.config import lookup
from pypxeboot.syslinux.config.files import ServerFiles, parse
from pypxeboot.syslinux.config.model import Config, Label
from pypxeboot.syslinux.config.search import find_config
from pypxeboot.syslinux.loader import sysappend
from pypxeboot.syslinux.loader.catalog import Catalog
from pypxeboot.text import SPACE, printable
from pypxeboot.url import Location, is_absolute


class CurrentConfig:
    """The main configuration with what belongs to it: where it is, its entries, files by name, SYSAPPEND."""

    def __init__(self, request: BootRequest) -> None:
        self._request = request
        self.guest = request.guest
        self.files = ServerFiles(request.source)
        self.strings = self._sysappend_strings()
        self.location: Location
        self.config: Config
        self.catalog: Catalog

    def _sysappend_strings(self) -> tuple[Optional[str], ...]:
        request = self._request
        return sysappend.strings(request.guest, request.lease, request.source.server)

    def find(self) -> Steps[None]:
        """Find and read the main configuration. Raises NoBootSource if there is none."""
        request = self._request
        archs = (request.arch,) if request.arch else ()
        self.location, data = yield from find_config(
            self.files, request.source, request.guest, request.lease, archs
        )
        yield from self._read(data, 0)

    def switch(self, name: str, data: bytes, directory: str, sysappend: int) -> Steps[None]:
        """Put the configuration ``name``, which holds ``data``, in the place of this one.

        "name resolved against the old cwd, then chdir(dir)", a text put behind the prefix. ``sysappend`` is
        the mask that outlives the old one.
        """
        self.location = self.files.locate(name)
        directory = directory.rstrip(SPACE)
        if directory:
            files = self.files
            files.prefix = directory if is_absolute(directory) else files.prefix + directory
        yield from self._read(data, sysappend)

    def start_over(self, program: str, config_file: Optional[str], prefix: Optional[str]) -> Steps[None]:
        """Begin as the PXELINUX ``program`` does, with options 209 and 210."""
        source = replace(self._request.source, prefix=self.files.prefix)
        source = source_of_chained(source, program, config_file, prefix)
        self._request = replace(self._request, source=source)
        self.files.server, self.files.prefix = source.server, source.prefix
        self.strings = self._sysappend_strings()
        yield from self.find()

    def _read(self, data: bytes, sysappend: int) -> Steps[None]:
        yield Log(f"configuration {self.location}")
        yield from self.use(data, sysappend)

    def use(self, data: bytes, sysappend: int) -> Steps[None]:
        """Take ``data`` for the text of the main configuration."""
        self.config = yield from parse(self.files, data, printable(str(self.location)), sysappend)
        self._content = data
        self.catalog = Catalog(self)

    def follow(self, lead: Union[ToConfig, ToLoader]) -> Steps[CurrentConfig]:
        """Read what would be in the place of this configuration at the end of ``lead``; this one stays.

        Raises ConfigError and NoBootSource if there is none.
        """
        other = copy(self)
        other.files = self.files.copy()
        if isinstance(lead, ToLoader):
            yield from other.start_over(lead.program, lead.config_file, lead.prefix)
            return other
        data = yield from other.files.read(lead.name)
        if data is None:
            raise ConfigError(f"the configuration {printable(lead.name)!r} is not there")
        mask = self.config.sysappend if lead.keeps_sysappend else 0
        yield from other.switch(lead.name, data, lead.directory, mask)
        return other

    def sysappend(self, mask: int) -> list[str]:
        """Select the SYSAPPEND strings that ``mask`` asks for."""
        return sysappend.select(mask, self.strings)

    def command_line(self, label: Label) -> str:
        """Give the command line of ``label`` with its SYSAPPEND strings."""
        return sysappend.command_line(label, self.strings)

    def no_default(self) -> ConfigError:
        """Say that Enter would run nothing here."""
        if self.config.is_empty:
            return not_a_configuration(self.location, self._content)
        return ConfigError(
            f"{self.location} has neither DEFAULT nor UI: a person has to choose",
            hint=joined_hints(
                self.files.lost[0] if self.files.lost else None,
                f"choose with --label: {lookup.names(self.catalog.shown)}",
            ),
        )
