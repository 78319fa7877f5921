"""config.c32: another configuration."""

from __future__ import annotations

from typing import Optional

from pypxeboot.dataclass import dataclass
from pypxeboot.effects import Steps
from pypxeboot.entry import Choice, Entry
from pypxeboot.syslinux.com32.module import (
    Com32Api,
    Com32Listing,
    Com32Module,
    Invocation,
    Lead,
    ToConfig,
)


@dataclass(frozen=True)
class ConfigC32(Com32Module):
    """config.c32: begin again with the configuration ``name``, in another directory if one is given."""

    name: str
    directory: str

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Read the file and perhaps a directory."""
        words = invocation.words
        if len(words) not in (1, 2):
            return invocation.nothing("wants a configuration file, and perhaps a directory")
        return cls(words[0], words[1] if len(words) > 1 else "")

    @property
    def lead(self) -> Optional[Lead]:
        """The configuration."""
        return ToConfig(self.name, self.directory)

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Read the configuration, and go on with it."""
        return (yield from api.read_config(self.name, self.directory))

    def describe(self, listing: Com32Listing) -> Entry:
        """Name the configuration that takes over."""
        return listing.meaning(f"configuration {self.name}")
