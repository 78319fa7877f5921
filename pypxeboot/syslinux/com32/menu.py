"""menu.c32, vesamenu.c32 and gfxboot.c32: menus."""

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
    ToMenu,
)


@dataclass(frozen=True)
class MenuC32(Com32Module):
    """menu.c32 and vesamenu.c32: the menu in the files of the arguments, in the main configuration else."""

    files: tuple[str, ...]

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take every argument for a file."""
        return cls(tuple(invocation.words))

    @property
    def lead(self) -> Optional[Lead]:
        """The menu."""
        return ToMenu(self.files)

    def run(self, api: Com32Api) -> Steps[Optional[Choice]]:
        """Have the menu shown."""
        return (yield from api.show_menu(self.files))

    def describe(self, listing: Com32Listing) -> Entry:
        """Name the files of the menu."""
        return listing.meaning(" ".join(("menu", *self.files)))


class GfxbootC32(MenuC32):
    """gfxboot.c32: the menu of the main configuration; its arguments are pictures."""

    @classmethod
    def parse(cls, invocation: Invocation) -> Com32Module:
        """Take nothing of the arguments."""
        return cls(())
